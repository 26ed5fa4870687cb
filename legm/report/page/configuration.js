// The view of one configuration: its parameters beside the baseline's, and its runs.

import { viewAddress } from "./address.js";
import { chosenCell } from "./columns.js";
import { savedTable } from "./downloads.js";
import { runsTable } from "./detail.js";
import { chosenMetric, experiment, metric, rank, ranked, state } from "./state.js";
import { breakable, byId, counted, element, fill } from "./values.js";

export function renderConfiguration() {
  const [row] = state.shown;
  const isThere = row !== undefined;
  byId("configuration-empty").hidden = isThere;
  byId("configuration-empty").textContent = "This configuration is not there, or not selected any more.";
  byId("configuration-equal").checked = state.equalToo;
  byId("configuration-tools").hidden = !isThere || state.pair[0] === row || state.pair[0] === null;
  if (!isThere) {
    byId("configuration-title").textContent = "Configuration";
    fill(byId("configuration-parts"));
    return;
  }
  const chosen = experiment();
  const [a] = state.pair;
  fill(byId("configuration-title"), breakable(chosen.label(row)));
  byId("configuration-note").textContent = [rankText(row), chosen.rows[row].tags].filter(Boolean).join(" · ");
  fill(byId("configuration-compare"), ...compareLink(row, a));
  const loaded = chosen.loaded(row);
  fill(
    byId("configuration-parts"),
    metric()?.has(row)
      ? element(
          "p",
          { class: "main-value" },
          element("span", { class: "faint" }, `${chosenMetric().label} `),
          chosenCell(chosenMetric(), ranked())(row),
        )
      : null,
    element("p", { class: "faint fingerprint" }, chosen.configuration(row).fingerprint),
    parametersBeside(row, a),
    loaded ? runsTable(loaded.of, loaded.row) : element("p", { class: "faint" }, "Loading the runs …"),
    element("div", {}, state.report.marksEditor?.(row) ?? state.report.marksButton?.(row)),
  );
}

/** @param {number} row */
function rankText(row) {
  const position = rank(row);
  if (position === undefined) return "";
  return `rank ${position} of ${counted(ranked().length, "row")} by ${chosenMetric().label}`;
}

/**
 * The link to what the configuration is beside the baseline.
 * @param {number} row
 * @param {number|null} a
 */
function compareLink(row, a) {
  if (a === null || a === row) return [];
  return [
    element("a", { href: viewAddress("compare", [a, row]) }, `Compare with A: ${experiment().brief(a)}`),
  ];
}

/**
 * The parameters, each with the baseline's value where that is another one.
 * @param {number} row
 * @param {number|null} a
 */
function parametersBeside(row, a) {
  const chosen = experiment();
  const index = chosen.configurationIndex(row);
  const isBeside = a !== null && a !== row;
  const differs = (/** @type {Parameter} */ one) =>
    isBeside && chosen.state(one, a) !== chosen.state(one, row);
  const loaded = chosen.loaded(row);
  const ofRuns = new Set(loaded?.of.runs.parameters.map((one) => one.name)); // they are listed with the runs
  const shown = chosen.parameters.filter(
    (one) => differs(one) || (one.of[index] && (one.active[index] || !ofRuns.has(one.name))),
  );
  const first = shown.filter(differs);
  const order = [...first, ...shown.filter((one) => !differs(one) && (state.equalToo || !isBeside))];
  const text = (/** @type {Parameter} */ one, /** @type {number} */ of) =>
    chosen.state(one, of) ? one.text(chosen.state(one, of)) : one.note(chosen.configurationIndex(of));
  const rows = order.map((one) =>
    element(
      "tr",
      { class: differs(one) ? "differs" : null },
      element("th", { scope: "row" }, breakable(one.name)),
      element("td", { class: "value" }, text(one, row)),
      isBeside ? element("td", { class: differs(one) ? "value" : "faint value" }, text(one, a)) : null,
    ),
  );
  const head = ["parameter", "value", ...(isBeside ? [`A: ${chosen.brief(a)}`] : [])];
  const table = element(
    "table",
    { class: "plain beside" },
    element("thead", {}, element("tr", {}, ...head.map((one) => element("th", { scope: "col" }, one)))),
    element("tbody", {}, ...rows),
  );
  const rest = shown.length - order.length;
  return element(
    "div",
    {},
    element("h3", {}, isBeside ? `Parameters: ${counted(first.length, "difference")} from A` : "Parameters"),
    savedTable("Parameters", table),
    rest ? element("p", { class: "faint" }, `${counted(rest, "parameter")} as in A`) : null,
  );
}
