// The values of a chart as a table of at most some fifty rows.

import { html } from "./dom.js";
import { number, short } from "./format.js";
import { lowerBound } from "./series.js";

const mostRows = 50;

/** At most `count` of `values`, evenly, with the first and the last. */
const thinned = (values, count) => (values.length <= count ? values : Array.from(
  { length: count }, (_, index) => values[Math.round(index * (values.length - 1) / (count - 1))]));

const ascending = (values) => [...new Set(values)].sort((a, b) => a - b);
const places = (curves) => ascending(curves.flatMap(({ xs }) => xs));

/** The point of a curve at a place. Of training, a merged point stands for all places since the one before it. */
function indexAt({ xs, hasDots }, place) {
  const index = lowerBound(xs, place);
  return index < xs.length && (xs[index] === place || !hasDots) ? index : -1;
}

export function chartTable(curves) {
  // Evaluations are rare, so their places come first.
  const rare = thinned(places(curves.filter((curve) => curve.hasDots)), mostRows / 2);
  const rows = ascending(rare.concat(thinned(places(curves), mostRows - rare.length)));
  const cell = (curve, place) => {
    const value = curve.values[indexAt(curve, place)] ?? NaN;
    return html("td", { title: Number.isNaN(value) ? null : String(value) }, number(value));
  };
  const describe = (place) => {
    const curve = curves.find(({ xs }) => xs[lowerBound(xs, place)] === place);
    return curve ? curve.describe(lowerBound(curve.xs, place)) : short(place);
  };
  return html("table", {},
    html("thead", {}, html("tr", {}, html("th", { scope: "col", class: "text" }, "at"),
      ...curves.map(({ label }) => html("th", { scope: "col" }, label)))),
    html("tbody", {}, ...rows.map((place) => html("tr", {},
      html("th", { scope: "row", class: "text" }, describe(place)), ...curves.map((curve) => cell(curve, place))))));
}
