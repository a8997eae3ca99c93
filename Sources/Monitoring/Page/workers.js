// The table of workers and relays, beside the drawing of their topology.

import { ShareBar, colorKey, html, setAttribute, setText } from "./dom.js";
import { number, none } from "./format.js";
import { Table } from "./table.js";
import { Topology } from "./topology.js";

const shares = [["busy", "compute"], ["waiting", "wait"], ["sending", "transfer"]];

function note(worker) {
  return [worker.is_slow ? "slow" : null, worker.reason, worker.parent ? `behind ${worker.parent}` : null,
    worker.shares_memory ? "shared memory" : null].filter(Boolean).join(", ");
}

export class Workers {
  #run = null;
  #shown = {};
  #only = html("input", { type: "checkbox", onchange: () => this.update(this.#run) });
  #count = html("span", { class: "dim" });
  #topology = new Topology();
  #bars = new WeakMap();
  #table = new Table("Workers", [
    { title: "#", text: ({ number }) => String(number), sort: ({ number }) => number },
    { title: "name", text: ({ name }) => name ?? none, sort: ({ name }) => name, isText: true },
    { title: "host", text: ({ host }) => host ?? none, sort: ({ host }) => host, isText: true },
    { title: "threads", text: ({ threads }) => number(threads), sort: ({ threads }) => threads },
    { title: "state", text: ({ state }) => state ?? none, sort: ({ state }) => state, isText: true },
    { title: "micro-batches", text: ({ leaves }) => number(leaves), sort: ({ leaves }) => leaves },
    {
      title: "busy / waiting / sending", isText: true, sort: (worker) => (worker.state === "left" ? null : worker.busy),
      fill: (cell, worker) => this.#fillShares(cell, worker),
    },
    { title: "last heard", text: (worker) => this.#heard(worker), sort: ({ last_heard: heard }) => heard },
    { title: "notes", text: note, sort: note, isText: true },
  ], {
    key: (worker) => worker.number, sort: 0, isTall: true,
    rowClass: (worker) => (worker.state === "left" ? "gone" : worker.is_slow ? "slow" : null),
  });

  constructor(section) {
    section.append(
      html("p", { class: "toolbar" }, this.#count, html("label", {}, this.#only, "only slow or gone"),
        colorKey(shares)),
      html("div", { class: "beside" }, this.#table.element, this.#topology.element));
  }

  #heard(worker) {
    const { now } = this.#run;
    if (!worker.last_heard || now === null || this.#run.isOver) return none;
    const seconds = Math.max(0, now - worker.last_heard);
    return seconds < 1 ? "now" : `${number(Math.round(seconds))} s ago`;
  }

  #fillShares(cell, worker) {
    if (worker.state === "left" || !Number.isFinite(worker.busy)) {
      cell.replaceChildren(none);
      this.#bars.delete(cell);
      return;
    }
    if (!this.#bars.has(cell)) {
      this.#bars.set(cell, new ShareBar(shares, { names: false }));
      cell.replaceChildren(this.#bars.get(cell).element);
    }
    this.#bars.get(cell).update([worker.busy, worker.waiting, worker.sending]);
  }

  /** False if there is nothing to show. */
  update(run) {
    const workers = (run?.status?.workers ?? []).filter((worker) => Number.isFinite(worker?.number));
    if (workers.length === 0) return false;
    this.#run = run;
    // Many rows take long to lay out, and nobody reads them so fast.
    const [only, now] = [this.#only.checked, performance.now()];
    const isShown = run === this.#shown.run && only === this.#shown.only && !run.isOver;
    if (workers.length > 50 && isShown && now - this.#shown.time < 1000) return true;
    this.#shown = { run, only, time: now };
    const gone = workers.filter((worker) => worker.state === "left").length;
    const slow = workers.filter((worker) => worker.is_slow && worker.state !== "left").length;
    setText(this.#count, `${number(workers.length - gone)} here, ${number(slow)} slow, ${number(gone)} gone`);
    this.#table.update(workers.filter((worker) => !only || worker.is_slow || worker.state === "left"));
    this.#topology.update(run.status.topology, workers);
    setAttribute(this.#topology.element, "hidden", workers.length === gone ? "" : null);
    return true;
  }
}
