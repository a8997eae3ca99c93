// The points of a curve that are drawn, and the paths through them.

import { lowerBound } from "./series.js";

/**
 * The points of `curve` in sight, at most one a pixel, and one beyond each end. Points of the same pixel become their
 * mean and their extremes.
 */
export function reduced(curve, values, axis, pixels) {
  const { xs, min, max } = curve;
  const points = [];
  const first = Math.max(0, lowerBound(xs, axis.low) - 1);
  const last = Math.min(xs.length, lowerBound(xs, axis.high) + 2);
  let pixel = NaN;
  for (let index = first; index < last; index += 1) {
    const position = axis.position(xs[index]);
    if (Number.isNaN(position)) continue;
    const value = values[index];
    const before = points[points.length - 1];
    if (Math.floor(position * pixels) === pixel && !Number.isNaN(value) && !Number.isNaN(before.sum)) {
      before.sum += value;
      before.count += 1;
      before.min = Math.min(before.min, min[index]);
      before.max = Math.max(before.max, max[index]);
    } else {
      pixel = Math.floor(position * pixels);
      points.push({ position, sum: value, count: 1, min: min[index], max: max[index] });
    }
  }
  for (const point of points) point.y = point.sum / point.count;
  return points;
}

/** For a legend. */
export const lastValue = ({ label, style, values }) => (
  { label, style, value: values.findLast((value) => !Number.isNaN(value)) });

const isSame = (a, b) => a === b || (Number.isNaN(a) && Number.isNaN(b));
export const coincide = (a, b) => a.values.length === b.values.length
  && a.values.every((value, index) => isSame(value, b.values[index])) && a.xs.every((x, index) => x === b.xs[index]);

/** A path through points; `place` gives a point's position in pixels as a text, or null where it has none. */
export function linePath(points, place) {
  const places = points.map((point) => place(point.position, point.y));
  return places.map((text, index) => {
    if (text === null) return "";
    const isFirst = (places[index - 1] ?? null) === null;
    // A point between two gaps is a dot.
    return `${isFirst ? "M" : "L"}${text}${isFirst && (places[index + 1] ?? null) === null ? "h0" : ""}`;
  }).join("");
}

/** The outline of the area between the points' least and greatest values; empty if they are the same everywhere. */
export function bandPath(points, place) {
  const stretches = [[]];
  for (const point of points) {
    if (Number.isNaN(point.y)) stretches.push([]);
    else stretches.at(-1).push(point);
  }
  return stretches.filter((stretch) => stretch.some(({ min, max }) => max > min)).map((stretch) => {
    const upper = stretch.map(({ position, max }) => place(position, max));
    const lower = stretch.toReversed().map(({ position, min }) => place(position, min));
    return `M${upper.concat(lower).filter((text) => text !== null).join("L")}Z`;
  }).join("");
}
