// The leaderboard: a row for each configuration and description.

import { columns, isOptional, leaderboardTable, moveColumn } from "./columns.js";
import { detail } from "./detail.js";
import { downloadMenu, ensureMenu } from "./downloads.js";
import { changed } from "./redraw.js";
import {
  experiment,
  filtered,
  hasCurves,
  isDescribed,
  look,
  metric,
  MOST_CURVES,
  rank,
  sortedBy,
  state,
} from "./state.js";
import { arrowWithAlt, breakable, byId, counted, distinct, element, fill, firstElement } from "./values.js";
import { VirtualRows } from "./virtual_rows.js";

const LONGEST_TITLE = 48; // letters of a column's title

const FOCUSABLE = "a, button, input, textarea";

export function renderTable() {
  ensureMenu("leaderboard-download", () =>
    downloadMenu(
      () => `legm-${experiment().name}`.replace(/[^\w.-]+/g, "-"),
      (format) => leaderboardTable(format, sortedRows(columns())),
    ),
  );
  const all = columns();
  const rows = sortedRows(all);
  const focused = focusedInTable();
  if (rows.length)
    leaderboardRows().show(tableHead(all), rows, (/** @type {number} */ row) => rowElements(row, all));
  else {
    const empty = element("td", { colspan: all.length + 3, class: "empty" }, emptyText());
    fill(byId("table"), tableHead(all), element("tbody", {}, element("tr", {}, empty)));
  }
  if (focused) focusAgain(focused);
  const total = experiment().rows.filter((_, row) => isDescribed(row)).length;
  const number = rows.length === total ? counted(total, "row") : `${rows.length} of ${counted(total, "row")}`;
  byId("leaderboard-note").textContent = [
    number,
    metric()?.note,
    repeatedNote(rows),
    codeNote(rows),
    state.report.differenceNote?.(),
  ]
    .filter(Boolean)
    .join(" · ");
}

/** The rows that are in view, whatever the number of all. */
export function leaderboardRows() {
  state.table ??= new VirtualRows(byId("table-frame"), byId("table"));
  return state.table;
}

/** @param {number} row @param {Column[]} all */
function rowElements(row, all) {
  const found = [tableRow(row, all)];
  if (state.open.has(row))
    found.push(element("tr", { class: "detail" }, element("td", { colspan: all.length + 3 }, detail(row))));
  return found;
}

/** What has the focus in a row, so that it has it again when the table is drawn again. */
function focusedInTable() {
  const focused = document.activeElement;
  const row = focused?.closest("#table tr[data-id]");
  if (!focused || !(row instanceof HTMLElement)) return null;
  return { id: row.dataset.id, focused, at: [...row.querySelectorAll(FOCUSABLE)].indexOf(focused) };
}

/** @param {{id: string|undefined, focused: Element, at: number}} content */
function focusAgain({ id, focused, at }) {
  const row = firstElement(`#table tr[data-id="${CSS.escape(id ?? "")}"]`);
  const again = row?.contains(focused) ? focused : row?.querySelectorAll(FOCUSABLE)[at];
  again?.focus({ preventScroll: true });
}

function emptyText() {
  return experiment().rows.length
    ? "No configuration matches the search and the filters."
    : "This experiment has no configurations yet.";
}

/**
 * That runs repeat a seed, and count all the same.
 * @param {number[]} rows
 */
function repeatedNote(rows) {
  const repeated = rows.reduce((sum, row) => sum + experiment().rows[row].repeated, 0);
  return repeated ? `${counted(repeated, "run")} with the seed of another run of the configuration` : "";
}

/**
 * That averaged runs come from different code.
 * @param {number[]} rows
 */
function codeNote(rows) {
  const texts = rows.map((row) => experiment().rows[row].code).filter(Boolean);
  if (!texts.length) return "";
  const more = texts.length > 1 ? `; so do those of ${counted(texts.length - 1, "other configuration")}` : "";
  return `averaged runs come from different code: ${texts[0]}${more}`;
}

/** @param {Column[]} all */
export function sortedRows(all) {
  const column = all.find((one) => one.id === state.sort.column) ?? all.find((one) => one.id === "metric");
  if (!column) return sortedBy(filtered(), (row) => experiment().label(row), false);
  return sortedBy(filtered(), column.value, column.descendsFirst !== state.sort.reversed);
}

/** @param {Column[]} all */
function tableHead(all) {
  const titles = distinct(
    all.map((one) => one.title),
    LONGEST_TITLE,
  );
  const cells = all.map((one, i) => {
    const sorted = state.sort.column === one.id;
    const descending = one.descendsFirst !== state.sort.reversed;
    const order = descending ? "descending" : "ascending";
    const button = element(
      "button",
      {
        type: "button",
        "data-column": one.id,
        title: isOptional(one.id) ? "Sorts; a drag or Alt with ← and → moves the column" : "Sorts",
        click: () => sortBy(one.id),
        keydown: (/** @type {any} */ event) => moveByKey(event, one.id),
        ...(isOptional(one.id) ? dragOf(one.id) : {}),
      },
      element("span", { title: one.title }, breakable(titles[i])),
      element("span", { class: "arrow", "aria-hidden": "true" }, sorted ? (descending ? "▼" : "▲") : ""),
    );
    return element("th", { scope: "col", class: one.kind, "aria-sort": sorted ? order : "none" }, button);
  });
  const plain = (
    /** @type {string} */ text,
    /** @type {boolean} */ hidden,
    /** @type {string | null} */ kind,
  ) =>
    element("th", { scope: "col", class: kind }, element("span", { class: hidden ? "hidden" : null }, text));
  return element(
    "thead",
    {},
    element(
      "tr",
      {},
      plain("Curve", true, "pick"),
      plain("#", false, "number rank"),
      ...withLetters(all, cells, plain("Compare", true, "letters")),
    ),
  );
}

/**
 * The cells of a row, with the buttons A and B after the number of runs.
 * @param {Column[]} all
 * @param {Child[]} cells
 * @param {Child} letters
 */
function withLetters(all, cells, letters) {
  const at = all.findIndex((one) => one.id === "runs") + 1;
  return [...cells.slice(0, at), letters, ...cells.slice(at)];
}

/**
 * Alt with an arrow moves a column.
 * @param {KeyboardEvent} event
 * @param {string} id
 */
function moveByKey(event, id) {
  const by = arrowWithAlt(event);
  if (!by || !isOptional(id)) return;
  event.preventDefault();
  moveColumn(id, by);
  firstElement(`#table [data-column="${CSS.escape(id)}"]`)?.focus();
}

/**
 * What lets a column's title be dragged to another one's.
 * @param {string} id
 */
function dragOf(id) {
  return {
    draggable: "true",
    dragstart: (/** @type {any} */ event) => event.dataTransfer.setData("text/x-legm-column", id),
    dragover: (/** @type {any} */ event) => {
      if (event.dataTransfer.types.includes("text/x-legm-column")) event.preventDefault();
    },
    drop: (/** @type {any} */ event) => {
      event.preventDefault();
      moveColumn(event.dataTransfer.getData("text/x-legm-column"), 0, id);
    },
  };
}

/** @param {string} column */
function sortBy(column) {
  state.sort = { column, reversed: state.sort.column === column && !state.sort.reversed };
  changed("table");
  firstElement(`#table [data-column="${CSS.escape(column)}"]`)?.focus();
}

/** @param {number} row @param {Column[]} all */
function tableRow(row, all) {
  const label = experiment().label(row);
  const shown = state.shown.includes(row);
  const pick = element("input", {
    type: "checkbox",
    checked: shown,
    "data-row": row,
    "aria-label": `Show the curves of ${label}`,
    disabled: !shown && (!hasCurves(row) || state.shown.length >= MOST_CURVES),
    change: () => toggleShown(row),
  });
  const swatch = element("span", { class: "swatch" });
  if (shown) swatch.style.background = look(row).color;
  const position = rank(row);
  const cells = all.map((one) =>
    one.id === "name"
      ? element("th", { scope: "row", class: one.kind }, one.cell(row))
      : element("td", { class: one.kind }, one.cell(row)),
  );
  return element(
    "tr",
    { class: shown ? "shown" : null, "data-row": row, "data-id": experiment().id(row) },
    element("td", { class: "pick" }, element("label", {}, pick, swatch)),
    element("td", { class: "number rank" }, position === undefined ? "–" : String(position)),
    ...withLetters(
      all,
      cells,
      element("td", { class: "letters" }, letterButton(row, 0), letterButton(row, 1)),
    ),
  );
}

/** @param {number} row @param {number} side */
function letterButton(row, side) {
  const letter = "AB"[side];
  return element(
    "button",
    {
      type: "button",
      class: "letter",
      "aria-pressed": String(state.pair[side] === row),
      "data-letter": letter,
      "aria-label": `Compare ${experiment().label(row)} as ${letter}`,
      title: `Compare as ${letter}`,
      click: () => choosePair(side, row),
    },
    letter,
  );
}

/** @param {number} side @param {number} row */
export function choosePair(side, row) {
  state.pair[side] = row;
  state.paired = state.pair.every((one) => one !== null);
  changed("pair");
}

/** @param {number} row */
export function toggleShown(row) {
  if (state.shown.includes(row)) state.shown = state.shown.filter((one) => one !== row);
  else if (state.shown.length < MOST_CURVES) state.shown = [...state.shown, row];
  state.picked = true;
  changed("shown");
  firstElement(`#table input[data-row="${row}"]`)?.focus();
}

// -- parameters that never vary

export function renderConstant() {
  const { parameters, varying, content } = experiment();
  const same =
    content.configurations.length > 1
      ? parameters.filter((one) => !varying.includes(one) && one.state(0))
      : [];
  byId("constant").hidden = !same.length;
  byId("constant").querySelector("summary").textContent =
    `${counted(same.length, "parameter")} with one value everywhere`;
  fill(
    byId("constant").querySelector("dl"),
    ...same.map((one) =>
      element("div", {}, element("dt", {}, one.name), element("dd", {}, one.text(one.state(0)))),
    ),
  );
}
