// Elements. Text from the server only ever becomes a text node or an attribute's value, never markup.

const namespace = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function html(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(namespace, name), attributes, children);
}

/** A short piece of a curve, for legends. */
export function sample(style) {
  return svg("svg", { class: "sample", viewBox: "0 0 20 8", "aria-hidden": "true" },
    svg("path", { class: `curve ${style}`, d: "M0 4h20" }));
}

/** What colours stand for. `parts`: [name, style class]. */
export function colorKey(parts) {
  return html("span", { class: "key" },
    ...parts.map(([name, style]) => html("span", {}, html("i", { class: style }), name)));
}

/** Writes a text if it is another one, so that what has not changed is not laid out again. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/** Terms and their values, beside each other. Terms without a value are left out. */
export class Facts {
  #rows = new Map();

  constructor(style) {
    this.element = html("dl", { class: style });
  }

  /** `facts`: [term, text, title]. */
  update(facts) {
    const given = facts.filter(([, text]) => text !== null && text !== undefined && text !== "–");
    for (const [term, row] of this.#rows) {
      if (!given.some(([other]) => other === term)) {
        row.remove();
        this.#rows.delete(term);
      }
    }
    given.forEach(([term, text, title], index) => {
      let row = this.#rows.get(term);
      if (!row) {
        row = html("div", {}, html("dt", {}, term), html("dd"));
        this.#rows.set(term, row);
      }
      if (this.element.children[index] !== row) this.element.insertBefore(row, this.element.children[index] ?? null);
      setText(row.lastChild, text);
      setAttribute(row.lastChild, "title", title ?? null);
    });
  }
}

/** A bar of shares that add up to 1, with their text. `parts`: [name, style class]. */
export class ShareBar {
  #parts;
  #spans;
  #text = html("span", { class: "shares-text" });

  constructor(parts, { names = true } = {}) {
    this.#parts = parts;
    this.names = names;
    this.#spans = parts.map(([, style]) => html("span", { class: style }));
    this.element = html("span", { class: "shares" },
      html("span", { class: "bar", "aria-hidden": "true" }, ...this.#spans), this.#text);
  }

  update(shares) {
    const known = shares.map((share) => (Number.isFinite(share) ? share : 0));
    const sum = known.reduce((total, share) => total + share, 0) || 1;
    this.#spans.forEach((span, index) => {
      const width = `${(known[index] / sum * 100).toFixed(1)}%`;
      if (span.style.width !== width) span.style.width = width;
    });
    const whole = known.map((share) => Math.round(share / sum * 100));
    setText(this.#text, this.names
      ? this.#parts.map(([name], index) => `${whole[index]} % ${name}`).join(", ")
      : `${whole.join(" / ")} %`);
    setAttribute(this.element, "title", this.#parts.map(([name], index) => `${whole[index]} % ${name}`).join(", "));
  }
}
