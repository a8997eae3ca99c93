// The charts of all figures of one or several runs.

import { html } from "./dom.js";
import { Chart } from "./chart.js";
import { Toolbar, View } from "./view.js";
import { fetchDetail } from "./connection.js";
import { duration, none, number, short, title } from "./format.js";
import { lowerBound } from "./series.js";
import { parts } from "./store.js";

const kinds = [["step", "step"], ["epoch", "epoch"], ["time", "training time"]];
const units = [[1, "s"], [60, "min"], [3600, "h"], [86400, "days"]];
/** The figures of the last charts. */
const last = new Map([["learning_rate", "learning rate"], ["examples_per_second", "examples a second"],
  ["gradient_norm", "gradient norm"]]);

export class Charts {
  element = html("div", {});
  #store;
  #charts = new Map();
  #grid = html("div", { class: "figures" });
  #empty = html("p", { class: "dim" }, "No steps yet.");
  #help = html("p", { class: "note" }, "Drag to zoom; a double click or Escape shows all. In a chart, arrow keys move "
    + "the crosshair (with Shift ten times as far), + and − zoom, Page Up and Page Down move. Bands go from the least "
    + "to the greatest value of merged steps.");
  #fetching = null;
  #timer = null;
  #painter;
  #xTitle = "step";

  constructor(store, painter) {
    this.#store = store;
    this.#painter = painter;
    this.view = new View({
      changed: () => {
        painter.now();
        this.#fetchDetailSoon();
      },
      moved: () => this.#charts.forEach((chart) => chart.drawCursor()),
    });
    this.toolbar = new Toolbar(this.view, { xs: kinds, onX: (x) => this.#setX(x) });
    this.element.append(this.toolbar.element, this.#empty, this.#grid, this.#help);
  }

  /** Another kind of x axis keeps the zoomed range of the selected run. */
  #setX(x) {
    const { view } = this;
    const run = this.#store.current ?? this.#store.shown[0];
    const zoom = view.zoom?.map((place) => run.placeOf(run.stepAt(place, view.x), x));
    view.set({ x, zoom: zoom?.every(Number.isFinite) ? zoom : null, cursor: null });
  }

  draw() {
    const runs = this.#store.shown;
    const { view } = this;
    const all = runs.map((run) => parts.map((part) => {
      const track = run.track(part);
      return { run, part, track, xs: run.places(track, view.x) };
    })).flat();
    const names = this.#names(runs, all);
    this.#empty.hidden = names.length > 0;
    this.toolbar.element.hidden = this.#help.hidden = names.length === 0;
    this.#setExtent(all);
    this.toolbar.update();

    for (const [name, chart] of this.#charts) {
      if (names.some(([other]) => other === name)) continue;
      chart.element.remove();
      this.#charts.delete(name);
    }
    names.forEach(([name, text], index) => {
      if (!this.#charts.has(name)) this.#charts.set(name, new Chart(text, view));
      const chart = this.#charts.get(name);
      if (this.#grid.children[index] !== chart.element) {
        this.#grid.insertBefore(chart.element, this.#grid.children[index] ?? null);
      }
      chart.xTitle = this.#xTitle;
      const own = all.filter(({ track }) => track.columns.get(name)?.hasData);
      chart.update(own.map((one) => this.#curve(one, name, runs.length > 1)),
        runs.length > 1 ? this.#legend(own) : undefined);
    });
  }

  /** Names and titles of the figures that have data, in the order of their charts. */
  #names(runs, all) {
    const known = new Map([["loss", "loss"]]);
    for (const run of runs) {
      for (const figure of run.status?.figures ?? []) {
        if (figure?.name && !last.has(figure.name)) known.set(figure.name, figure.title ?? title(figure.name));
      }
    }
    for (const { track } of all) {
      for (const name of track.columns.keys()) {
        if (!known.has(name) && !last.has(name)) known.set(name, title(name));
      }
    }
    return [...known, ...last].filter(([name]) => all.some(({ track }) => track.columns.get(name)?.hasData));
  }

  /** Of several runs: the colours, as far as there are enough of them, and the dashes. */
  #legend(own) {
    const runs = [...new Set(own.map(({ run }) => run))];
    const shown = [...new Set(own.map(({ part }) => part))];
    return [
      ...(runs.length > 7 ? [] : runs).map((run) => ({ label: run.name, style: `c${this.#store.color(run)}` })),
      ...(shown.length > 1 ? shown : []).map((part) => ({ label: part, style: `c6 dash-${part}` })),
    ];
  }

  #setExtent(all) {
    const { view } = this;
    let [low, high] = [Infinity, -Infinity];
    for (const { xs } of all) {
      const first = xs.find((place) => place > 0);
      if (first === undefined) continue;
      [low, high] = [Math.min(low, first), Math.max(high, xs[xs.length - 1])];
    }
    if (low === Infinity) [low, high] = [view.logX ? 1 : 0, 1];
    view.extent = [view.logX ? low : 0, high];
    view.unit = 1;
    this.#xTitle = view.x;
    if (view.x === "time") {
      // Powers of ten are in seconds.
      const [unit, name] = units.findLast(([seconds]) => !view.logX && view.range[1] >= 3 * seconds) ?? units[0];
      view.unit = unit;
      this.#xTitle = `training time (${name})`;
    }
  }

  #curve({ run, part, track, xs }, name, isOneOfMany) {
    const column = track.columns.get(name);
    const style = isOneOfMany
      ? `c${this.#store.color(run)} dash-${part}` : `c${{ train: 0, validation: 2, test: 1 }[part]}`;
    return {
      label: isOneOfMany ? `${run.name} ${part}` : part,
      style, xs, values: column.mean, min: column.min, max: column.max,
      isSmoothed: part === "train" && name !== "learning_rate",
      hasDots: part !== "train",
      describe: (index) => {
        const step = track.step[index];
        const epoch = run.stepsPerEpoch ? step / run.stepsPerEpoch : NaN;
        return [`step ${number(step)}`, Number.isFinite(epoch) ? `epoch ${short(Number(epoch.toFixed(2)))}` : none,
          duration(track.time[index])].filter((text) => text !== none).join(" · ");
      },
    };
  }

  /** A zoomed range may have more points than are held: asks for them when the zoom has come to rest. */
  #fetchDetailSoon() {
    clearTimeout(this.#timer);
    this.#fetching?.abort();
    this.#timer = setTimeout(() => this.#fetchDetails(), 150);
  }

  async #fetchDetails() {
    const { view } = this;
    const controller = (this.#fetching = new AbortController());
    await Promise.all(this.#store.shown.map(async (run) => {
      if (!view.zoom) {
        run.detail = null;
        return;
      }
      const [from, to] = view.zoom.map((place) => run.stepAt(place, view.x));
      if (!Number.isFinite(from) || !Number.isFinite(to)) return;
      const [low, high] = [Math.max(0, Math.floor(from) - 1), Math.ceil(to) + 1];
      const { step } = run.tracks.train;
      const held = lowerBound(step, high + 1) - lowerBound(step, low);
      // Every step is there, or as many points as an answer would have.
      if (held >= Math.min(1500, Math.min(high, step.at(-1) ?? 0) - Math.max(low, step[0] ?? 0))) return;
      try {
        run.detail = await fetchDetail(run, low, high, controller.signal);
      } catch {
        // Another zoom has come, or the server is away: what is held is drawn.
      }
    }));
    if (controller === this.#fetching && !controller.signal.aborted) this.#painter.now();
  }
}
