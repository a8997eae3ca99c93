// The page: keeps what the server tells, and shows it.

import { Charts } from "./charts.js";
import { Compare } from "./compare.js";
import { Connection } from "./connection.js";
import { setAttribute, setText } from "./dom.js";
import { Overview } from "./overview.js";
import { Painter } from "./painter.js";
import { Epochs, Job, Log } from "./records.js";
import { Store } from "./store.js";
import { Sweep } from "./sweep.js";
import { Timeline } from "./timeline.js";
import { Workers } from "./workers.js";

const store = new Store();
const section = (name) => document.getElementById(name);
const painter = new Painter(draw);
const chartsPainter = new Painter(() => charts.draw());

const charts = new Charts(store, chartsPainter);
section("charts").append(charts.element);
const overview = new Overview(section("overview"));
const sections = {
  runs: new Compare(section("runs"), store, () => painter.now()),
  trials: new Sweep(section("trials")),
  workers: new Workers(section("workers")),
  timeline: new Timeline(section("timeline")),
  epochs: new Epochs(section("epochs")),
  job: new Job(section("job")),
  log: new Log(section("log")),
};

/** When the runs and their curves were drawn for the first time, in milliseconds from the start of the page. */
let firstDrawn = null;

function show(name, isShown) {
  section(name).hidden = !isShown;
  document.querySelector(`nav a[href="#${name}"]`).hidden = !isShown;
}

function draw() {
  drawConnection();
  const run = store.current;
  if (!run) return;
  overview.update(run);
  for (const [name, part] of Object.entries(sections)) show(name, part.update(run));
  const hasRuns = store.shown.length > 0;
  // The curves of several runs belong to the table of runs, not to the one whose details follow.
  const isFirst = section("charts").nextElementSibling === section("overview");
  if (store.runs.length > 1 !== isFirst) {
    if (isFirst) section("overview").after(section("charts"));
    else section("overview").before(section("charts"));
  }
  show("charts", hasRuns && (store.runs.length > 1 || run.kind === "run"));
  if (hasRuns) charts.draw();
  firstDrawn ??= performance.now();
  const { step, total_steps: total } = run.status ?? {};
  const progress = run.state === "running" && total > 0 ? `${Math.floor(100 * step / total)} %` : run.state;
  document.title = `${progress} · ${run.name} · Lockstep`;
}

function drawConnection() {
  const isOver = store.runs.length > 0 && store.runs.every((run) => run.isOver);
  const state = isOver ? "ended" : store.connection;
  setText(section("connection"), { connecting: "connecting…", reconnecting: "reconnecting…" }[state] ?? state);
  setAttribute(section("connection"), "class", `connection ${state}`);
}

// Important changes are also said to who does not see the page.

const said = new Map();

function announce(run) {
  const lines = run.log.filter(({ kind }) => ["left", "error"].includes(kind));
  const before = said.get(run.id);
  said.set(run.id, { state: run.state, lines: lines.length, last: lines.at(-1) });
  if (!before) return;
  const news = [];
  if (lines.length > 0 && lines.at(-1) !== before.last && lines.at(-1).text !== before.last?.text) {
    news.push(lines.at(-1).text);
  }
  if (run.state !== before.state && run.state !== "running") {
    news.push(`Run ${run.name} is ${run.state}${run.error ? `: ${run.error}` : ""}`);
  }
  if (news.length > 0) setText(section("announcements"), news.join(". "));
}

new Connection(store, (run) => {
  for (const one of run ? [run] : store.runs) announce(one);
  painter.soon();
}).start();

// Ages grow although nothing is said.
setInterval(() => store.runs.some((run) => !run.isOver) && painter.soon(), 1000);

// For tests: a copy of what is held.
window.lockstep = Object.freeze({
  snapshot: () => ({ ...store.snapshot(), firstDrawn }),
});
