// Who did what in the last steps.

import { colorKey, html, setAttribute, svg } from "./dom.js";
import { duration, number } from "./format.js";

const head = 18;
const foot = 22;
const mostTitles = 32;

export class Timeline {
  #run = null;
  #steps = [];
  #width = 0;
  #hold = html("input", { type: "checkbox", onchange: () => this.update(this.#run) });
  #svg = svg("svg", { class: "chart timeline", role: "img" });
  #scroll = html("div", {
    class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Timeline of the last steps",
  }, this.#svg);

  constructor(section) {
    const key = [["computing", "compute"], ["has micro-batches", "assigned"], ["sums and update", "sum"],
      ["messages", "transfer"]];
    section.append(
      html("p", { class: "toolbar" }, html("label", {}, this.#hold, "hold still"), colorKey(key)),
      this.#scroll,
      html("p", { class: "note" }, "A worker's bar goes from its first to its last micro-batch of the step; the dark "
        + "part is as long as its threads computed on average. The coordinator's times are totals, drawn at the step's "
        + "end."));
    new ResizeObserver(([entry]) => {
      this.#width = Math.round(entry.contentRect.width);
      this.#draw();
    }).observe(this.#scroll);
  }

  update(run) {
    const steps = run?.status?.recent_steps ?? [];
    if (steps.length === 0) return false;
    const isOther = run !== this.#run;
    this.#run = run;
    // An update without a new step changes nothing.
    if (!isOther && (this.#hold.checked || steps.at(-1).step === this.#steps.at(-1)?.step)) return true;
    this.#steps = steps;
    this.#draw();
    return true;
  }

  #draw() {
    const width = this.#width;
    if (width === 0 || this.#steps.length === 0) return;
    const steps = width < 560 ? this.#steps.slice(-4) : this.#steps;
    const numbers = [...new Set(steps.flatMap((step) => (step.workers ?? []).map((worker) => worker.number)))]
      .filter(Number.isFinite).sort((a, b) => a - b);
    const row = numbers.length <= 16 ? 18 : numbers.length <= 40 ? 10 : 4;
    const left = 84;
    const height = head + row * numbers.length + 22 + foot;
    const whole = steps.reduce((sum, step) => sum + (step.seconds ?? 0), 0) || 1;
    const scale = (width - left - 8) / whole;
    const top = new Map(numbers.map((number, index) => [number, head + 22 + index * row]));
    const parts = [];
    // Bars of few workers say more when pointed at; those of many are a single path, which is quick to draw.
    const paths = { assigned: [], compute: [] };
    const bar = (style, from, length, y, thick, text) => {
      if (!(length > 0) || !Number.isFinite(from)) return;
      const [x, wide] = [(left + from * scale).toFixed(1), Math.max(length * scale, 0.5).toFixed(1)];
      if (numbers.length > mostTitles && paths[style]) paths[style].push(`M${x} ${y}h${wide}v${thick}h-${wide}z`);
      else parts.push(svg("rect", { class: style, x, y, width: wide, height: thick }, svg("title", {}, text())));
    };
    const every = Math.max(1, Math.ceil(14 / row));
    numbers.forEach((worker, index) => {
      if (index % every === 0) {
        parts.push(svg("text", { x: left - 8, y: top.get(worker) + Math.max(row, 10) / 2 + 4, "text-anchor": "end" },
          `worker ${worker}`));
      }
    });
    parts.push(svg("text", { x: left - 8, y: head + 13, "text-anchor": "end" }, "coordinator"));
    let start = 0;
    for (const step of steps) {
      const at = left + start * scale;
      const room = (step.seconds ?? 0) * scale;
      parts.push(svg("line", { class: "grid", x1: at, x2: at, y1: 4, y2: height - foot }));
      const name = `step ${number(step.step)}`;
      const label = room > name.length * 7 ? name : room > 7 * number(step.step).length ? number(step.step) : "";
      if (label) parts.push(svg("text", { class: "dim", x: at + 4, y: 13 }, label));
      for (const worker of step.workers ?? []) {
        if (!top.has(worker.number)) continue;
        const [y, thick] = [top.get(worker.number) + (row > 8 ? 2 : 0), row > 8 ? row - 4 : row - 1];
        const length = worker.to - worker.from;
        const text = () => `${name}, worker ${worker.number}: from ${duration(worker.from)} to ${
          duration(worker.to)}, computing ${duration(worker.compute)}`;
        bar("assigned", start + worker.from, length, y, thick, text);
        bar("compute", start + worker.from, Math.min(worker.compute ?? 0, length), y, thick, text);
      }
      const own = (step.sum_update ?? 0) + (step.transfer ?? 0);
      const from = start + Math.max(0, (step.seconds ?? 0) - own);
      const text = () => `${name}, coordinator: sums and update ${duration(step.sum_update)}, messages ${
        duration(step.transfer)}`;
      bar("sum", from, step.sum_update, head + 2, 14, text);
      bar("transfer", from + (step.sum_update ?? 0), step.transfer, head + 2, 14, text);
      start += step.seconds ?? 0;
    }
    for (const [style, bars] of Object.entries(paths)) parts.push(svg("path", { class: style, d: bars.join("") }));
    parts.push(svg("line", { class: "axis", x1: left, x2: width - 8, y1: height - foot, y2: height - foot }),
      svg("text", { class: "dim", x: left, y: height - 6 }, "0"),
      svg("text", { class: "dim", x: width - 8, y: height - 6, "text-anchor": "end" }, duration(whole)));
    setAttribute(this.#svg, "viewBox", `0 0 ${width} ${height}`);
    setAttribute(this.#svg, "aria-label", `Timeline of steps ${number(steps[0].step)} to ${
      number(steps.at(-1).step)}, ${duration(whole)}: ${numbers.length} workers and the coordinator`);
    this.#svg.replaceChildren(...parts);
  }
}
