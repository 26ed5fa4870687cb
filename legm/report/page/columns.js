// The leaderboard's columns: what each shows, how it sorts, and which are visible.

import { statesOf } from "./controls.js";
import { renderTable } from "./leaderboard.js";
import { changed } from "./redraw.js";
import { chosenMetric, experiment, higherBetter, metric, ranked, state } from "./state.js";
import {
  breakable,
  byId,
  decimalsOf,
  element,
  fill,
  firstElement,
  fixed,
  meanAndSpread,
  moved,
  short,
} from "./values.js";

const FEW_METRICS = 4;
const MANY_PARAMETERS = 12;

const DIFFERENCE = "difference";

/** The optional columns with their titles: all except the name, the runs and the selected metric. */
function optionalColumns() {
  const { metrics, varying } = experiment();
  const others = metrics.filter((one) => one !== metric());
  return [
    ...(metric() ? [{ id: DIFFERENCE, title: "Difference from A" }] : []),
    ...others.map((one) => ({ id: `m:${one.key}`, title: one.label })),
    ...varying.map((one) => ({ id: `p:${one.name}`, title: one.name })),
  ];
}

/**
 * Whether a column can be left out and moved.
 * @param {string} id
 */
export function isOptional(id) {
  return id === DIFFERENCE || /^[mp]:/.test(id);
}

/**
 * An optional column by its id; null if there is none.
 * @returns {Column | null}
 * @param {string} id
 */
function columnOf(id) {
  const chosen = experiment();
  if (id === DIFFERENCE) return metric() ? differenceColumn() : null;
  if (id.startsWith("m:")) {
    const one = chosen.byKey.get(id.slice(2));
    return one && one !== metric() ? metricColumn(id, one) : null;
  }
  const parameter = chosen.varying.find((one) => `p:${one.name}` === id);
  return parameter ? parameterColumn(parameter) : null;
}

/**
 * How each row differs from A in the selected metric, and how sure that is where the server can be asked.
 * @returns {Column}
 */
function differenceColumn() {
  const one = chosenMetric();
  const [a] = state.pair;
  const decimals = decimalsOf(Array.from(one.mean), Array.from(one.std));
  const value = (/** @type {number} */ row) =>
    a !== null && one.has(row) && one.has(a) ? one.mean[row] - one.mean[a] : NaN;
  return {
    id: DIFFERENCE,
    title: `${one.label} − A`,
    kind: "number difference",
    value,
    exact: [
      [`${one.key}_difference`, value],
      ...["lower", "upper", "p", "adjusted"].map(
        (name) =>
          /** @type {[string, (row: number) => Cell]} */ ([
            `${one.key}_difference_${name}`,
            (/** @type {number} */ row) => state.report.significance?.(row)?.[name] ?? "",
          ]),
      ),
    ],
    text: (row) => (Number.isFinite(value(row)) ? signedText(value(row), decimals) : "–"),
    descendsFirst: higherBetter(),
    cell: (row) => {
      if (row === a) return element("span", { class: "faint" }, "A, the baseline");
      if (!Number.isFinite(value(row))) return element("span", { class: "faint" }, "–");
      return element(
        "span",
        {},
        signedText(value(row), decimals),
        significance(state.report.significance?.(row)),
      );
    },
  };
}

/**
 * A difference with its sign.
 * @param {number} value
 * @param {number} decimals
 */
export function signedText(value, decimals) {
  const text =
    value && Math.abs(value) < 10 ** -Math.max(decimals, 0) ? short(value) : fixed(value, decimals);
  return value > 0 ? `+${text}` : text;
}

/**
 * The interval and the p-value of a difference; null while they are not known.
 * @param {Significance|null|undefined} known
 */
export function significance(known) {
  if (!known) return null;
  const { lower, upper, p, adjusted, verdict } = known;
  if (Number.isNaN(adjusted)) return element("span", { class: "faint" }, " too few runs");
  const interval = Number.isNaN(lower) ? "" : `${short(lower)} … ${short(upper)}`;
  return element(
    "span",
    { title: `95 % interval ${interval || "unknown"}; p = ${short(p)}, corrected ${short(adjusted)}` },
    " ",
    element("span", { class: "faint part" }, interval),
    " ",
    element("span", { class: `verdict part ${verdict ?? "unsure"}` }, `p ${short(adjusted)}`),
  );
}

/**
 * @param {string} id
 * @param {Metric} one
 * @returns {Column}
 */
function metricColumn(id, one) {
  const decimals = decimalsOf(Array.from(one.mean), Array.from(one.std));
  return {
    id,
    metric: one,
    title: one.label,
    kind: "number",
    value: (row) => (one.has(row) ? one.mean[row] : NaN),
    exact: [
      [`${one.key}_mean`, (row) => (one.has(row) ? one.mean[row] : "")],
      [`${one.key}_std`, (row) => (one.has(row) ? one.std[row] : "")],
      [`${one.key}_n`, (row) => one.n[row]],
    ],
    text: (row) => meanText(one, row, decimals),
    descendsFirst: higherBetter(one),
    cell: (row) => meanCell(one, row, decimals),
  };
}

/** @param {Metric} one @param {number} row @param {number} decimals */
function meanText(one, row, decimals) {
  if (!one.has(row)) return "–";
  const [mean, std, n] = [one.mean[row], one.std[row], one.n[row]];
  const [center, spread] = meanAndSpread(mean, std, decimals);
  return n > 1 || std > 0 ? `${center} ± ${spread}` : center;
}

/**
 * The leaderboard as a table of exact values for CSV, and of the texts that are shown for other formats.
 * @param {string} format
 * @param {number[]} rows
 */
export function leaderboardTable(format, rows) {
  const all = columns();
  if (format === "csv") {
    /** @type {[string, (row: number) => Cell][]} */
    const exact = all.flatMap((one) => one.exact ?? [[one.title, one.value]]);
    return {
      headers: exact.map(([title]) => title),
      rows: rows.map((row) => exact.map(([, value]) => value(row))),
    };
  }
  const text = (/** @type {Column} */ one, /** @type {number} */ row) =>
    one.text?.(row) ?? String(one.value(row) ?? "–");
  return {
    headers: all.map((one) => one.title),
    rows: rows.map((row) => all.map((one) => text(one, row))),
    numbers: all.map((one) => one.kind.startsWith("number")),
    notes: [byId("leaderboard-note").textContent],
  };
}

/**
 * @param {Parameter} one
 * @returns {Column}
 */
function parameterColumn(one) {
  const states = new Set(one.active.length ? statesOf(one) : []);
  const numeric = [...states].every((state) => !state || one.number(state) !== null);
  const value = (/** @type {number} */ row) => {
    const own = experiment().state(one, row);
    return own ? (one.number(own) ?? one.text(own)) : undefined;
  };
  return {
    id: `p:${one.name}`,
    title: one.name,
    kind: numeric ? "number" : "text",
    value,
    exact: [[one.name, (row) => one.text(experiment().state(one, row)) ?? ""]],
    text: (row) => one.text(experiment().state(one, row)) ?? one.note(experiment().configurationIndex(row)),
    descendsFirst: false,
    cell: (row) => parameterCell(one, row),
  };
}

/** @param {Parameter} one @param {number} row */
function parameterCell(one, row) {
  const own = experiment().state(one, row);
  if (!own) return element("span", { class: "faint" }, one.note(experiment().configurationIndex(row)));
  const [text, brief] = [one.text(own), one.brief(own)];
  return element("span", { title: brief === text ? null : text }, brief);
}

/** @param {Metric} one @param {number} row @param {number} decimals */
export function meanCell(one, row, decimals) {
  if (!one.has(row)) return element("span", { class: "faint" }, "–");
  const [mean, std, n, nan] = [one.mean[row], one.std[row], one.n[row], one.nan[row]];
  const [center, spread] = meanAndSpread(mean, std, decimals);
  const badge = nan ? element("span", { class: "badge warning" }, `${nan} NaN`) : null;
  return element(
    "span",
    { title: `${mean} ± ${std}, n = ${n}` },
    element("span", { class: "mean" }, center),
    n > 1 || std > 0 ? element("span", { class: "std" }, ` ± ${spread}`) : null,
    badge && " ",
    badge,
  );
}

/** The ids of the visible columns. */
export function shownColumns() {
  if (state.columns) return state.columns;
  const { metrics, varying } = experiment();
  const chosen = metric();
  const few = metrics.length <= FEW_METRICS;
  const others = metrics.filter(
    (one) => one !== chosen && (few || one.name === chosen?.name) && one.split !== "pooled",
  );
  const parameters = varying.slice(0, MANY_PARAMETERS);
  return [
    ...(chosen && state.paired ? [DIFFERENCE] : []),
    ...others.map((one) => `m:${one.key}`),
    ...parameters.map((one) => `p:${one.name}`),
  ];
}

/**
 * Move a column by some, or to where another one is.
 * @param {string} id
 * @param {number} by
 * @param {string|null} target
 */
export function moveColumn(id, by, target = null) {
  const ids = shownColumns().filter((one) => columnOf(one));
  const from = ids.indexOf(id);
  const to = target === null ? from + by : ids.indexOf(target);
  if (from < 0 || to < 0) return;
  state.columns = moved(ids, from, to);
  changed("table");
}

export function columns() {
  /** @type {Column} */
  const name = {
    id: "name",
    title: "Configuration",
    kind: "name",
    value: (row) => experiment().label(row),
    descendsFirst: false,
    cell: nameCell,
  };
  /** @type {Column} */
  const runs = {
    id: "runs",
    title: "Runs",
    kind: "number",
    value: (row) => experiment().counts.completed[row],
    descendsFirst: true,
    cell: runsCell,
  };
  /** @type {Column | null} */
  const first = metric()
    ? {
        ...metricColumn("metric", chosenMetric()),
        kind: "number chosen",
        cell: chosenCell(chosenMetric(), ranked()),
      }
    : null;
  return [name, first, runs, ...shownColumns().map(columnOf)].filter((one) => one !== null);
}

/** @param {number} row */
function nameCell(row) {
  const { description, tags, notes } = experiment().rows[row];
  const open = state.open.has(row);
  const button = element(
    "button",
    {
      type: "button",
      class: "open",
      "aria-expanded": String(open),
      "data-row": row,
      title: experiment().label(row),
      click: () => toggleOpen(row),
    },
    element("span", { class: "name" }, breakable(experiment().briefName(row))),
  );
  const tag = description ? element("span", { class: "tag" }, description) : null;
  const noted = tags || notes?.length ? element("span", { class: "tag" }, tags || "note") : null;
  if (noted && notes?.length) noted.title = notes.join("\n");
  const editor = state.report.marksEditor?.(row) ?? null;
  return element(
    "span",
    { class: "named" },
    button,
    tag,
    editor ? null : noted,
    editor ? null : state.report.marksButton?.(row),
    editor,
  );
}

/** @param {number} row */
function toggleOpen(row) {
  if (!state.open.delete(row)) state.open.add(row);
  renderTable();
  firstElement(`#table .open[data-row="${row}"]`)?.focus();
}

/** @param {number} row */
function runsCell(row) {
  const { counts } = experiment();
  const badges = ["failed", "interrupted", "pruned", "running"]
    .filter((status) => counts[status][row])
    .map((status) => element("span", { class: `badge ${status}` }, `${counts[status][row]} ${status}`));
  const { repeated, code } = experiment().rows[row];
  if (repeated) badges.push(element("span", { class: "badge warning" }, `${repeated} with a repeated seed`));
  if (code) badges.push(element("span", { class: "badge warning", title: code }, "different code"));
  return element("span", { class: "runs" }, ...badges, element("span", {}, String(counts.completed[row])));
}

/**
 * The selected metric with a bar: the mean and its spread, on a common scale for the rows.
 * @param {Metric} one
 * @param {number[]} rows
 * @returns {(row: number) => Child}
 */
export function chosenCell(one, rows) {
  const decimals = decimalsOf(Array.from(one.mean), Array.from(one.std));
  const scale = barScale(one, rows);
  return (row) => {
    if (!scale || !Number.isFinite(one.mean[row])) return meanCell(one, row, decimals);
    const bar = element("span", { class: "bar-frame", "aria-hidden": "true" });
    const [low, at, high] = [one.mean[row] - one.std[row], one.mean[row], one.mean[row] + one.std[row]].map(
      scale,
    );
    const spread = element("span", { class: "spread" });
    const dot = element("span", { class: "dot" });
    spread.style.left = `${low}%`;
    spread.style.width = `${Math.max(high - low, 0)}%`;
    dot.style.left = `${at}%`;
    bar.append(spread, dot);
    return element("span", { class: "chosen-value" }, bar, meanCell(one, row, decimals));
  };
}

/**
 * The position of a value in percent; outliers are clipped to the ends.
 * @param {Metric} one
 * @param {number[]} rows
 * @returns {((value: number) => number) | null}
 */
function barScale(one, rows) {
  const values = rows
    .flatMap((row) => (one.has(row) ? [one.mean[row] - one.std[row], one.mean[row] + one.std[row]] : []))
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  if (!values.length) return null;
  const at = (/** @type {number} */ share) => values[Math.round(share * (values.length - 1))];
  const [low, high] = [at(0.02), at(0.98)];
  return (value) => (high > low ? Math.min(Math.max((value - low) / (high - low), 0), 1) * 100 : 50);
}

// -- column selection

export function renderColumnChoice() {
  const every = new Map(optionalColumns().map((one) => [one.id, one]));
  const order = shownColumns().filter((id) => every.has(id));
  const shown = new Set(order);
  const rest = [...every.keys()].filter((id) => !shown.has(id));
  const boxes = [...order, ...rest].map((id) => {
    const one = every.get(id) ?? { id, title: id };
    const box = element("input", {
      type: "checkbox",
      checked: shown.has(one.id),
      "data-id": one.id,
      change: () => {
        const now = new Set(shownColumns());
        if (box.checked) now.add(one.id);
        else now.delete(one.id);
        state.columns = [...now];
        changed("table");
        firstElement(`#columns input[data-id="${CSS.escape(one.id)}"]`)?.focus();
      },
    });
    const label = element("label", { class: "check" }, box, ` ${one.title}`);
    return element("div", { class: "column-choice" }, label, ...(shown.has(id) ? moveButtons(one) : []));
  });
  byId("columns").hidden = !boxes.length;
  fill(byId("columns").querySelector(".sheet"), ...boxes);
}

/** @param {{id: string, title: string}} content */
function moveButtons({ id, title }) {
  /** @type {[string, number, string][]} */
  const moves = [
    ["↑", -1, "earlier"],
    ["↓", 1, "later"],
  ];
  return moves.map(([arrow, by, word]) =>
    element(
      "button",
      {
        type: "button",
        class: "quiet move",
        "aria-label": `Move the column ${title} ${word}`,
        "data-move": `${word} ${id}`,
        click: () => {
          moveColumn(id, by);
          firstElement(`#columns [data-move="${CSS.escape(`${word} ${id}`)}"]`)?.focus();
        },
      },
      arrow,
    ),
  );
}
