// An expanded row of the leaderboard: all parameters of a configuration, and its runs.

import { viewAddress } from "./address.js";
import { shownColumns } from "./columns.js";
import { mark, STATUSES } from "./controls.js";
import { savedTable } from "./downloads.js";
import { experiment, state } from "./state.js";
import { counted, duration, element, moment, short } from "./values.js";

const MOST_RUNS = 200; // listed in an expanded row

/** @param {number} row */
export function detail(row) {
  const loaded = experiment().loaded(row);
  return element(
    "div",
    { class: "detail-parts" },
    parametersOf(row),
    loaded ? runsTable(loaded.of, loaded.row) : element("p", { class: "faint" }, "Loading the runs …"),
  );
}

/**
 * All parameters except those of single runs, which are listed with the runs.
 * @param {number} row
 */
function parametersOf(row) {
  const index = experiment().configurationIndex(row);
  const loaded = experiment().loaded(row);
  const ofRuns = new Set(loaded?.of.runs.parameters.map((one) => one.name));
  const items = experiment()
    .parameters.filter((one) => one.of[index] && !(ofRuns.has(one.name) && !one.active[index]))
    .map((one) => {
      const inactive = !one.active[index];
      return element(
        "div",
        { class: inactive ? "faint" : null },
        element("dt", {}, one.name),
        element("dd", {}, one.text(one.of[index]), inactive ? " (inactive)" : ""),
      );
    });
  const { fingerprint } = experiment().configuration(row);
  return element(
    "div",
    {},
    element("h3", {}, "Parameters"),
    element("dl", { class: "values" }, ...items),
    element("p", { class: "faint fingerprint" }, fingerprint),
    element(
      "p",
      {},
      element("a", { href: viewAddress("configuration", [row]) }, "Page of this configuration"),
    ),
  );
}

/** @param {Experiment} from @param {number} row */
export function runsTable(from, row) {
  const { runs } = from;
  const of = from.runsOf(row);
  const keys = [
    state.metric,
    ...shownColumns()
      .filter((id) => id.startsWith("m:"))
      .map((id) => id.slice(2)),
  ].filter((key) => runs.values.has(key));
  const parameters = runs.parameters.filter((one) => of.some((run) => one.of[run]));
  const several = runs.ways.filter(Boolean).length > 1;
  const isMarked = of.some((run) => runs.tags[run] || runs.notes[run]);
  const head = [
    "run",
    ...parameters.map((one) => one.name),
    "best step",
    ...(several ? ["chosen"] : []),
    ...keys.map((key) => experiment().byKey.get(key)?.label ?? key),
    ...(isMarked ? ["tags and note"] : []),
    "began",
    "took",
  ];
  const body = of
    .slice(0, MOST_RUNS)
    .map((run) =>
      element(
        "tr",
        {},
        element("td", {}, statusText(runs, run, from.configuration(row).fingerprint)),
        ...parameters.map((one) =>
          element("td", { class: "number" }, one.of[run] ? one.text(one.of[run]) : "–"),
        ),
        element("td", { class: "number" }, short(runs.best_step[run]).replace("NaN", "–")),
        ...(several ? [element("td", {}, runs.ways[runs.way[run]])] : []),
        ...keys.map((key) => element("td", { class: "number" }, valueText(runs.values.get(key)?.get(run)))),
        ...(isMarked
          ? [element("td", {}, [runs.tags[run], runs.notes[run]].filter(Boolean).join(": "))]
          : []),
        element("td", {}, moment(runs.started[run])),
        element("td", { class: "number" }, duration(runs.ended[run] - runs.started[run])),
      ),
    );
  const table = element(
    "table",
    { class: "plain" },
    element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...body),
  );
  const exact = () => exactRuns(from, of, parameters, keys);
  const rest = of.length - body.length;
  return element(
    "div",
    { class: "runs-part" },
    element("h3", {}, counted(of.length, "run")),
    of.length ? savedTable("Runs", table, exact) : element("p", { class: "faint" }, "No run yet."),
    rest > 0 ? element("p", { class: "faint" }, `and ${counted(rest, "run")} more`) : null,
    indexedNote(from),
  );
}

/**
 * All of the runs with exact numbers.
 * @param {Experiment} from
 * @param {number[]} of
 * @param {Parameter[]} parameters
 * @param {(string | null)[]} keys
 * @returns {Table}
 */
function exactRuns({ runs }, of, parameters, keys) {
  const statuses = Object.keys(STATUSES);
  const time = (/** @type {number} */ seconds) =>
    Number.isFinite(seconds) ? new Date(seconds * 1000).toISOString() : "";
  return {
    headers: [
      "run",
      "status",
      ...parameters.map((one) => one.name),
      "best_step",
      "chosen",
      ...keys.map(String),
      "tags",
      "note",
      "started",
      "ended",
    ],
    rows: of.map((run) => [
      runs.ids[run],
      statuses[runs.status[run]],
      ...parameters.map((one) => (one.of[run] ? one.text(one.of[run]) : "")),
      Number.isNaN(runs.best_step[run]) ? "" : runs.best_step[run],
      runs.ways[runs.way[run]],
      ...keys.map((key) => runs.values.get(key)?.get(run) ?? ""),
      runs.tags[run] ?? "",
      runs.notes[run] ?? "",
      time(runs.started[run]),
      time(runs.ended[run]),
    ]),
  };
}

/** @param {number | undefined} value */
function valueText(value) {
  return value === undefined ? "–" : short(value);
}

/** @param {RunColumns} runs @param {number} run @param {string} fingerprint */
function statusText(runs, run, fingerprint) {
  const status = Object.keys(STATUSES)[runs.status[run]];
  const inside = [mark(status), status];
  const address = state.report.runAddress?.(fingerprint, runs.ids[run]);
  return element(
    "span",
    { class: `status ${status}`, title: runs.ids[run] },
    ...(address ? [element("a", { href: address }, ...inside)] : inside),
  );
}

/** @param {Experiment} from */
function indexedNote(from) {
  const indexed = Object.entries(from.content.indexed);
  if (!indexed.length) return null;
  const names = indexed.map(([key, most]) => `${key} (${most})`).join(", ");
  return element(
    "p",
    { class: "faint" },
    `Metrics with a value for each example are not shown here: ${names}.`,
  );
}
