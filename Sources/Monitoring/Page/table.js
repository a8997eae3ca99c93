// A table whose rows are kept from one update to the next, and which can be sorted by its columns.

import { html, setText, setAttribute } from "./dom.js";

export class Table {
  #columns;
  #key;
  #sort;
  #body = html("tbody");
  #heads;
  #rows = new Map();
  #data = [];

  /**
   * `columns`: {title, text(row) or fill(cell, row), hint(row), sort(row), isText}. A column with `sort` can be sorted
   * by. `sort`: the index of the column by which rows are sorted at first, or null for the order as given.
   */
  constructor(caption, columns, { key = (row, index) => index, sort = null, isTall = false, rowClass = null } = {}) {
    this.#columns = columns;
    this.#key = key;
    this.#sort = { column: sort, isDescending: false };
    this.rowClass = rowClass;
    this.#heads = columns.map((column, index) => html(
      "th", { scope: "col", class: column.isText ? "text" : null },
      column.sort
        ? html("button", { type: "button", class: "sort", onclick: () => this.#sortBy(index) }, column.title)
        : column.title));
    this.table = html("table", {}, html("caption", { class: "unseen" }, caption),
      html("thead", {}, html("tr", {}, ...this.#heads)), this.#body);
    this.element = html("div", {
      class: isTall ? "scroll tall" : "scroll", tabindex: "0", role: "region", "aria-label": caption,
    }, this.table);
    this.#showSort();
  }

  #sortBy(column) {
    const isDescending = this.#sort.column === column && !this.#sort.isDescending;
    this.#sort = { column, isDescending };
    this.#showSort();
    this.update(this.#data);
  }

  #showSort() {
    this.#heads.forEach((head, index) => {
      const order = index !== this.#sort.column ? null : this.#sort.isDescending ? "descending" : "ascending";
      setAttribute(head, "aria-sort", order);
    });
  }

  #sorted(data) {
    const sort = this.#columns[this.#sort.column]?.sort;
    if (!sort) return data;
    const sign = this.#sort.isDescending ? -1 : 1;
    const isMissing = (value) => value === null || value === undefined || Number.isNaN(value);
    return data.map((row) => [sort(row), row]).sort(([a], [b]) => {
      // What has no value comes last in either direction.
      if (isMissing(a) || isMissing(b)) return isMissing(a) - isMissing(b);
      return sign * (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b);
    }).map(([, row]) => row);
  }

  update(data) {
    this.#data = data;
    const seen = new Set();
    this.#sorted(data).forEach((row, index) => {
      const key = this.#key(row, index);
      seen.add(key);
      if (!this.#rows.has(key)) {
        const cells = this.#columns.map((column) => html("td", { class: column.isText ? "text" : null }));
        this.#rows.set(key, { line: html("tr", {}, ...cells), cells });
      }
      const { line, cells } = this.#rows.get(key);
      this.#columns.forEach((column, position) => {
        if (column.fill) column.fill(cells[position], row);
        else setText(cells[position], column.text(row));
        if (column.hint) setAttribute(cells[position], "title", column.hint(row) ?? null);
      });
      if (this.rowClass) setAttribute(line, "class", this.rowClass(row));
      if (this.#body.children[index] !== line) this.#body.insertBefore(line, this.#body.children[index] ?? null);
    });
    for (const [key, { line }] of this.#rows) {
      if (seen.has(key)) continue;
      line.remove();
      this.#rows.delete(key);
    }
  }
}
