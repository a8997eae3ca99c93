// Several runs beside each other: which are drawn, their figures, and whether their parameters are equal.

import { html, sample, setAttribute, setText } from "./dom.js";
import { duration, none, number, title } from "./format.js";
import { digestCell } from "./records.js";
import { Table } from "./table.js";

const mostEpochs = 200;

/** A run's parameter digests by step. */
export function digests(run) {
  const known = new Map(
    run.epochs.map(({ step, epoch, parameters_sha256: digest }) => [step, { step, epoch, digest }]));
  const { steps, parameters_sha256: digest } = run.summary ?? {};
  if (digest && !known.has(steps)) known.set(steps, { step: steps, epoch: null, digest });
  return known;
}

/** How the parameters of `other` compare with those of `first`, in words. */
export function verdict(first, other) {
  const theirs = digests(other);
  const common = [...digests(first).values()].filter(({ step }) => theirs.has(step)).sort((a, b) => a.step - b.step);
  if (common.length === 0) return { text: "no common epochs yet", isDifferent: false };
  const at = ({ epoch, step }) => (epoch === null ? `step ${number(step)}` : `epoch ${number(epoch)}`);
  const index = common.findIndex(({ step, digest }) => theirs.get(step).digest !== digest);
  if (index < 0) {
    const areOver = first.summary && other.summary && first.summary.steps === other.summary.steps;
    return { text: areOver ? "equal" : `equal up to ${at(common.at(-1))}`, isDifferent: false, isEqual: true };
  }
  return {
    text: index === 0 ? `different from ${at(common[0])}`
      : `equal up to ${at(common[index - 1])}, different from ${at(common[index])}`,
    isDifferent: true,
  };
}

export class Compare {
  #store;
  #changed;
  #first = null;
  #table = null;
  #figures = "";
  #holder = html("div", {});
  #note = html("p", { class: "note" });
  #epochs = html("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Digests by epoch" });
  #details = html("details", { ontoggle: () => this.#showEpochs() },
    html("summary", {}, "Parameters' digests by epoch"), this.#epochs);

  constructor(section, store, changed) {
    this.#store = store;
    this.#changed = changed;
    section.append(this.#holder, this.#note, this.#details);
  }

  update() {
    const { runs } = this.#store;
    if (runs.length < 2) return false;
    const own = runs.filter((run) => run.kind === "run");
    this.#first = own[0] ?? null;
    const figures = [...new Set(own.flatMap((run) => [run.status?.latest, run.summary].flatMap((values) =>
      Object.keys(values ?? {}).filter((name) => /^(train|validation|test)_/.test(name)))))];
    // Another set of figures needs other columns.
    if (!this.#table || figures.join() !== this.#figures) {
      this.#figures = figures.join();
      this.#table = new Table("Runs", this.#columns(figures), {
        key: (run) => run.id, rowClass: (run) => (run.id === this.#store.selected ? "selected" : null),
      });
      this.#holder.replaceChildren(this.#table.element);
    }
    this.#table.update(runs);
    setText(this.#note, own.length > 1
      ? `Parameters are compared with those of ${this.#first.name}, where both have a digest of the same step. `
        + "The name shows a run's details below." : "");
    this.#details.hidden = own.length < 2;
    this.#showEpochs();
    return true;
  }

  #columns(figures) {
    const figure = (run, name) => run.summary?.[name] ?? run.status?.latest?.[name];
    const step = (run) => run.status?.step ?? run.summary?.steps;
    return [
      { title: "curves", isText: true, fill: (cell, run) => this.#checkbox(cell, run) },
      { title: "run", isText: true, sort: (run) => run.name, fill: (cell, run) => this.#name(cell, run) },
      { title: "state", isText: true, text: (run) => run.state, sort: (run) => run.state },
      {
        title: "parameters", isText: true, fill: (cell, run) => {
          const { text, isDifferent, isEqual } = run === this.#first || run.kind !== "run" ? { text: none }
            : verdict(this.#first, run);
          setText(cell, text);
          setAttribute(cell, "class", isDifferent ? "text bad" : isEqual ? "text good" : "text");
        },
      },
      { title: "step", text: (run) => number(step(run)), sort: step },
      ...figures.map((name) => ({
        title: title(name), text: (run) => number(figure(run, name)), sort: (run) => figure(run, name),
        hint: (run) => (typeof figure(run, name) === "number" ? String(figure(run, name)) : null),
      })),
      {
        title: "steps a second", text: (run) => number(run.summary?.steps_per_second ?? run.status?.steps_per_second),
        sort: (run) => run.summary?.steps_per_second ?? run.status?.steps_per_second,
      },
      { title: "took", text: (run) => duration(run.summary?.seconds), sort: (run) => run.summary?.seconds },
    ];
  }

  #checkbox(cell, run) {
    if (run.kind !== "run") return;
    if (!cell.firstChild) {
      const box = html("input", {
        type: "checkbox", "aria-label": `Draw the curves of ${run.name}`, onchange: () => {
          if (box.checked) this.#store.hidden.delete(run.id);
          else this.#store.hidden.add(run.id);
          this.#changed();
        },
      });
      cell.append(html("label", {}, box, sample(`c${this.#store.color(run)}`)));
    }
    cell.querySelector("input").checked = !this.#store.hidden.has(run.id);
  }

  #name(cell, run) {
    if (!cell.firstChild) {
      cell.append(html("button", {
        type: "button", class: "link", onclick: () => {
          this.#store.selected = run.id;
          this.#changed();
        },
      }, run.name));
    }
    setAttribute(cell.firstChild, "aria-pressed", run.id === this.#store.selected);
    setAttribute(cell.firstChild, "title", run.path);
  }

  #showEpochs() {
    if (!this.#details.open) return;
    const runs = this.#store.shown;
    const known = runs.map(digests);
    const steps = [...new Set(known.flatMap((own) => [...own.keys()]))].sort((a, b) => a - b);
    const reference = known[0];
    const rows = steps.slice(-mostEpochs).reverse().map((step) => {
      const { epoch } = known.find((own) => own.has(step)).get(step);
      return html("tr", {}, html("td", {}, epoch === null ? none : number(epoch)), html("td", {}, number(step)),
        ...known.map((own) => {
          const cell = html("td", { class: "text" });
          const digest = own.get(step)?.digest;
          digestCell(cell, digest);
          if (digest && reference.get(step)?.digest && reference.get(step).digest !== digest) cell.classList.add("bad");
          return cell;
        }));
    });
    this.#epochs.replaceChildren(html("table", {}, html("thead", {}, html("tr", {},
      ...["epoch", "step"].map((text) => html("th", { scope: "col" }, text)),
      ...runs.map((run) => html("th", { scope: "col", class: "text" }, run.name)))), html("tbody", {}, ...rows)));
  }
}
