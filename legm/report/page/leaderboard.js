// The leaderboard: a row for each configuration and description.

import { columns } from "./columns.js";
import { detail } from "./detail.js";
import { changed } from "./redraw.js";
import {
  experiment,
  filtered,
  hasCurves,
  isDescribed,
  look,
  metric,
  MOST_CURVES,
  PAGE,
  rank,
  sortedBy,
  state,
} from "./state.js";
import { breakable, byId, counted, distinct, element, fill, firstElement } from "./values.js";

const LONGEST_TITLE = 48; // letters of a column's title

export function renderTable() {
  const all = columns();
  const rows = sortedRows(all);
  const visible = rows.slice(0, state.limit);
  const body = element("tbody", {});
  for (const row of visible) {
    body.append(tableRow(row, all));
    if (state.open.has(row))
      body.append(
        element("tr", { class: "detail" }, element("td", { colspan: all.length + 3 }, detail(row))),
      );
  }
  if (!rows.length)
    body.append(element("tr", {}, element("td", { colspan: all.length + 3, class: "empty" }, emptyText())));
  fill(byId("table"), tableHead(all), body);
  const total = experiment().rows.filter((_, row) => isDescribed(row)).length;
  const number = rows.length === total ? counted(total, "row") : `${rows.length} of ${counted(total, "row")}`;
  byId("leaderboard-note").textContent = [number, metric()?.note, repeatedNote(rows), codeNote(rows)]
    .filter(Boolean)
    .join(" · ");
  const rest = rows.length - visible.length;
  byId("more").hidden = rest <= 0;
  byId("more").textContent = `Show ${Math.min(rest, PAGE)} more of ${rest}`;
}

function emptyText() {
  return experiment().rows.length
    ? "No configuration matches the search and the filters."
    : "This experiment has no configurations yet.";
}

/** That runs repeat a seed, and count all the same. */
function repeatedNote(rows) {
  const repeated = rows.reduce((sum, row) => sum + experiment().rows[row].repeated, 0);
  return repeated ? `${counted(repeated, "run")} with the seed of another run of the configuration` : "";
}

/** That averaged runs come from different code. */
function codeNote(rows) {
  const texts = rows.map((row) => experiment().rows[row].code).filter(Boolean);
  if (!texts.length) return "";
  const more = texts.length > 1 ? `; so do those of ${counted(texts.length - 1, "other configuration")}` : "";
  return `averaged runs come from different code: ${texts[0]}${more}`;
}

export function sortedRows(all) {
  const column = all.find((one) => one.id === state.sort.column) ?? all.find((one) => one.id === "metric");
  if (!column) return sortedBy(filtered(), (row) => experiment().label(row), false);
  return sortedBy(filtered(), column.value, column.descendsFirst !== state.sort.reversed);
}

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
      { type: "button", "data-column": one.id, click: () => sortBy(one.id) },
      element("span", { title: one.title }, breakable(titles[i])),
      element("span", { class: "arrow", "aria-hidden": "true" }, sorted ? (descending ? "▼" : "▲") : ""),
    );
    return element("th", { scope: "col", class: one.kind, "aria-sort": sorted ? order : "none" }, button);
  });
  const plain = (text, hidden, kind) =>
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

/** The cells of a row, with the buttons A and B after the number of runs. */
function withLetters(all, cells, letters) {
  const at = all.findIndex((one) => one.id === "runs") + 1;
  return [...cells.slice(0, at), letters, ...cells.slice(at)];
}

function sortBy(column) {
  state.sort = { column, reversed: state.sort.column === column && !state.sort.reversed };
  changed("table");
  firstElement(`#table [data-column="${CSS.escape(column)}"]`)?.focus();
}

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
    { class: shown ? "shown" : null, "data-row": row },
    element("td", { class: "pick" }, element("label", {}, pick, swatch)),
    element("td", { class: "number rank" }, position === undefined ? "–" : String(position)),
    ...withLetters(
      all,
      cells,
      element("td", { class: "letters" }, letterButton(row, 0), letterButton(row, 1)),
    ),
  );
}

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

export function choosePair(side, row) {
  state.pair[side] = row;
  state.paired = state.pair.every((one) => one !== null);
  changed("pair");
}

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
