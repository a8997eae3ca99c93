// A chart of curves over a shared x axis, with a crosshair, zoom and a table of its values.

import { html, sample, setAttribute, setText, svg } from "./dom.js";
import { Axis } from "./axis.js";
import { chartTable } from "./charttable.js";
import { bandPath, coincide, lastValue, linePath, reduced } from "./curves.js";
import { number } from "./format.js";
import { lowerBound, nearest, smoothed } from "./series.js";

const margin = { top: 8, right: 12, bottom: 38 };
const mostTips = 12;
let charts = 0;

/**
 * Curves are {label, style, xs, values, min, max, isSmoothed, hasDots, describe(index)}: `style` has the classes of
 * colour and dash, `xs` ascend. Curves that coincide are drawn as one, whose colours alternate.
 */
export class Chart {
  #view;
  #curves = [];
  #drawn = [];
  #axes = null;
  #size = { width: 0, height: 0 };
  #clip = `clip-${(charts += 1)}`;
  #drag = null;

  constructor(title, view, { xTitle = "" } = {}) {
    this.title = title;
    this.xTitle = xTitle;
    this.#view = view;
    this.legend = html("span", { class: "legend" });
    this.grid = svg("g");
    this.lines = svg("g", { "clip-path": `url(#${this.#clip})` });
    this.cursor = svg("g");
    this.frame = svg("rect");
    this.svg = svg("svg", { class: "chart", role: "img" },
      svg("defs", {}, svg("clipPath", { id: this.#clip }, this.frame)), this.grid, this.lines, this.cursor);
    this.tip = html("div", { class: "tip", hidden: true });
    this.overlay = html("div", {
      class: "overlay", tabindex: "0", role: "slider", "aria-label": `${title}: crosshair`,
    });
    this.rows = html("div", { class: "scroll tall" });
    this.details = html("details", { ontoggle: () => this.#showTable() },
      html("summary", { "aria-label": `Show ${title} as table` }, "Show as table"), this.rows);
    this.element = html("figure", { class: "panel" },
      html("figcaption", {}, html("b", {}, title), this.legend),
      html("div", { class: "plot" }, this.svg, this.overlay, this.tip), this.details);
    this.#listen();
    new ResizeObserver(([entry]) => {
      const width = Math.round(entry.contentRect.width);
      if (width === this.#size.width) return;
      this.#size = { width, height: width < 400 ? 200 : 240 };
      this.draw();
    }).observe(this.svg.parentElement);
  }

  /** `legend`: {label, style, value}; without one, all curves with their last values, unless they are many. */
  update(curves, legend = curves.length <= 8 ? curves.map(lastValue) : []) {
    this.#curves = curves;
    this.#showLegend(legend);
    this.draw();
    this.#showTable();
  }

  draw() {
    const { width, height } = this.#size;
    if (width === 0 || this.#curves.length === 0) return;
    const view = this.#view;
    const count = Math.max(2, Math.floor(width / 90));
    const x = new Axis(...view.range, { log: view.logX, isTight: true, count, unit: view.unit ?? 1 });
    const drawn = this.#curves.map((curve) => {
      const isSmoothed = curve.isSmoothed && view.smoothing > 0;
      const raw = reduced(curve, curve.values, x, width);
      const smooth = isSmoothed ? smoothed(curve.xs, curve.values, view.smoothing) : null;
      return { curve, raw, smooth, line: isSmoothed ? reduced(curve, smooth, x, width) : raw };
    });
    const y = this.#yAxis(drawn);
    const left = 14 + 6.9 * Math.max(...y.ticks.map((tick) => tick.label.length));
    const plot = { left, right: width - margin.right, top: margin.top, bottom: height - margin.bottom };
    this.#axes = { x, y, plot };
    this.#drawn = drawn;

    setAttribute(this.svg, "viewBox", `0 0 ${width} ${height}`);
    setAttribute(this.svg, "aria-label", this.#summary());
    for (const [name, value] of Object.entries({
      x: plot.left, y: plot.top - 2, width: plot.right - plot.left + 2, height: plot.bottom - plot.top + 4,
    })) setAttribute(this.frame, name, value);
    this.grid.replaceChildren(...this.#gridLines());
    // The bands of many curves would hide each other.
    const bands = drawn.length > 6 ? [] : drawn.map(({ curve, raw }) =>
      svg("path", { class: `band ${curve.style}`, d: bandPath(raw, this.#place) }));
    this.lines.replaceChildren(...bands, ...drawn.flatMap((one) => this.#curve(one)));
    this.drawCursor();
  }

  #yAxis(drawn) {
    const { logY } = this.#view;
    let [low, high] = [Infinity, -Infinity];
    for (const { raw, line } of drawn) {
      for (const { position, y } of line) {
        if (position < 0 || position > 1 || Number.isNaN(y) || (logY && y <= 0)) continue;
        [low, high] = [Math.min(low, y), Math.max(high, y)];
      }
      for (const { position, min, max } of raw) {
        if (position < 0 || position > 1) continue;
        if (min > 0 || (!logY && !Number.isNaN(min))) low = Math.min(low, min);
        if (max > 0 || (!logY && !Number.isNaN(max))) high = Math.max(high, max);
      }
    }
    return low <= high ? new Axis(low, high, { log: logY, count: 4 }) : new Axis(0, 1, { count: 4 });
  }

  #across(position) {
    const { left, right } = this.#axes.plot;
    // What is far outside is clipped anyway, and drawing it would take long.
    return left + Math.min(Math.max(position, -10), 11) * (right - left);
  }

  #up(value) {
    const { plot: { top, bottom }, y } = this.#axes;
    const position = y.position(value);
    return Number.isNaN(position) ? NaN : bottom - Math.min(Math.max(position, -10), 11) * (bottom - top);
  }

  #place = (position, value) => {
    const up = this.#up(value);
    return Number.isNaN(up) ? null : `${this.#across(position).toFixed(1)} ${up.toFixed(1)}`;
  };

  #gridLines() {
    const { x, y, plot: { left, right, top, bottom } } = this.#axes;
    const parts = [];
    for (const { value, label } of y.ticks) {
      const up = this.#up(value).toFixed(1);
      parts.push(svg("line", { class: "grid", x1: left, x2: right, y1: up, y2: up }),
        svg("text", { x: left - 6, y: Number(up) + 4, "text-anchor": "end" }, label));
    }
    let free = -Infinity;
    for (const { value, label } of x.ticks) {
      const across = this.#across(x.position(value));
      parts.push(svg("line", { class: "grid", x1: across, x2: across, y1: top, y2: bottom }));
      const half = label.length * 3.5;
      // The last label stays inside, and none touches the one before it.
      const place = Math.min(across, right + margin.right - half);
      if (place - half < free) continue;
      free = place + half + 6;
      parts.push(svg("text", { x: place, y: bottom + 16, "text-anchor": "middle" }, label));
    }
    parts.push(svg("line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom }),
      svg("text", { class: "dim", x: (left + right) / 2, y: bottom + 33, "text-anchor": "middle" }, this.xTitle));
    return parts;
  }

  #curve({ curve, raw, line, smooth }) {
    const parts = [];
    if (smooth) parts.push(svg("path", { class: `curve raw ${curve.style}`, d: linePath(raw, this.#place) }));
    const path = svg("path", { class: `curve ${curve.style}`, d: linePath(line, this.#place) });
    parts.push(path);
    const same = this.#curves.length > mostTips ? [curve] : this.#curves.filter((other) => coincide(curve, other));
    if (same.length > 1) {
      path.style.strokeDasharray = `12 ${12 * (same.length - 1)}`;
      path.style.strokeDashoffset = -12 * same.indexOf(curve);
      path.style.strokeLinecap = "butt";
    }
    // A dot of several curves has no curve's colour.
    if (curve.hasDots && same[0] === curve && line.length <= 60) {
      const style = same.length > 1 ? "shared" : curve.style;
      parts.push(...line.map(({ position, y }) => this.#dot(style, position, y, 2.5)));
    }
    return parts.filter(Boolean);
  }

  #dot(style, position, value, radius) {
    const up = this.#up(value);
    if (Number.isNaN(up) || position < 0 || position > 1) return null;
    const across = this.#across(position);
    return svg("circle", { class: `dot ${style}`, cx: across.toFixed(1), cy: up.toFixed(1), r: radius });
  }

  #summary() {
    const ends = this.#curves.slice(0, 8).map(({ label, values }) => {
      const known = values.filter((value) => !Number.isNaN(value));
      return `${label} from ${number(known[0])} to ${number(known.at(-1))}`;
    });
    const rest = this.#curves.length > 8 ? `, and ${this.#curves.length - 8} more curves` : "";
    return `${this.title} over ${this.xTitle}: ${ends.join(", ")}${rest}`;
  }

  #showLegend(shown) {
    while (this.legend.children.length > shown.length) this.legend.lastChild.remove();
    shown.forEach(({ label, style, value }, index) => {
      if (!this.legend.children[index]) {
        this.legend.append(html("span", {},
          sample(style), html("span", { class: "name" }), html("span", { class: "value" })));
      }
      const [line, name, last] = this.legend.children[index].children;
      setAttribute(line.firstChild, "class", `curve ${style}`);
      setText(name, label);
      setText(last, value === undefined ? "" : number(value));
      setAttribute(last, "title", value === undefined ? null : String(value));
    });
  }

  // The crosshair.

  /** Draws the shared crosshair; with the values beside it in the chart that has the pointer or the keyboard. */
  drawCursor() {
    if (!this.#axes) return;
    const { x, plot } = this.#axes;
    const { cursor } = this.#view;
    const position = cursor === null ? NaN : x.position(cursor);
    const parts = [];
    if (this.#drag?.to !== undefined) {
      const [from, to] = [this.#drag.from, this.#drag.to].sort((a, b) => a - b);
      const height = plot.bottom - plot.top;
      parts.push(svg("rect", { class: "selection", x: from, y: plot.top, width: to - from, height }));
    }
    const isVisible = position >= -0.001 && position <= 1.001;
    const values = isVisible ? this.#valuesAt(cursor) : [];
    if (isVisible) {
      const across = this.#across(position);
      parts.push(svg("line", { class: "crosshair", x1: across, x2: across, y1: plot.top, y2: plot.bottom }));
      parts.push(...values.slice(0, mostTips).map(({ curve, index, shown }) =>
        this.#dot(curve.style, x.position(curve.xs[index]), shown, 3.5)));
    }
    this.cursor.replaceChildren(...parts.filter(Boolean));
    this.#showTip(isVisible && this.#view.owner === this ? values : [], position);
    const text = this.#text(values);
    const [low, high] = this.#view.range;
    setAttribute(this.overlay, "aria-valuemin", low);
    setAttribute(this.overlay, "aria-valuemax", high);
    setAttribute(this.overlay, "aria-valuenow", isVisible ? cursor : high);
    setAttribute(this.overlay, "aria-valuetext", text || "no crosshair");
  }

  /** The curves' points that are nearest to a place on the x axis. */
  #valuesAt(cursor) {
    const values = [];
    for (const { curve, smooth } of this.#drawn) {
      if (curve.xs.length === 0) continue;
      const index = nearest(curve.xs, cursor);
      const value = curve.values[index];
      if (Number.isNaN(value)) continue;
      values.push({ curve, index, value, shown: smooth ? smooth[index] : value, isSmooth: smooth !== null });
    }
    // Of many curves, those nearest to the pointer.
    const height = this.#view.height;
    if (values.length > mostTips && height !== undefined && this.#view.owner === this) {
      values.sort((a, b) => Math.abs(this.#up(a.shown) - height) - Math.abs(this.#up(b.shown) - height));
    }
    return values;
  }

  #text(values) {
    if (values.length === 0) return "";
    const { curve, index } = values[0];
    return `${curve.describe(index)}: ${
      values.slice(0, mostTips).map(({ curve: { label }, value }) => `${label} ${number(value)}`).join(", ")}`;
  }

  #showTip(values, position) {
    this.tip.hidden = values.length === 0;
    if (values.length === 0) return;
    const head = values[0].curve.describe(values[0].index);
    const rows = values.slice(0, mostTips).map(({ curve, index, value, shown, isSmooth }) => {
      const own = curve.describe(index);
      const notes = [
        isSmooth ? `smoothed ${number(shown)}` : null,
        curve.max[index] > curve.min[index] ? `${number(curve.min[index])} to ${number(curve.max[index])}` : null,
        own !== head ? own.split(" · ")[0] : null,
      ];
      return html("div", {}, html("i", { class: curve.style }), html("span", {}, curve.label),
        html("b", {}, number(value)), html("small", {}, notes.filter(Boolean).join(", ")));
    });
    const more = values.length > mostTips ? [html("small", {}, `and ${values.length - mostTips} more`)] : [];
    this.tip.replaceChildren(html("div", { class: "tip-head" }, head), ...rows, ...more);
    // On the other side of the crosshair than most of the room is used up.
    const across = this.#across(position);
    const isLeft = across > this.#size.width / 2;
    this.tip.style.left = isLeft ? "auto" : `${across + 12}px`;
    this.tip.style.right = isLeft ? `${this.#size.width - across + 12}px` : "auto";
  }

  #listen() {
    const view = this.#view;
    const place = (event) => event.clientX - this.overlay.getBoundingClientRect().left;
    const value = (pixel) => {
      const { x, plot: { left, right } } = this.#axes;
      return x.value(Math.min(Math.max((pixel - left) / (right - left), 0), 1));
    };
    const own = (event) => {
      view.owner = this;
      view.height = event.clientY - this.overlay.getBoundingClientRect().top;
    };
    this.overlay.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !this.#axes) return;
      this.#drag = { from: place(event) };
      this.overlay.setPointerCapture(event.pointerId);
      own(event);
      view.point(value(place(event)));
    });
    this.overlay.addEventListener("pointermove", (event) => {
      if (!this.#axes) return;
      own(event);
      if (this.#drag && Math.abs(place(event) - this.#drag.from) > 5) {
        const { left, right } = this.#axes.plot;
        this.#drag.from = Math.min(Math.max(this.#drag.from, left), right);
        this.#drag.to = Math.min(Math.max(place(event), left), right);
      }
      view.cursor = value(place(event));
      view.moved();
    });
    this.overlay.addEventListener("pointerup", () => {
      const drag = this.#drag;
      this.#drag = null;
      if (drag?.to === undefined) return;
      const [low, high] = [drag.from, drag.to].sort((a, b) => a - b).map(value);
      view.zoomTo(low, high);
    });
    this.overlay.addEventListener("pointercancel", () => (this.#drag = null));
    // A finger that has been lifted leaves the crosshair, so that its values can be read.
    this.overlay.addEventListener("pointerleave", (event) =>
      this.#drag || event.pointerType === "touch" || view.point(null));
    this.overlay.addEventListener("blur", () => view.point(null));
    this.overlay.addEventListener("dblclick", () => view.reset());
    this.overlay.addEventListener("keydown", (event) => this.#key(event));
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.#axes) return;
    const view = this.#view;
    const jump = event.shiftKey ? 10 : 1;
    const actions = {
      ArrowLeft: () => this.#step(-jump), ArrowRight: () => this.#step(jump),
      Home: () => this.#step(-Infinity), End: () => this.#step(Infinity),
      "+": () => view.zoomBy(0.5), "=": () => view.zoomBy(0.5), "-": () => view.zoomBy(2), "−": () => view.zoomBy(2),
      PageUp: () => view.pan(-0.5), PageDown: () => view.pan(0.5),
      Escape: () => {
        view.point(null);
        view.reset();
      },
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    view.owner = this;
    actions[event.key]();
  }

  /** Moves the crosshair by so many points of the curve that has most of them in sight. */
  #step(count) {
    const view = this.#view;
    const [low, high] = view.range;
    const places = this.#curves.map(({ xs }) => xs.slice(lowerBound(xs, low), lowerBound(xs, high) + 1)
      .filter((value) => value <= high)).reduce((most, own) => (own.length > most.length ? own : most), []);
    if (places.length === 0) return;
    const start = view.cursor === null ? (count < 0 ? places.length : -1) : nearest(places, view.cursor);
    view.point(places[Math.min(Math.max(start + count, 0), places.length - 1)]);
  }

  #showTable() {
    if (this.details.open) this.rows.replaceChildren(chartTable(this.#curves));
  }
}
