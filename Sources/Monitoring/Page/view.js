// What several charts have in common: the part of the x axis in sight, its kind, the crosshair, and the smoothing.

import { html } from "./dom.js";
import { Axis } from "./axis.js";

export class View {
  x = "step";
  logX = false;
  logY = false;
  smoothing = 0;
  /** The zoomed range of x, or null for all. */
  zoom = null;
  /** Everything that there is, set by who draws. */
  extent = [0, 1];
  /** The place of the crosshair, or null. */
  cursor = null;

  /** `changed` is called after a change that the charts must show; `moved` when only the crosshair has. */
  constructor({ changed, moved }) {
    this.changed = changed;
    this.moved = moved;
  }

  get range() {
    return this.zoom ?? this.extent;
  }

  get #axis() {
    return new Axis(...this.range, { log: this.logX, isTight: true });
  }

  set(changes) {
    Object.assign(this, changes);
    this.changed();
  }

  zoomTo(low, high) {
    const [first, last] = this.extent;
    low = Math.max(low, first);
    high = Math.min(high, last);
    // Beyond what numbers can tell apart there is nothing to see.
    if (!(high - low > (last - first) * 1e-9)) return;
    this.set({ zoom: low <= first && high >= last ? null : [low, high] });
  }

  /** Shows `share` of the present range around the crosshair, or around the middle. */
  zoomBy(share) {
    const axis = this.#axis;
    const inside = this.cursor !== null ? axis.position(this.cursor) : 0.5;
    const middle = inside >= 0 && inside <= 1 ? inside : 0.5;
    this.zoomTo(axis.value(middle - middle * share), axis.value(middle + (1 - middle) * share));
  }

  /** Moves the zoomed range by a share of its width, as far as there is something. */
  pan(share) {
    if (!this.zoom) return;
    const whole = new Axis(...this.extent, { log: this.logX, isTight: true });
    const [low, high] = this.zoom.map((value) => whole.position(value));
    const by = Math.min(Math.max((high - low) * share, -low), 1 - high);
    this.zoomTo(whole.value(low + by), whole.value(high + by));
  }

  reset() {
    this.set({ zoom: null });
  }

  point(cursor) {
    if (cursor === this.cursor) return;
    this.cursor = cursor;
    this.moved();
  }
}

/** The controls of a view. `xs`: [key, text] of the kinds of x axis. */
export class Toolbar {
  #view;
  #zoomed;

  constructor(view, { xs = [], logX = true, smoothing = true, onX = (x) => view.set({ x }) } = {}) {
    this.#view = view;
    const check = (text, name) => html("label", {},
      html("input", {
        type: "checkbox", checked: view[name], onchange: (event) => view.set({ [name]: event.target.checked }),
      }), text);
    const button = (text, name, action) =>
      html("button", { type: "button", "aria-label": name, title: name, onclick: action }, text);
    const amount = html("output", {}, "0");
    const slide = (event) => {
      amount.value = Number(event.target.value).toFixed(2);
      view.set({ smoothing: Number(event.target.value) });
    };
    this.#zoomed = [
      button("◀", "Earlier", () => view.pan(-0.5)), button("▶", "Later", () => view.pan(0.5)),
      button("Reset zoom", "Reset zoom", () => view.reset()),
    ];
    this.element = html("div", { class: "toolbar", role: "group", "aria-label": "Controls of the charts" },
      xs.length === 0 ? null : html("label", {}, "x axis",
        html("select", { onchange: (event) => onX(event.target.value) },
          ...xs.map(([value, text]) => html("option", { value }, text)))),
      check("log y", "logY"),
      logX ? check("log x", "logX") : null,
      smoothing ? html("label", { title: "An exponential moving average of the training curves" }, "smoothing",
        html("input", { type: "range", min: 0, max: 0.99, step: 0.01, value: 0, oninput: slide }), amount) : null,
      html("span", { class: "buttons" },
        button("−", "Zoom out", () => view.zoomBy(2)), button("+", "Zoom in", () => view.zoomBy(0.5)),
        ...this.#zoomed));
  }

  update() {
    for (const button of this.#zoomed) button.disabled = !this.#view.zoom;
  }
}
