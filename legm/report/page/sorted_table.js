// A table that its user sorts by a click on a title, filters where it is long, and saves.

import { downloadMenu, fileName } from "./downloads.js";
import { breakable, counted, element, fill, searchable, short, wordsOf } from "./values.js";
import { orderOfCells } from "./versions.js";

const FILTERED_FROM = 9; // rows

/**
 * The rows that have every word, in the order of a column; `reversed` for the other way round.
 * @param {Cell[][]} rows
 * @param {{column?: number | null, reversed?: boolean, search?: string}} choices
 */
export function sortedAndFiltered(rows, { column = null, reversed = false, search = "" }) {
  const words = wordsOf(search);
  const found = rows.filter((row) => {
    const text = searchable(row.map(shownText).join("\n"));
    return words.every((word) => text.includes(word));
  });
  if (column === null) return found;
  const order = orderOfCells(rows.map((row) => row[column]));
  return found.sort((a, b) => order(a[column], b[column], reversed));
}

/**
 * What is shown of a cell.
 * @param {Cell} value
 */
function shownText(value) {
  return typeof value === "number" ? short(value) : (value ?? "–");
}

/**
 * A table of texts and numbers; `cell` makes a cell's content of its value, its row and its column.
 * @param {string[]} head
 * @param {Cell[][]} rows
 * @param {{label: string, cell?: (value: any, row: any[], column: number) => any, rowClass?: ((row: any[]) => string | null) | null}} options
 */
export function sortedTable(
  head,
  rows,
  { label, cell = (value, _row, _column) => breakable(shownText(value)), rowClass = null },
) {
  /** @type {{column: number | null, reversed: boolean, search: string}} */
  const chosen = { column: null, reversed: false, search: "" };
  const body = element("tbody", {});
  const note = element("span", { class: "faint", "aria-live": "polite" });
  const titles = head.map((title, column) => {
    const arrow = element("span", { class: "arrow", "aria-hidden": "true" });
    const button = element(
      "button",
      {
        type: "button",
        class: "link",
        click: () => {
          chosen.reversed = chosen.column === column && !chosen.reversed;
          chosen.column = column;
          draw();
        },
      },
      title || "note",
      arrow,
    );
    return { arrow, cell: element("th", { scope: "col", "aria-sort": "none" }, button) };
  });
  const draw = () => {
    titles.forEach((one, i) => {
      const isChosen = chosen.column === i;
      one.arrow.textContent = isChosen ? (chosen.reversed ? "▼" : "▲") : "";
      one.cell.setAttribute("aria-sort", isChosen ? (chosen.reversed ? "descending" : "ascending") : "none");
    });
    const shown = sortedAndFiltered(rows, chosen);
    note.textContent = shown.length < rows.length ? `${shown.length} of ${counted(rows.length, "row")}` : "";
    fill(
      body,
      ...shown.map((row) =>
        element(
          "tr",
          { class: rowClass?.(row) },
          ...row.map((value, column) => element("td", {}, cell(value, row, column))),
        ),
      ),
    );
  };
  const filter = element("input", {
    type: "search",
    "aria-label": `Filter ${label}`,
    placeholder: "Filter",
    input: () => {
      chosen.search = filter.value;
      draw();
    },
  });
  const written = (/** @type {string} */ format) => ({
    headers: head,
    rows: sortedAndFiltered(rows, chosen).map((row) => (format === "csv" ? row : row.map(shownText))),
  });
  draw();
  return element(
    "div",
    { class: "sorted-table" },
    element(
      "div",
      { class: "tools" },
      ...(rows.length >= FILTERED_FROM ? [filter, note] : []),
      downloadMenu(() => fileName(label), written),
    ),
    element(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": label },
      element(
        "table",
        { class: "plain wide" },
        element("thead", {}, element("tr", {}, ...titles.map((one) => one.cell))),
        body,
      ),
    ),
  );
}
