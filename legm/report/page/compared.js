// The view of two to six configurations side by side: parameters, metrics with differences from the first one, code.

import { viewAddress } from "./address.js";
import { meanCell, signedText, significance } from "./columns.js";
import { savedTable } from "./downloads.js";
import { experiment, higherBetter, metric, state } from "./state.js";
import { breakable, byId, decimalsOf, element, fill } from "./values.js";

export const MOST_SIDE_BY_SIDE = 6; // configurations

const SIGNIFICANCE = /** @type {const} */ (["lower", "upper", "p", "adjusted"]);

/** The rows that are compared: the ticked ones, the first of which is the baseline. */
export function comparedRows() {
  return state.shown.slice(0, MOST_SIDE_BY_SIDE);
}

/**
 * The metrics of rows with exact numbers, a line for each metric and row; differences are from the first row.
 * @param {number[]} rows
 */
export function exactMetrics(rows) {
  const { byKey } = state.report.comparison?.(rows) ?? { byKey: new Map() };
  const own = experiment().metrics.filter((one) => rows.some((row) => one.has(row)));
  const known = (
    /** @type {Metric} */ one,
    /** @type {number} */ row,
    /** @type {keyof Significance} */ name,
  ) => byKey.get(one.key)?.get(row)?.[name] ?? "";
  return {
    headers: [
      "metric",
      "configuration",
      "mean",
      "std",
      "n",
      "difference",
      "lower",
      "upper",
      "p",
      "corrected_p",
    ],
    rows: own.flatMap((one) =>
      rows.map((row) => [
        one.key,
        experiment().label(row),
        ...(one.has(row) ? [one.mean[row], one.std[row], one.n[row]] : ["", "", 0]),
        one.has(row) && one.has(rows[0]) ? one.mean[row] - one.mean[rows[0]] : "",
        ...SIGNIFICANCE.map((name) => known(one, row, name)),
      ]),
    ),
  };
}

export function renderCompared() {
  const rows = comparedRows();
  const few = rows.length < 2;
  byId("compared-empty").hidden = !few;
  byId("compared-empty").textContent =
    "Two to six configurations are compared here: tick them in the leaderboard, and choose Compare there.";
  byId("compared-choices").hidden = few;
  byId("compared-equal").checked = state.equalToo;
  if (few) {
    fill(byId("compared-tables"));
    return;
  }
  const known = state.report.comparison?.(rows) ?? { byKey: new Map(), note: "" };
  byId("compared-note").textContent =
    known.note || `differences from ${experiment().brief(rows[0])}, the first one`;
  fill(
    byId("compared-tables"),
    element("h3", {}, "Metrics"),
    metricTable(rows, known.byKey),
    element("h3", {}, "Parameters"),
    parameterTable(rows),
    state.report.codeTable?.(rows),
  );
}

/**
 * A table with a column for each of the compared configurations.
 * @param {string} first
 * @param {number[]} rows
 * @param {Child[]} body
 * @param {() => Table} [exact] with exact numbers, where the table has some
 */
export function besideTable(first, rows, body, exact) {
  const names = rows.map((row, i) =>
    element(
      "th",
      { scope: "col", title: experiment().label(row) },
      i ? null : element("span", { class: "badge running" }, "baseline"),
      i ? null : " ",
      element("a", { href: viewAddress("configuration", [row]) }, breakable(experiment().brief(row))),
    ),
  );
  const table = element(
    "table",
    { class: "plain beside" },
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, first), ...names)),
    element("tbody", {}, ...body),
  );
  return savedTable(`Compared by ${first}`, table, exact);
}

/** @param {number[]} rows */
function parameterTable(rows) {
  const chosen = experiment();
  const states = (/** @type {Parameter} */ one) => rows.map((row) => chosen.state(one, row));
  const differs = (/** @type {Parameter} */ one) => new Set(states(one)).size > 1;
  const shown = chosen.parameters.filter((one) => differs(one) || (state.equalToo && states(one)[0]));
  const body = shown.map((one) =>
    element(
      "tr",
      { class: differs(one) ? "differs" : "faint" },
      element("th", { scope: "row" }, breakable(one.name)),
      ...rows.map((row) => {
        const own = chosen.state(one, row);
        const changed = own !== chosen.state(one, rows[0]);
        const text = own ? one.text(own) : one.note(chosen.configurationIndex(row));
        return element("td", { class: `${own ? "value" : "faint note"}${changed ? " changed" : ""}` }, text);
      }),
    ),
  );
  const none = element(
    "tr",
    {},
    element("td", { colspan: rows.length + 1, class: "faint" }, "All parameters are the same."),
  );
  return besideTable("parameter", rows, body.length ? body : [none]);
}

/** @param {number[]} rows @param {SideBySide["significance"]["byKey"]} byKey */
function metricTable(rows, byKey) {
  const own = experiment().metrics.filter((one) => rows.some((row) => one.has(row)));
  const body = own.map((one) => {
    const decimals = decimalsOf(
      rows.map((row) => one.mean[row]),
      rows.map((row) => one.std[row]),
    );
    return element(
      "tr",
      { class: one === metric() ? "chosen" : null },
      element(
        "th",
        { scope: "row" },
        breakable(one.label),
        element("span", { class: "faint" }, higherBetter(one) ? " ↑" : " ↓"),
      ),
      ...rows.map((row, i) =>
        element(
          "td",
          { class: "number" },
          one.has(row) ? meanCell(one, row, decimals) : whyNoValue(row),
          one.has(row) ? element("span", { class: "faint count" }, ` n = ${one.n[row]}`) : null,
          i ? differenceFrom(one, rows[0], row, decimals, byKey.get(one.key)?.get(row)) : null,
        ),
      ),
    );
  });
  const none = element(
    "tr",
    {},
    element("td", { colspan: rows.length + 1, class: "faint" }, "No value yet."),
  );
  return besideTable("metric", rows, body.length ? body : [none], () => exactMetrics(rows));
}

/**
 * Why a configuration has no value of a metric.
 * @param {number} row
 */
function whyNoValue(row) {
  const { counts } = experiment();
  const others = Object.keys(counts)
    .filter((status) => status !== "completed" && counts[status][row])
    .map((status) => `${counts[status][row]} ${status}`);
  const why = counts.completed[row] ? "no value" : "no completed run";
  return element("span", { class: "faint" }, [why, ...(counts.completed[row] ? [] : others)].join(", "));
}

/**
 * @param {Metric} one
 * @param {number} first
 * @param {number} row
 * @param {number} decimals
 * @param {Significance|undefined} known
 */
function differenceFrom(one, first, row, decimals, known) {
  if (!one.has(first) || !one.has(row)) return null;
  return element(
    "div",
    { class: "difference" },
    signedText(one.mean[row] - one.mean[first], decimals),
    " ",
    significance(known),
  );
}
