// The state of a run or a sweep at the head of the page.

import { Facts, ShareBar, html, setAttribute, setText } from "./dom.js";
import { bytes, date, duration, number, plain, short, shortDigest, title } from "./format.js";

const between = (start, end) => (Number.isFinite(start) && Number.isFinite(end) ? end - start : null);

export class Overview {
  #state = html("span", { class: "state" });
  #path = html("span", { class: "dim" });
  #bar = html("progress", { max: "1", value: "0", "aria-label": "Progress" });
  #progress = html("p", { class: "progress-text" });
  #problem = html("p", { class: "verdict bad" });
  #headline = html("p", { class: "dim headline" });
  #figures = new Facts("facts figures-now");
  #details = new Facts("facts details");
  #phases = new ShareBar([
    ["computing", "compute"], ["waiting", "wait"], ["sums and updates", "sum"], ["messages", "transfer"]]);
  #phaseLine = html("p", { class: "phases" },
    html("span", { class: "dim" }, "time of the steps"), this.#phases.element);
  #notes = html("p", { class: "note" });

  constructor(section) {
    this.heading = section.querySelector("h1");
    section.append(html("p", { class: "state-line" }, this.#state, this.#path), this.#problem, this.#bar,
      this.#progress, this.#headline, this.#figures.element, this.#phaseLine, this.#details.element, this.#notes);
  }

  update(run) {
    setText(this.heading, run.name);
    setText(this.#state, run.state);
    setAttribute(this.#state, "class", `state ${run.state}`);
    setText(this.#path, run.path && run.path !== run.name ? run.path : "");
    const error = [run.error, run.summary?.culprit ? `Culprit: ${plain(run.summary.culprit)}` : null, run.problem];
    this.#problem.hidden = !error.some(Boolean);
    setText(this.#problem, error.filter(Boolean).join("\n"));
    const { status } = run;
    setText(this.#headline, run.sweep?.headline ?? status?.headline ?? "");
    const notes = run.summary?.other_numerics ?? [];
    this.#notes.hidden = notes.length === 0;
    setText(this.#notes, notes.map(plain).join(" "));
    if (run.sweep) this.#showSweep(run.sweep);
    else this.#showRun(run);
  }

  #setProgress(done, total, text) {
    const share = total > 0 ? Math.min(done / total, 1) : 0;
    this.#bar.hidden = !(total > 0);
    if (this.#bar.value !== share) this.#bar.value = share;
    setAttribute(this.#bar, "aria-valuetext", text);
    setText(this.#progress, text);
    return share;
  }

  #showRun(run) {
    const { status, summary } = run;
    const step = status?.step ?? summary?.steps ?? run.tracks.train.step.at(-1) ?? null;
    const total = status?.total_steps ?? null;
    const epochs = status?.total_epochs ? `epoch ${number(status.epoch)} of ${number(status.total_epochs)}`
      : status?.epoch ? `epoch ${number(status.epoch)}` : null;
    const isRunning = run.state === "running";
    this.#setProgress(step ?? 0, total, [
      total ? `step ${number(step)} of ${number(total)}` : step !== null ? `step ${number(step)}` : null, epochs,
      total && step !== null ? `${Math.floor(100 * Math.min(step / total, 1))} %` : null,
      isRunning && Number.isFinite(status?.seconds_left) ? `${duration(status.seconds_left)} left` : null,
    ].filter(Boolean).join(" · "));

    const latest = { ...(status?.latest ?? {}) };
    for (const [name, value] of Object.entries(summary ?? {})) {
      if (/^(train|validation|test)_/.test(name) && typeof value === "number") latest[name] = value;
    }
    const figures = Object.entries(latest).filter(([, value]) => typeof value === "number")
      .map(([name, value]) => [title(name), number(value), String(value)]);
    const seconds = summary?.seconds ?? between(status?.started, isRunning ? run.now : status?.updated);
    this.#figures.update([
      ...figures,
      ["steps a second", number(summary?.steps_per_second ?? status?.steps_per_second)],
      ["examples a second", number(status?.examples_per_second)],
      ["learning rate", short(status?.learning_rate)],
    ]);
    this.#details.update([
      ["examples", number(summary?.examples_seen ?? status?.examples)],
      ["skipped steps", (summary?.skipped_steps ?? status?.skipped_steps) > 0
        ? number(summary?.skipped_steps ?? status.skipped_steps) : null],
      ["parameters", number(summary?.parameter_count)],
      [run.isOver ? "took" : "running for", duration(seconds)],
      ["started", date(status?.started)],
      ["coordinator", status?.host ? `${status.host}${status.pid ? `, process ${status.pid}` : ""}` : null],
      ["received", bytes(status?.bytes?.received)],
      ["sent", bytes(status?.bytes?.sent)],
      ["lost workers", status?.lost_workers > 0 ? number(status.lost_workers) : null],
      ["micro-batches reassigned", status?.reassigned_leaves > 0 ? number(status.reassigned_leaves) : null],
      ["last checkpoint", status?.checkpoint ? `step ${number(status.checkpoint.step)}` : null],
      ["parameters' digest", shortDigest(summary?.parameters_sha256), summary?.parameters_sha256],
    ]);
    const phases = summary?.step_time ?? status?.phases;
    this.#phaseLine.hidden = !phases;
    if (phases) this.#phases.update([phases.compute, phases.wait, phases.sum_update, phases.transfer]);
  }

  #showSweep(sweep) {
    const trials = sweep.trials ?? [];
    const ended = sweep.ended ?? trials.filter((trial) => trial.outcome !== "running").length;
    this.#setProgress(ended, sweep.planned, sweep.planned
      ? `${number(ended)} of ${number(sweep.planned)} trials of this round · ${
        Math.floor(100 * ended / sweep.planned)} %`
      : `${number(ended)} trials`);
    const best = trials.filter(({ loss }) => Number.isFinite(loss))
      .reduce((least, trial) => (least && least.loss <= trial.loss ? least : trial), null);
    const count = (outcome) => trials.filter((trial) => trial.outcome === outcome).length || null;
    this.#figures.update([
      ["best loss", best ? number(best.loss) : null, String(best?.loss)],
      ...["running", "diverged", "failed"].map((outcome) => [outcome, number(count(outcome))]),
    ]);
    this.#details.update([
      ["best trial", best?.name ?? null], ["started", date(sweep.started)],
      [sweep.state === "running" ? "running for" : "took", duration(between(sweep.started, sweep.updated))],
      ["report", sweep.report],
    ]);
    this.#phaseLine.hidden = true;
  }
}
