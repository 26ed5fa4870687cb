// The differences between two configurations, and their metrics side by side.

import { meanCell, signedText } from "./columns.js";
import { exactMetrics } from "./compared.js";
import { fillSelect } from "./controls.js";
import { savedTable } from "./downloads.js";
import { experiment, higherBetter, metric, rank, ranked, state } from "./state.js";
import { breakable, byId, decimalsOf, element, fill } from "./values.js";

const MOST_CHOICES = 500; // configurations in a list

export function renderCompare() {
  const order = ranked();
  const few = order.length < 2;
  byId("compare-empty").hidden = !few;
  byId("compare-empty").textContent = few ? "Two configurations are needed." : "";
  byId("compare-choices").hidden = few;
  byId("equal-too").checked = state.equalToo;
  renderPairChoice(order);
  const [a, b] = state.pair;
  if (few || a === null || b === null) fill(byId("compare-tables"));
  else fill(byId("compare-tables"), parametersTable(a, b), metricsTable(a, b));
}

/** @param {number[]} order */
function renderPairChoice(order) {
  ["compare-a", "compare-b"].forEach((id, side) => {
    const own = state.pair[side];
    const first = order.slice(0, MOST_CHOICES); // the table's buttons choose any other one
    const rows = own === null || first.includes(own) ? first : [own, ...first];
    fillSelect(
      byId(id),
      rows.map((row) => [row, `${rank(row) ?? "–"}. ${experiment().brief(row)}`]),
      own,
    );
  });
}

/** @param {number} a @param {number} b */
function parametersTable(a, b) {
  const differing = differences(a, b);
  const same = state.equalToo
    ? experiment().parameters.filter((one) => {
        const own = experiment().state(one, a);
        return own && own === experiment().state(one, b);
      })
    : [];
  const rows = [...differing, ...same].map((one) =>
    element(
      "tr",
      { class: differing.includes(one) ? "differs" : "faint" },
      element("th", { scope: "row" }, breakable(one.name)),
      valueCell(one, a),
      valueCell(one, b),
    ),
  );
  const none = element(
    "tr",
    {},
    element(
      "td",
      { colspan: 3, class: "faint" },
      a === b ? "This is one and the same row." : "The same configuration: only the descriptions differ.",
    ),
  );
  return pairTable("parameter", a, b, rows.length ? rows : [none]);
}

/**
 * The parameters in which two configurations differ, as in legm diff.
 * @param {number} a
 * @param {number} b
 */
function differences(a, b) {
  return experiment().parameters.filter((one) => experiment().state(one, a) !== experiment().state(one, b));
}

/** @param {Parameter} parameter @param {number} row */
function valueCell(parameter, row) {
  const own = experiment().state(parameter, row);
  if (own) return element("td", { class: "value" }, parameter.text(own));
  return element("td", { class: "faint note" }, parameter.note(experiment().configurationIndex(row)));
}

/**
 * A table with a column for each of the two.
 * @param {string} first
 * @param {number} a
 * @param {number} b
 * @param {Child[]} rows
 * @param {{more?: string[], exact?: () => Table}} options the titles of further columns, and exact numbers
 */
function pairTable(first, a, b, rows, { more = [], exact } = {}) {
  const names = [a, b].map((row, side) =>
    element(
      "th",
      { scope: "col", title: experiment().label(row) },
      element("span", { class: "letter" }, "AB"[side]),
      element("span", { class: "of" }, " ", breakable(experiment().brief(row))),
    ),
  );
  const head = element(
    "tr",
    {},
    element("th", { scope: "col" }, first),
    ...names,
    ...more.map((text) => element("th", { scope: "col", class: "number" }, text)),
  );
  const table = element(
    "table",
    { class: "plain wide" },
    element("thead", {}, head),
    element("tbody", {}, ...rows),
  );
  return savedTable(`A and B by ${first}`, table, exact);
}

/** @param {number} a @param {number} b */
function metricsTable(a, b) {
  const { metrics } = experiment();
  const rows = metrics
    .filter((one) => one.has(a) || one.has(b))
    .map((one) => {
      const decimals = decimalsOf([one.mean[a], one.mean[b]], [one.std[a], one.std[b]]);
      const difference = one.mean[b] - one.mean[a];
      return element(
        "tr",
        { class: one === metric() ? "chosen" : null },
        element("th", { scope: "row" }, breakable(one.label)),
        element("td", { class: betterSide(one, a, b) }, meanCell(one, a, decimals), runCount(one, a)),
        element("td", { class: betterSide(one, b, a) }, meanCell(one, b, decimals), runCount(one, b)),
        element("td", { class: "number" }, one.has(a) && one.has(b) ? signedText(difference, decimals) : "–"),
      );
    });
  const none = element(
    "tr",
    {},
    element("td", { colspan: 4, class: "faint" }, "Neither has a completed run."),
  );
  return pairTable("metric", a, b, rows.length ? rows : [none], {
    more: ["B − A"],
    exact: () => exactMetrics([a, b]),
  });
}

/**
 * Only the selected metric is marked as better or worse: only its direction is visible.
 * @param {Metric} one
 * @param {number} own
 * @param {number} other
 */
function betterSide(one, own, other) {
  if (one !== metric() || !one.has(own) || !one.has(other)) return null;
  return (higherBetter() ? one.mean[own] > one.mean[other] : one.mean[own] < one.mean[other])
    ? "better"
    : null;
}

/** @param {Metric} one @param {number} row */
function runCount(one, row) {
  return one.has(row) ? element("span", { class: "faint count" }, ` n = ${one.n[row]}`) : null;
}
