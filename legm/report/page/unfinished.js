// Runs that failed, were interrupted or pruned, or are still running, with time and reason.

import { mark, renderFilters, STATUSES } from "./controls.js";
import { leaderboardRows } from "./leaderboard.js";
import { changed } from "./redraw.js";
import { experiment, isDescribed, PAGE, state } from "./state.js";
import { byId, counted, cut, duration, element, fill, moment } from "./values.js";

export function renderUnfinished() {
  const list = unfinishedRuns();
  const completed = experiment().rows.some((_, row) => experiment().counts.completed[row]);
  byId("unfinished-empty").hidden = list.length > 0;
  byId("unfinished-empty").textContent = !experiment().content.runs
    ? "Loading …"
    : completed
      ? "Every run has completed."
      : "There are no runs yet.";
  byId("unfinished-note").textContent = list.length
    ? `${counted(list.length, "run")}, never part of an average`
    : "";
  const visible = list.slice(0, state.unfinishedLimit);
  fill(byId("unfinished-list"), ...visible.map(unfinishedItem));
  const rest = list.length - visible.length;
  byId("unfinished-more").hidden = rest <= 0;
  byId("unfinished-more").textContent = `Show ${Math.min(rest, PAGE)} more of ${rest}`;
}

/** Failed runs first, then interrupted, then pruned, then running ones; the newest first. */
function unfinishedRuns() {
  const { runs } = experiment();
  /** @type {number[]} */
  const list = [];
  runs.status.forEach((status, run) => {
    if (status && isDescribed(runs.row[run])) list.push(run);
  });
  return list.sort((a, b) => runs.status[a] - runs.status[b] || runs.started[b] - runs.started[a]);
}

/** @param {number} run */
function unfinishedItem(run) {
  const { runs } = experiment();
  const row = runs.row[run];
  const status = Object.keys(STATUSES)[runs.status[run]];
  const facts = [`began ${moment(runs.started[run])}`];
  if (Number.isFinite(runs.ended[run]))
    facts.push(`ended after ${duration(runs.ended[run] - runs.started[run])}`);
  facts.push(
    Number.isFinite(runs.last_step[run])
      ? `last step ${runs.last_step[run].toLocaleString("en")}`
      : "no step",
  );
  facts.push(
    ...runs.parameters.filter((one) => one.of[run]).map((one) => `${one.name} ${one.text(one.of[run])}`),
  );
  const error = runs.errors[run];
  return element(
    "li",
    { class: `item ${status}`, "data-run": runs.ids[run] },
    element("span", { class: `status ${status}` }, mark(status), runLink(row, run, status)),
    element(
      "div",
      { class: "what" },
      element(
        "button",
        { type: "button", class: "link", click: () => openInTable(row) },
        experiment().label(row),
      ),
      element("div", { class: "faint" }, facts.join(" · ")),
      error ? errorText(error) : null,
    ),
  );
}

/**
 * The status of a run, which leads to the run's own view where there is one.
 * @param {number} row
 * @param {number} run
 * @param {string} status
 */
function runLink(row, run, status) {
  const { fingerprint } = experiment().configuration(row);
  const address = state.report.runAddress?.(fingerprint, experiment().runs.ids[run]);
  return address ? element("a", { href: address }, status) : status;
}

const LONG = 240;

/** @param {string} error */
function errorText(error) {
  if (error.length <= LONG && error.split("\n").length <= 4) return element("pre", {}, error);
  const last = error.trim().split("\n").pop() ?? "";
  return element(
    "details",
    { class: "error" },
    element("summary", {}, element("code", {}, cut(last, 160))),
    element("pre", {}, error),
  );
}

/**
 * Show a configuration in the leaderboard, expanded.
 * @param {number} row
 */
function openInTable(row) {
  state.open.add(row);
  state.search = "";
  state.filters = {};
  byId("search").value = "";
  renderFilters();
  changed("rows");
  byId("leaderboard").scrollIntoView({ block: "start" });
  leaderboardRows().scrollTo(row);
}
