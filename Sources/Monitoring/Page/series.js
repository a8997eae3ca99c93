// Points of a run's figures, by step.

/** The most points that are held of a track. */
const most = 6000;

const finite = (value) => (typeof value === "number" ? value : NaN);

/** The first index whose value is at least `value`, in an ascending array. */
export function lowerBound(values, value) {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function nearest(values, value) {
  const above = lowerBound(values, value);
  if (above === 0) return 0;
  if (above === values.length) return above - 1;
  return value - values[above - 1] <= values[above] - value ? above - 1 : above;
}

/** All figures of one part (train, validation or test) of a run. A point may stand for several steps, up to its own. */
export class Track {
  step = [];
  time = [];
  /** By name: the means and the extremes. What a point lacks is NaN. */
  columns = new Map();

  constructor(part) {
    this.append(part);
  }

  get length() {
    return this.step.length;
  }

  /** Adds points as the server sends them. */
  append(part) {
    const count = part?.step?.length ?? 0;
    if (count === 0) return;
    const before = this.length;
    for (let index = 0; index < count; index += 1) {
      this.step.push(part.step[index]);
      this.time.push(finite(part.time?.[index]));
    }
    for (const name of Object.keys(part.columns ?? {})) {
      if (!this.columns.has(name)) {
        const empty = () => new Array(before).fill(NaN);
        this.columns.set(name, { mean: empty(), min: empty(), max: empty(), hasData: false });
      }
    }
    for (const [name, column] of this.columns) {
      const given = part.columns?.[name];
      for (let index = 0; index < count; index += 1) {
        const mean = finite(given?.mean?.[index]);
        column.mean.push(mean);
        column.min.push(finite(given?.min?.[index] ?? mean));
        column.max.push(finite(given?.max?.[index] ?? mean));
        column.hasData ||= !Number.isNaN(mean);
      }
    }
    if (this.length > most) this.#merge();
  }

  /**
   * Merges neighbours as long as they stand for no more than a few thousandths of all steps, so that the points stay
   * about evenly spread, however finely they came.
   */
  #merge() {
    const { step, time } = this;
    const widest = Math.max(1, (step[step.length - 1] - step[0]) / (most / 3));
    const starts = [0];
    for (let index = 1; index < step.length; index += 1) {
      const before = step[starts.at(-1) - 1] ?? -Infinity;
      if (step[index] - before > widest) starts.push(index);
    }
    const ends = starts.map((_, index) => (starts[index + 1] ?? step.length) - 1);
    const weight = (index) => (index > 0 ? step[index] - step[index - 1] : 1);
    for (const column of this.columns.values()) {
      const merged = { mean: [], min: [], max: [] };
      starts.forEach((start, group) => {
        let [sum, weights, min, max] = [0, 0, Infinity, -Infinity];
        for (let index = start; index <= ends[group]; index += 1) {
          if (Number.isNaN(column.mean[index])) continue;
          sum += column.mean[index] * weight(index);
          weights += weight(index);
          min = Math.min(min, column.min[index]);
          max = Math.max(max, column.max[index]);
        }
        // A single point keeps its very bits.
        merged.mean.push(start === ends[group] ? column.mean[start] : weights > 0 ? sum / weights : NaN);
        merged.min.push(weights > 0 ? min : NaN);
        merged.max.push(weights > 0 ? max : NaN);
      });
      Object.assign(column, merged);
    }
    this.step = ends.map((index) => step[index]);
    this.time = ends.map((index) => time[index]);
  }

  /** These points, with those of `detail` in place of their own within its steps. */
  detailed(detail) {
    if (!detail || detail.length === 0) return this;
    const result = new Track();
    const [before, after] = [lowerBound(this.step, detail.step[0]), lowerBound(this.step, detail.step.at(-1) + 1)];
    const join = (own, other) => own.slice(0, before).concat(other, own.slice(after));
    result.step = join(this.step, detail.step);
    result.time = join(this.time, detail.time);
    for (const [name, column] of this.columns) {
      const other = detail.columns.get(name);
      const missing = new Array(detail.length).fill(NaN);
      result.columns.set(name, {
        mean: join(column.mean, other?.mean ?? missing),
        min: join(column.min, other?.min ?? missing),
        max: join(column.max, other?.max ?? missing),
        hasData: column.hasData,
      });
    }
    return result;
  }

  latest(name) {
    return this.columns.get(name)?.mean.findLast((value) => !Number.isNaN(value)) ?? null;
  }

  /** For tests. */
  get copy() {
    const columns = {};
    for (const [name, { mean, min, max }] of this.columns) columns[name] = { mean, min, max };
    return structuredClone({ step: this.step, time: this.time, columns });
  }
}

/**
 * An exponential moving average without the bias of its start. A point of average distance from the one before it
 * weighs 1 − `weight`; a farther one weighs more, so that merged points are smoothed as those that they stand for.
 */
export function smoothed(xs, values, weight) {
  const average = (xs[xs.length - 1] - xs[0]) / Math.max(1, xs.length - 1) || 1;
  let [sum, weights] = [0, 0];
  return values.map((value, index) => {
    if (Number.isNaN(value)) return NaN;
    const kept = weight ** (index > 0 ? Math.max(xs[index] - xs[index - 1], 1e-9) / average : 1);
    sum = sum * kept + value * (1 - kept);
    weights = weights * kept + (1 - kept);
    return sum / weights;
  });
}
