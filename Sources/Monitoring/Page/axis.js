// An axis of a chart: the values that it covers, their positions from 0 to 1, and its ticks.

import { short } from "./format.js";

/** The nearest of 1, 2 and 5 times a power of ten that is not much below `step`. */
function roundStep(step) {
  const power = 10 ** Math.floor(Math.log10(step));
  const factor = step / power;
  return power * (factor < 1.4 ? 1 : factor < 3.2 ? 2 : factor < 7.1 ? 5 : 10);
}

/** A tick's label, with as many decimal places as `step` needs. */
function label(value, step) {
  const size = Math.abs(value);
  if (size < step * 1e-6) return "0";
  const sign = value < 0 ? "−" : "";
  const scaled = (unit, name) => sign + Number((size / unit).toPrecision(6)) + name;
  if (size >= 1e15) return short(value);
  if (size >= 1e9) return scaled(1e9, "G");
  if (size >= 1e6) return scaled(1e6, "M");
  if (size >= 1e4) return scaled(1e3, "k");
  // Powers of ten are what very small steps need, but a one before them says nothing.
  if (step < 0.9999e-6 || size < 1e-5) return short(Number(value.toPrecision(6))).replace(/^1×/, "");
  const places = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
  return sign + size.toFixed(places).replace(/^(\d)(\d{3})/, "$1,$2");
}

export class Axis {
  /**
   * An axis from `low` to `high`, or to the next ticks unless it `isTight`, with about `count` ticks in multiples of
   * `unit`. A logarithmic axis needs positive bounds.
   */
  constructor(low, high, { log = false, isTight = false, count = 5, unit = 1 } = {}) {
    this.log = log && low > 0 && high > 0;
    if (!(high > low)) {
      const room = this.log ? 0 : Math.abs(high) / 2 || 1;
      [low, high] = this.log ? [low / 2, high * 2] : low === 0 ? [0, room] : [low - room, high + room];
    }
    // Within a factor of three there may be no power of ten nor its double, but there are round numbers.
    if (this.log && high / low > 3) this.#logarithmic(low, high, isTight, count);
    else this.#linear(low / unit, high / unit, isTight, count, unit);
  }

  #linear(low, high, isTight, count, unit) {
    const step = roundStep((high - low) / Math.max(count, 1));
    if (!isTight) [low, high] = [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
    this.ticks = [];
    const last = Math.floor(high / step + 1e-9);
    for (let index = Math.ceil(low / step - 1e-9); index <= last; index += 1) {
      this.ticks.push({ value: index * step * unit, label: label(index * step, step) });
    }
    [this.low, this.high] = [low * unit, high * unit];
  }

  #logarithmic(low, high, isTight, count) {
    const decades = Math.log10(high / low);
    // Ticks at 1, 2 and 5 in every decade, or at every n-th decade if those were too many.
    const isFine = decades * 3 <= 2 * count;
    const every = isFine ? 1 : Math.max(1, Math.ceil(decades / count));
    const values = [];
    for (let decade = Math.floor(Math.log10(low)); decade <= Math.ceil(Math.log10(high)); decade += every) {
      for (const factor of isFine ? [1, 2, 5] : [1]) values.push(factor * 10 ** decade);
    }
    if (!isTight) {
      low = values.findLast((value) => value <= low * (1 + 1e-9)) ?? low;
      high = values.find((value) => value >= high * (1 - 1e-9)) ?? high;
    }
    this.ticks = values.filter((value) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9))
      .map((value) => ({ value, label: label(value, value) }));
    [this.low, this.high] = [low, high];
  }

  /** 0 at the lower end, 1 at the upper; NaN if `value` has no place. */
  position(value) {
    if (this.log) return value > 0 ? Math.log(value / this.low) / Math.log(this.high / this.low) : NaN;
    return (value - this.low) / (this.high - this.low);
  }

  value(position) {
    return this.log
      ? this.low * (this.high / this.low) ** position
      : this.low + position * (this.high - this.low);
  }
}
