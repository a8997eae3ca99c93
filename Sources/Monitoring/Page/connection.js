// Keeps a store up to date: fetches the runs, then listens to their events, and begins again when it has to.

import { Run, parts } from "./store.js";
import { Track } from "./series.js";

const longestWait = 10_000;
/** A running run that is silent for as long has perhaps lost its connection without the browser's notice. */
const longestSilence = 30_000;

async function fetchJSON(path, signal = AbortSignal.timeout(20_000)) {
  const answer = await fetch(path, { cache: "no-store", signal });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

async function fetchRun(entry) {
  const path = `/api/runs/${encodeURIComponent(entry.id)}`;
  // The curves come first: events go on from there, and what the second answer has besides comes twice, not never.
  const curves = entry.kind === "sweep" ? null : await fetchJSON(`${path}/curves?points=1500`);
  return new Run(entry).load(await fetchJSON(path), curves);
}

/** The detail of a run's curves between two steps. */
export async function fetchDetail(run, from, to, signal) {
  const answer = await fetchJSON(
    `/api/runs/${encodeURIComponent(run.id)}/curves?points=1500&from=${from}&to=${to}`, signal);
  return Object.fromEntries(parts.map((part) => [part, new Track(answer[part])]));
}

export class Connection {
  #store;
  #changed;
  #source = null;
  #wait = 500;
  #timer = null;
  #attempt = 0;
  #heard = 0;

  /** `changed` is called with the run of which something has become known, or null for all. */
  constructor(store, changed) {
    this.#store = store;
    this.#changed = changed;
    window.addEventListener("online", () => this.#retryNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.#retryNow());
    setInterval(() => {
      const isRunning = store.runs.some((run) => run.state === "running");
      if (isRunning && this.#source && performance.now() - this.#heard > longestSilence) this.start();
    }, 5000);
  }

  /** Fetches everything and listens. Does not give up. */
  async start() {
    this.#close();
    const attempt = ++this.#attempt;
    try {
      const list = await fetchJSON("/api/runs");
      const runs = await Promise.all(list.runs.map(fetchRun));
      if (attempt !== this.#attempt) return;
      this.#store.replace(list, runs);
      this.#changed(null);
      this.#listen();
    } catch {
      if (attempt === this.#attempt) this.#retryLater();
    }
  }

  #listen() {
    const known = this.#store.runs.filter((run) => run.generation !== undefined);
    const at = known.map((run) => `${run.id}:${run.generation}:${run.next}`).join(",");
    const source = new EventSource(`/api/events?at=${encodeURIComponent(at)}`);
    this.#source = source;
    this.#heard = performance.now();
    source.onopen = () => {
      this.#wait = 500;
      this.#heard = performance.now();
      this.#say("live");
    };
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) this.#retryLater();
      else this.#say("reconnecting");
    };
    const on = (name, apply) => source.addEventListener(name, (event) => {
      if (source !== this.#source) return;
      this.#heard = performance.now();
      const data = JSON.parse(event.data);
      const run = this.#store.run(data.run);
      if (!run) return;
      // Events that do not fit to what is held mean that something was missed.
      if (apply(run, data) === false) this.start();
      else this.#changed(run);
    });
    on("status", (run, data) => run.setStatus(data));
    on("points", (run, data) => run.addPoints(data));
    on("log", (run, data) => run.addLog(data.lines));
    on("sweep", (run, data) => void run.load(data, null));
    on("reset", () => false);
  }

  #close() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#source?.close();
    this.#source = null;
  }

  #retryLater() {
    this.#close();
    this.#say("reconnecting");
    this.#timer = setTimeout(() => this.start(), this.#wait);
    this.#wait = Math.min(this.#wait * 2, longestWait);
  }

  #retryNow() {
    if (this.#timer !== null) this.start();
  }

  #say(connection) {
    this.#store.connection = connection;
    this.#changed(null);
  }
}
