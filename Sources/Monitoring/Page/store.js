// What the page knows: the runs, as the server told of them.

import { Track, lowerBound } from "./series.js";

export const parts = ["train", "validation", "test"];

const mostLines = 500;
const mostEpochs = 2000;
const mostCheckpoints = 100;

/** Appends what is not yet there, and forgets the oldest beyond `most`. */
function extend(held, added, key, most) {
  if (!added?.length) return held;
  const known = new Set(held.map(key));
  return held.concat(added.filter((item) => !known.has(key(item)))).slice(-most);
}

/** A run or a sweep. */
export class Run {
  constructor(entry) {
    this.id = entry.id;
    this.name = entry.name ?? entry.id;
    this.path = entry.path ?? null;
    this.kind = entry.kind ?? "run";
    this.tracks = Object.fromEntries(parts.map((part) => [part, new Track()]));
    this.log = [];
    this.epochs = [];
    this.checkpoints = [];
  }

  /** Takes the server's answers about the whole run. */
  load(about, curves) {
    for (const name of ["job", "status", "summary", "problem"]) this[name] = about[name] ?? null;
    if (this.kind === "sweep") this.sweep = about;
    this.addLog(about.log);
    this.addRecords(about);
    if (curves) {
      this.generation = curves.generation;
      this.next = curves.next;
      for (const part of parts) this.tracks[part] = new Track(curves[part]);
    }
    this.received = performance.now();
    return this;
  }

  setStatus({ status, summary, problem }) {
    if (status !== undefined) this.status = status;
    if (summary !== undefined) this.summary = summary;
    if (problem !== undefined) this.problem = problem;
    this.received = performance.now();
  }

  /** Adds new points; false if they do not belong to those that are held. */
  addPoints(event) {
    if (event.generation !== this.generation) return false;
    // What was sent again after a lost connection is known already.
    if (event.next > this.next) {
      for (const part of parts) this.tracks[part].append(event[part]);
      this.next = event.next;
    }
    this.addRecords(event);
    return true;
  }

  addRecords({ epochs, checkpoints }) {
    this.epochs = extend(this.epochs, epochs, (epoch) => epoch.step, mostEpochs);
    this.checkpoints = extend(this.checkpoints, checkpoints, (checkpoint) => checkpoint.step, mostCheckpoints);
  }

  addLog(lines) {
    this.log = extend(this.log, lines, (line) => `${line.time} ${line.kind} ${line.text}`, mostLines);
  }

  get state() {
    return this.sweep?.state ?? this.summary?.status ?? this.status?.state ?? "waiting";
  }

  get isOver() {
    return ["completed", "failed", "lost"].includes(this.state);
  }

  get error() {
    return this.sweep?.error ?? this.summary?.error ?? this.status?.error ?? null;
  }

  get stepsPerEpoch() {
    const first = this.epochs[0];
    return this.status?.steps_per_epoch ?? (first?.epoch > 0 ? first.step / first.epoch : null);
  }

  /** The server's time now. Its clock may differ from the browser's. */
  get now() {
    const updated = this.status?.updated;
    return typeof updated === "number" ? updated + (performance.now() - this.received) / 1000 : null;
  }

  /** The points to draw: with the detail of a zoomed range, if there is one. */
  track(part) {
    return this.tracks[part].detailed(this.detail?.[part]);
  }

  /** The places of a track's points on an x axis of steps, epochs or seconds of training. */
  places(track, x) {
    if (x === "time") return track.time;
    const steps = this.stepsPerEpoch;
    return x === "epoch" ? track.step.map((step) => (steps ? step / steps : NaN)) : track.step;
  }

  /** The step at a place on an x axis. */
  stepAt(place, x) {
    if (x === "step") return place;
    if (x === "epoch") return place * (this.stepsPerEpoch ?? NaN);
    const { step, time } = this.tracks.train;
    const above = lowerBound(time, place);
    if (above === 0) return step[0] ?? NaN;
    if (above === time.length) return step.at(-1);
    const share = (place - time[above - 1]) / (time[above] - time[above - 1]);
    return step[above - 1] + share * (step[above] - step[above - 1]);
  }

  /** The place of a step on an x axis. */
  placeOf(step, x) {
    if (x === "step") return step;
    if (x === "epoch") return step / (this.stepsPerEpoch ?? NaN);
    const { train } = this.tracks;
    return train.time[Math.min(lowerBound(train.step, step), train.length - 1)] ?? NaN;
  }
}

export class Store {
  program = "";
  runs = [];
  connection = "connecting";
  /** The run of which details are shown, and those whose curves are. */
  selected = null;
  hidden = new Set();

  replace(list, runs) {
    this.program = list.program ?? "";
    this.command = list.command ?? "";
    this.runs = runs;
    if (!this.run(this.selected)) this.selected = runs[0]?.id ?? null;
  }

  run(id) {
    return this.runs.find((run) => run.id === id) ?? null;
  }

  get current() {
    return this.run(this.selected);
  }

  /** The colour of a run's curves when several are drawn. */
  color(run) {
    return this.runs.indexOf(run) % 7;
  }

  get shown() {
    return this.runs.filter((run) => run.kind === "run" && !this.hidden.has(run.id));
  }

  /** What tests look at. */
  snapshot() {
    const runs = {};
    for (const run of this.runs) {
      const names = ["name", "kind", "state", "job", "status", "summary", "problem", "log", "epochs", "checkpoints",
        "generation", "next", "sweep"];
      runs[run.id] = structuredClone(Object.fromEntries(names.map((name) => [name, run[name]])));
      runs[run.id].detail = Boolean(run.detail);
      runs[run.id].tracks = Object.fromEntries(parts.map((part) => [part, run.tracks[part].copy]));
    }
    return { program: this.program, command: this.command, connection: this.connection, selected: this.selected, runs };
  }
}
