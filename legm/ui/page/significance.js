// How the ticked configurations differ from A, as legm compare says it: with intervals and corrected p-values.

import { significanceOfRow } from "./known_differences.js";
import { shownColumns } from "./columns.js";
import { renderTable } from "./leaderboard.js";
import { liveState } from "./live_state.js";
import { selection } from "./loading.js";
import { ask } from "./server.js";
import { chosenMetric, experiment, filtered, higherBetter, metric, state } from "./state.js";
import { breakable, byId, counted, element, fill, messageOf, short } from "./values.js";

const MOST_COMPARED = 12; // configurations in the table below the difference of two,
const MOST_ROWS = 100; // and in the leaderboard

/** Show the differences from A of B and the ticked configurations; they are asked for where they are not known. */
export function renderSignificance() {
  const section = significanceSection();
  const [a, b] = state.pair;
  const rows = besideBaseline([...new Set([b, ...state.shown])]).slice(0, MOST_COMPARED);
  section.hidden = a === null || !metric() || !rows.length;
  if (section.hidden) return;
  const last = comparison("table", rows, renderSignificance);
  const note = section.querySelector(".note");
  note.textContent = last.problem || (last.differences ? significanceNote(last.differences) : "Comparing …");
  const table = section.querySelector("div.table");
  table.hidden = !last.differences || Boolean(last.problem);
  if (!table.hidden) fill(table, differenceTable(rows, last));
}

/**
 * How a row of the leaderboard differs from A; undefined while that is not known, or where it is not asked.
 * @param {number} row
 */
export function significanceOf(row) {
  const [a] = state.pair;
  if (a === null || !metric()) return undefined;
  const last = rowComparison();
  return last.byRow?.get(row);
}

/** What the leaderboard says about the differences in its rows. */
export function differenceNote() {
  if (!shownColumns().includes("difference") || state.pair[0] === null || !metric()) return "";
  const last = rowComparison();
  if (last.problem) return `differences from A: ${last.problem}`;
  if (!last.differences) return "comparing with A …";
  if (!last.differences.length) return "";
  const many = comparable(filtered()).length > MOST_ROWS ? `the best ${MOST_ROWS}` : "all";
  return `differences from A with 95 % intervals, p-values corrected together for ${many} (Holm)`;
}

function rowComparison() {
  return comparison("rows", comparable(filtered()).slice(0, MOST_ROWS), renderTable);
}

/**
 * The rows that have the description of A, without A.
 * @param {(number|null)[]} rows
 */
function besideBaseline(rows) {
  const [a] = state.pair;
  const every = experiment().rows;
  const description = a === null ? undefined : every[a]?.description;
  return rows
    .filter((row) => row !== null)
    .filter((row) => row !== a && every[row].description === description);
}

/**
 * Those of them that have the metric too.
 * @param {number[]} rows
 */
function comparable(rows) {
  const own = metric();
  return besideBaseline(rows).filter((row) => own && own.n[row] > 0);
}

/**
 * What the server says of rows compared with A; it is asked where that is not known.
 * @param {string} kind
 * @param {number[]} rows
 * @param {Render} render
 */
function comparison(kind, rows, render) {
  const chosen = experiment();
  const [a] = state.pair;
  const key = JSON.stringify([chosen.name, chosen.content.version, state.metric, higherBetter(), a, rows]);
  const known = liveState.comparisons[kind];
  if (known?.key === key) return known;
  const made = { key, differences: rows.length ? null : [], problem: "", problems: {}, byRow: new Map() };
  liveState.comparisons[kind] = made;
  if (rows.length && a !== null)
    askForDifferences(chosen, made, a, rows).then(() => {
      if (liveState.comparisons[kind] === made && experiment() === chosen) render();
    });
  return made;
}

/** @param {Experiment} chosen @param {Comparison} made @param {number} a @param {number[]} rows */
async function askForDifferences(chosen, made, a, rows) {
  try {
    const found = await ask("api/differences", {
      experiment: chosen.name,
      baseline: chosen.configuration(a).fingerprint,
      other: rows.map((row) => chosen.configuration(row).fingerprint),
      metric: state.metric,
      description: chosen.rows[a].description,
      higher: higherBetter() ? "1" : "0",
      where: selection(),
    });
    made.differences = found.differences;
    made.problems = found.problems;
    made.problem = found.problems[chosen.configuration(a).fingerprint] ?? "";
    const numbers = new Map(
      found.differences.map((/** @type {Difference} */ one) => [one.fingerprint, significanceOfRow(one)]),
    );
    for (const row of rows) made.byRow.set(row, numbers.get(chosen.configuration(row).fingerprint));
  } catch (error) {
    made.problem = messageOf(error);
  }
}

function significanceSection() {
  const known = byId("significance");
  if (known) return known;
  const made = element(
    "div",
    { id: "significance" },
    element("h3", {}, "Difference from A, with its significance"),
    element("p", { class: "faint note", "aria-live": "polite" }),
    element("div", { class: "table scroll", tabindex: 0 }),
  );
  byId("compare").append(made);
  return made;
}

/** @param {Difference[]} differences */
function significanceNote(differences) {
  const [first] = differences;
  const kind = first?.paired ? `runs with equal ${first.seeds.join(", ")} are paired` : "unpaired";
  const notes = [...new Set(differences.flatMap((one) => one.notes))];
  return [`95 % intervals; permutation tests, ${kind}; p-values corrected together (Holm)`, ...notes].join(
    "; ",
  );
}

/** @param {number[]} rows @param {Comparison} last */
function differenceTable(rows, last) {
  const chosen = experiment();
  const head = ["configuration", `${chosenMetric().label} − A`, "95 % interval", "p", "corrected p", "runs"];
  const byFingerprint = new Map(last.differences?.map((one) => [one.fingerprint, one]));
  const body = rows.map((row) => {
    const { fingerprint } = chosen.configuration(row);
    const name = element("th", { scope: "row", title: chosen.label(row) }, breakable(chosen.brief(row)));
    const one = byFingerprint.get(fingerprint);
    if (!one) {
      const why = last.problems[fingerprint] ?? "";
      return element("tr", {}, name, element("td", { colspan: head.length - 1, class: "faint" }, why));
    }
    const { difference, lower, upper, p, adjusted, verdict } = significanceOfRow(one);
    return element(
      "tr",
      { class: verdict ? "differs" : null },
      name,
      element("td", { class: "number" }, difference > 0 ? `+${short(difference)}` : short(difference)),
      element("td", { class: "number" }, Number.isNaN(lower) ? "–" : `${short(lower)} … ${short(upper)}`),
      element("td", { class: "number" }, orDash(p)),
      element(
        "td",
        { class: "number" },
        `${orDash(adjusted)} `,
        element("span", { class: "faint" }, verdict ?? "not sure"),
      ),
      element("td", { class: "number" }, one.paired ? counted(one.pairs, "pair") : one.runs.join(" and ")),
    );
  });
  return element(
    "table",
    { class: "plain wide" },
    element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...body),
  );
}

/** @param {number} value */
function orDash(value) {
  return Number.isNaN(value) ? "–" : short(value);
}
