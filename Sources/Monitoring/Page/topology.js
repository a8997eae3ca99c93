// A drawing of who is connected with whom: around the coordinator, or below it if there are few.

import { html, setAttribute, svg } from "./dom.js";

const width = 280;
const mostLabels = 32;
const mostMeshLines = 24;

/** The workers as a tree below the coordinator, by the relays behind which they are. */
function tree(workers) {
  const nodes = new Map(workers.map((worker) => [worker.number, { worker, children: [], depth: 1 }]));
  const root = { worker: null, children: [], depth: 0 };
  for (const node of nodes.values()) {
    const parent = nodes.get(node.worker.parent);
    node.parent = parent && parent !== node ? parent : root;
  }
  for (const node of nodes.values()) {
    // What contradicts itself, such as two relays behind each other, is drawn at the coordinator.
    const seen = new Set([node]);
    for (let above = node.parent; above !== root; above = above.parent) {
      if (seen.has(above)) {
        node.parent = root;
        break;
      }
      seen.add(above);
    }
    node.parent.children.push(node);
  }
  let leaves = 0;
  let depth = 0;
  const place = (node) => {
    node.depth = node.parent ? node.parent.depth + 1 : 0;
    depth = Math.max(depth, node.depth);
    node.children.forEach(place);
    node.at = node.children.length === 0 ? (leaves += 1) - 0.5
      : (node.children[0].at + node.children.at(-1).at) / 2;
  };
  place(root);
  return { root, nodes: [...nodes.values()], leaves, depth };
}

export class Topology {
  svg = svg("svg", { class: "chart topology", role: "img" });
  caption = html("figcaption", { class: "note" });
  element = html("figure", {}, this.svg, this.caption);
  #drawn = "";

  update(topology, all) {
    const workers = all.filter((worker) => worker.state !== "left");
    // Most updates change nothing here.
    const key = JSON.stringify([topology,
      workers.map(({ number, parent, state, is_slow: isSlow, name }) =>
        [number, parent, state === "relaying", isSlow, name])]);
    if (key === this.#drawn) return;
    this.#drawn = key;

    const isMesh = topology === "mesh";
    const { root, nodes, leaves, depth } = tree(
      isMesh ? workers.map((worker) => ({ ...worker, parent: null })) : workers);
    const isRound = isMesh || leaves > 8;
    const isLabelled = nodes.length <= mostLabels;
    const size = nodes.length > 100 ? 3 : nodes.length > mostLabels ? 5 : 11;
    const height = isRound ? width : Math.max(130, 60 + 56 * depth);
    const position = (node) => {
      if (!isRound) return { x: width * node.at / Math.max(leaves, 1), y: 26 + 56 * node.depth };
      if (node === root) return { x: width / 2, y: width / 2 };
      // Where neighbours would touch, they are drawn at three distances.
      const isCrowded = depth === 1 && leaves > 60;
      const ring = isCrowded ? 1 - 0.12 * (Math.floor(node.at) % 3) : node.depth / depth;
      const angle = 2 * Math.PI * node.at / leaves - Math.PI / 2;
      const radius = (width / 2 - 16) * ring;
      return { x: width / 2 + radius * Math.cos(angle), y: width / 2 + radius * Math.sin(angle) };
    };
    const link = (a, b, style) => {
      const [from, to] = [position(a), position(b)];
      return svg("line", { class: style, x1: from.x, y1: from.y, x2: to.x, y2: to.y });
    };
    const style = isMesh ? "link dashed" : isLabelled ? "link" : "link faint";
    const lines = nodes.map((node) => link(node.parent, node, style));
    if (isMesh) {
      nodes.forEach((node, index) => {
        const others = nodes.length <= mostMeshLines ? nodes.slice(index + 1) : [nodes[(index + 1) % nodes.length]];
        for (const other of others) lines.push(link(node, other, "link"));
      });
    }
    const dots = nodes.map((node) => {
      const { x, y } = position(node);
      const { worker } = node;
      const isRelay = node.children.length > 0 || worker.state === "relaying";
      const style = `node ${worker.is_slow ? "slow" : isRelay ? "relay" : ""}`;
      return svg("g", {}, svg("circle", { class: style, cx: x, cy: y, r: size }),
        isLabelled ? svg("text", { class: "inside", x, y: y + 4, "text-anchor": "middle" }, worker.number) : null,
        svg("title", {}, `worker ${worker.number}, ${worker.name ?? ""}${worker.is_slow ? ", slow" : ""}`));
    });
    const center = position(root);
    const coordinator = svg("g", {}, svg("rect", {
      class: "node coordinator", x: center.x - 42, y: center.y - 12, width: 84, height: 24, rx: 3,
    }), svg("text", { class: "inside", x: center.x, y: center.y + 4, "text-anchor": "middle" }, "coordinator"));
    setAttribute(this.svg, "viewBox", `0 0 ${width} ${height}`);
    const relays = nodes.filter((node) => node.children.length > 0).length;
    const text = `${topology ?? "star"}: ${nodes.length} ${nodes.length === 1 ? "worker" : "workers"}${
      relays > 0 ? `, ${relays} of them with others behind` : ""}${
      isMesh ? ", each connected with every other" : ""}`;
    setAttribute(this.svg, "aria-label", `Topology, ${text}`);
    this.svg.replaceChildren(...lines, ...dots, coordinator);
    this.caption.textContent = text;
  }
}
