// How the ticked configurations differ from A, as legm compare says it: with intervals and corrected p-values.

import { ask } from "./server.js";
import { experiment, higherBetter, metric, state } from "./state.js";
import { breakable, byId, counted, decoded, element, fill, short } from "./values.js";

const MOST_COMPARED = 12; // configurations in one question

let lastComparison = { key: "", differences: null, problem: "" };

/** Show the differences from A of B and the ticked configurations; they are asked for where they are not known. */
export function renderSignificance() {
  const section = significanceSection();
  const chosen = experiment();
  const [a] = state.pair;
  const rows = comparedRows();
  section.hidden = a === null || !metric() || !rows.length;
  if (section.hidden) return;
  const key = JSON.stringify([chosen.name, chosen.content.version, state.metric, higherBetter(), a, rows]);
  if (lastComparison.key !== key) {
    lastComparison = { key, differences: null, problem: "" };
    askForDifferences(chosen, key, a, rows);
  }
  const note = section.querySelector(".note");
  note.textContent =
    lastComparison.problem || (lastComparison.differences ? significanceNote() : "Comparing …");
  const table = section.querySelector("div.table");
  table.hidden = !lastComparison.differences;
  if (lastComparison.differences) fill(table, differenceTable(chosen, a));
}

/** B and the ticked rows that have the metric and the description of A. */
function comparedRows() {
  const [a, b] = state.pair;
  const { rows } = experiment();
  const able = (row) => row !== null && row !== a && metric()?.n[row] > 0;
  const same = (row) => rows[row].description === rows[a]?.description;
  return [...new Set([b, ...state.shown])].filter((row) => able(row) && same(row)).slice(0, MOST_COMPARED);
}

async function askForDifferences(chosen, key, a, rows) {
  try {
    const differences = await ask("/api/differences", {
      experiment: chosen.name,
      baseline: chosen.configuration(a).fingerprint,
      other: rows.map((row) => chosen.configuration(row).fingerprint),
      metric: state.metric,
      description: chosen.rows[a].description,
      higher: higherBetter() ? "1" : "0",
    });
    if (lastComparison.key === key) lastComparison.differences = differences;
  } catch (error) {
    if (lastComparison.key === key) lastComparison.problem = error.message;
  }
  if (lastComparison.key === key) renderSignificance();
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

function significanceNote() {
  const [first] = lastComparison.differences;
  const kind = first?.paired ? `runs with equal ${first.seeds.join(", ")} are paired` : "unpaired";
  const notes = [...new Set(lastComparison.differences.flatMap((one) => one.notes))];
  return [`95 % intervals; permutation tests, ${kind}; p-values corrected together (Holm)`, ...notes].join(
    "; ",
  );
}

function differenceTable(chosen, a) {
  const head = ["configuration", `${metric().label} − A`, "95 % interval", "p", "corrected p", "runs"];
  const rows = lastComparison.differences.map((one) => {
    const row = chosen.rowOf(one.fingerprint, chosen.rows[a].description);
    const [difference, lower, upper, p, adjusted] = decoded(one.numbers);
    const isSure = adjusted < 0.05;
    const verdict = isSure ? (one.better === "b" ? "better" : "worse") : "not sure";
    return element(
      "tr",
      { class: isSure ? "differs" : null },
      element("th", { scope: "row", title: chosen.label(row) }, breakable(chosen.brief(row))),
      element("td", { class: "number" }, difference > 0 ? `+${short(difference)}` : short(difference)),
      element("td", { class: "number" }, Number.isNaN(lower) ? "–" : `${short(lower)} … ${short(upper)}`),
      element("td", { class: "number" }, orDash(p)),
      element(
        "td",
        { class: "number" },
        `${orDash(adjusted)} `,
        element("span", { class: "faint" }, verdict),
      ),
      element("td", { class: "number" }, one.paired ? counted(one.pairs, "pair") : one.runs.join(" and ")),
    );
  });
  return element(
    "table",
    { class: "plain wide" },
    element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...rows),
  );
}

function orDash(value) {
  return Number.isNaN(value) ? "–" : short(value);
}
