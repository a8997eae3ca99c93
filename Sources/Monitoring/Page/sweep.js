// A sweep: its trials, the loss over the learning rate, and the trials' curves.

import { html, sample, setAttribute, setText } from "./dom.js";
import { Chart } from "./chart.js";
import { duration, none, number, plain, short } from "./format.js";
import { Table } from "./table.js";
import { Toolbar, View } from "./view.js";

const median = (values) => {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};

export class Sweep {
  #trials = [];
  #views;
  #rates;
  #curves;
  #toolbars;
  #key = html("p", { class: "key" });
  #table = new Table("Trials", [
    { title: "trial", isText: true, text: ({ name }) => name, sort: ({ name }) => name },
    {
      title: "optimizer", isText: true, text: ({ optimizer }) => optimizer ?? none, sort: ({ optimizer }) => optimizer,
    },
    { title: "learning rate", text: (trial) => short(trial.learning_rate), sort: (trial) => trial.learning_rate },
    { title: "loss", text: ({ loss }) => number(loss), sort: ({ loss }) => loss, hint: ({ loss }) => plain(loss) },
    { title: "test loss", text: (trial) => number(trial.test_loss), sort: (trial) => trial.test_loss },
    { title: "steps", text: ({ steps }) => number(steps), sort: ({ steps }) => steps },
    { title: "took", text: ({ seconds }) => duration(seconds), sort: ({ seconds }) => seconds },
    {
      title: "outcome", isText: true, sort: ({ outcome }) => outcome, fill: (cell, { outcome, error }) => {
        setText(cell, [outcome ?? none, error].filter(Boolean).join(": "));
        setAttribute(cell, "class", ["failed", "diverged"].includes(outcome) ? "text bad" : "text");
      },
    },
    {
      title: "options", isText: true, text: ({ options }) => Object.entries(options ?? {})
        .filter(([name]) => name !== "learning-rate").map(([name, value]) => `${name} ${plain(value)}`).join(", "),
    },
  ], { key: ({ name }) => name, sort: 3, isTall: true });

  constructor(section) {
    const view = (chart) => new View({ changed: () => this.#draw(), moved: () => chart().drawCursor() });
    const [rates, curves] = [view(() => this.#rates), view(() => this.#curves)];
    Object.assign(rates, { logX: true, logY: true });
    curves.logY = true;
    this.#views = { rates, curves };
    this.#rates = new Chart("loss over learning rate", rates, { xTitle: "learning rate" });
    this.#curves = new Chart("evaluations", curves, { xTitle: "step" });
    this.#toolbars = [new Toolbar(rates, { smoothing: false }), new Toolbar(curves, { smoothing: false })];
    section.append(this.#key, html("div", { class: "figures" },
      html("div", {}, this.#toolbars[0].element, this.#rates.element,
        html("p", { class: "note" },
          "The median of the trials of a learning rate; the band goes from the least to the greatest.")),
      html("div", {}, this.#toolbars[1].element, this.#curves.element)), this.#table.element);
  }

  update(run) {
    if (run?.kind !== "sweep" || !run.sweep) return false;
    this.#trials = (run.sweep.trials ?? []).filter((trial) => trial?.name);
    this.#table.update(this.#trials);
    this.#draw();
    return true;
  }

  #draw() {
    const trials = this.#trials;
    const optimizers = [...new Set(trials.map(({ optimizer }) => optimizer))];
    // With more optimizers than colours, dashes tell them apart.
    const style = (optimizer) => {
      const index = optimizers.indexOf(optimizer);
      return `c${index % 7} ${["", "dash-validation", "dash-test"][Math.floor(index / 7) % 3]}`;
    };
    const rates = optimizers.map((optimizer) => {
      const own = trials.filter((trial) => trial.optimizer === optimizer && trial.learning_rate > 0
        && Number.isFinite(trial.loss) && trial.loss !== null);
      const xs = [...new Set(own.map((trial) => trial.learning_rate))].sort((a, b) => a - b);
      const losses = xs.map((rate) => own.filter((trial) => trial.learning_rate === rate).map((trial) => trial.loss));
      return {
        label: optimizer ?? none, style: style(optimizer), xs, values: losses.map(median),
        min: losses.map((all) => Math.min(...all)), max: losses.map((all) => Math.max(...all)),
        hasDots: true, describe: (index) => `learning rate ${short(xs[index])}`,
      };
    }).filter(({ xs }) => xs.length > 0);
    const isMany = trials.length > 12;
    const curves = trials.filter((trial) => trial.evaluations?.step?.length > 0).map((trial) => {
      const xs = trial.evaluations.step;
      const values = xs.map((_, index) => trial.evaluations.loss?.[index] ?? NaN);
      return {
        label: trial.name, style: `${style(trial.optimizer)}${isMany ? " thin" : ""}`, xs, values,
        min: values, max: values, hasDots: !isMany,
        describe: (index) => `step ${number(xs[index])}`,
      };
    });
    // The key above is that of both charts.
    this.#show(this.#rates, this.#views.rates, rates);
    this.#show(this.#curves, this.#views.curves, curves);
    this.#toolbars.forEach((toolbar) => toolbar.update());
    this.#key.replaceChildren(...optimizers.map((optimizer) =>
      html("span", {}, sample(style(optimizer)), optimizer ?? none)));
  }

  #show(chart, view, curves) {
    chart.element.hidden = curves.length === 0;
    if (curves.length === 0) return;
    const all = curves.flatMap(({ xs }) => xs).filter((x) => x > 0);
    const [low, high] = [Math.min(...all), Math.max(...all)];
    view.extent = [view.logX ? low : 0, high > low || !view.logX ? high : low * 2];
    chart.update(curves, []);
  }
}
