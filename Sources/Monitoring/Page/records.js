// Epochs with their parameters' digests, checkpoints, the job, and the log.

import { html, setText } from "./dom.js";
import { clock, duration, none, number, shortDigest } from "./format.js";
import { Table } from "./table.js";

const mostEpochs = 200;

export function digestCell(cell, digest) {
  if (cell.title === (digest ?? "")) return;
  cell.title = digest ?? "";
  cell.replaceChildren(digest ? html("code", {}, shortDigest(digest)) : none);
}

export class Epochs {
  #epochs = new Table("Epochs", [
    { title: "epoch", text: ({ epoch }) => number(epoch) },
    { title: "step", text: ({ step }) => number(step) },
    { title: "parameters' digest (SHA-256)", isText: true, fill: (cell, epoch) => this.#digest(cell, epoch) },
  ], { key: ({ step }) => step, isTall: true });
  #checkpoints = new Table("Checkpoints", [
    { title: "epoch", text: ({ epoch }) => number(epoch) },
    { title: "step", text: ({ step }) => number(step) },
    { title: "pause", text: ({ pause_seconds: seconds }) => duration(seconds) },
  ], { key: ({ step }) => step, isTall: true });
  #noEpochs = html("p", { class: "dim" }, "No epoch has ended.");
  #noCheckpoints = html("p", { class: "dim" }, "No checkpoints.");

  constructor(section) {
    section.append(html("div", { class: "halves" },
      html("div", {}, html("h3", {}, "Epochs"), this.#noEpochs, this.#epochs.element),
      html("div", {}, html("h3", {}, "Checkpoints"), this.#noCheckpoints, this.#checkpoints.element)));
  }

  #digest(cell, { epoch, parameters_sha256: digest }) {
    if (cell.title === digest) return;
    digestCell(cell, digest);
    if (!digest || !navigator.clipboard) return;
    const button = html("button", {
      type: "button", class: "copy", "aria-label": `Copy the digest of epoch ${epoch}`,
      onclick: () => navigator.clipboard.writeText(digest).then(() => setText(button, "copied"), () => {}),
    }, "copy");
    cell.append(" ", button);
  }

  update(run) {
    if (!run || run.kind === "sweep") return false;
    const { epochs, checkpoints } = run;
    this.#noEpochs.hidden = epochs.length > 0;
    this.#epochs.element.hidden = epochs.length === 0;
    this.#noCheckpoints.hidden = checkpoints.length > 0;
    this.#checkpoints.element.hidden = checkpoints.length === 0;
    this.#epochs.update(epochs.slice(-mostEpochs).reverse());
    this.#checkpoints.update(checkpoints.toReversed());
    return true;
  }
}

export class Job {
  #text = html("pre", { tabindex: "0", "aria-label": "The job's options" });

  constructor(section) {
    section.append(html("details", {}, html("summary", {}, "Options, as lockstep train --job takes them"), this.#text));
  }

  update(run) {
    if (!run?.job) return false;
    setText(this.#text, run.job);
    return true;
  }
}

export class Log {
  #run = null;
  #lines = null;
  #filter = html("select", { onchange: () => this.#draw() },
    html("option", { value: "all" }, "all lines"), html("option", { value: "warnings" }, "warnings and errors"));
  #list = html("ol", { class: "log scroll tall", reversed: true, tabindex: "0", "aria-label": "Log, newest first" });

  constructor(section) {
    section.append(html("p", { class: "toolbar" }, html("label", {}, "show", this.#filter)), this.#list);
  }

  update(run) {
    if (!run || run.log.length === 0) return false;
    if (run.log !== this.#lines) {
      this.#lines = run.log;
      this.#draw();
    }
    return true;
  }

  #draw() {
    const isShown = ({ kind }) => this.#filter.value === "all" || ["warning", "error", "left"].includes(kind);
    const lines = this.#lines.filter(isShown).toReversed();
    this.#list.replaceChildren(...lines.map(({ time, step, kind, text }) => html("li", { class: `line-${kind}` },
      html("time", {}, clock(time)), html("span", { class: "kind" }, kind ?? ""),
      html("span", { class: "dim" }, Number.isFinite(step) ? `step ${number(step)}` : ""),
      html("span", {}, text ?? ""))));
    if (lines.length === 0) this.#list.append(html("li", { class: "dim" }, "Nothing."));
  }
}
