// The runs that are running in the shown experiment: how far each is, and its last values.

import { runAddress } from "./addresses.js";
import { liveState } from "./live_state.js";
import { rowOfRun } from "./loading.js";
import { experiment } from "./state.js";
import { byFact, byId, byText, counted, decoded, duration, element, short } from "./values.js";

const MOST_VALUES = 6; // metrics of a run that are shown

/** Show the runs that are running; called for each event, so what is there is changed in place. */
export function renderRunning() {
  const section = runningSection();
  const runs = [...liveState.runs.values()]
    .filter((run) => run.status === "running" && run.experiment === experiment()?.name)
    .sort((a, b) => a.started - b.started || byText(a.id, b.id));
  section.hidden = !runs.length;
  section.querySelector(".note").textContent = runs.length ? counted(runs.length, "run") : "";
  const list = section.querySelector("ul");
  const items = new Map([...list.children].map((item) => [item.dataset.run, item]));
  for (const [id, item] of items) if (!runs.some((run) => run.id === id)) item.remove();
  runs.forEach((run, i) => {
    const item = items.get(run.id) ?? runningItem(run);
    if (list.children[i] !== item) list.insertBefore(item, list.children[i] ?? null);
    updateItem(item, run);
  });
}

/** The section, made when it is first needed. */
function runningSection() {
  const known = byId("running");
  if (known) return known;
  const section = element(
    "section",
    { id: "running", "aria-labelledby": "running-title" },
    element(
      "div",
      { class: "head" },
      element("h2", { id: "running-title" }, "Running now"),
      element("span", { class: "faint note" }),
    ),
    element("ul", {}),
  );
  byId("leaderboard").before(section);
  return section;
}

/** @param {RunningRun} run */
function runningItem(run) {
  return element(
    "li",
    { "data-run": run.id },
    element("a", { class: "what", href: runAddress(run) }),
    element("progress", { max: 1, "aria-label": "How far the run is" }),
    element("span", { class: "done" }),
    element("span", { class: "values" }),
    element("span", { class: "faint left" }),
  );
}

/** @param {Element} item @param {RunningRun} run */
function updateItem(item, run) {
  const row = rowOfRun(experiment(), run);
  const name = row === undefined ? `run ${run.id.slice(-6)}` : experiment().brief(row);
  const put = (/** @type {string} */ selector, /** @type {string} */ text) => {
    const part = /** @type {Element} */ (item.querySelector(selector));
    if (part.textContent !== text) part.textContent = text;
  };
  put(".what", `${name} · ${run.id.slice(-6)}`);
  const bar = /** @type {HTMLProgressElement} */ (item.querySelector("progress"));
  const { done, total } = run;
  bar.hidden = total === null || done === null;
  if (total !== null && done !== null) bar.value = Math.min(done / total, 1);
  put(
    ".done",
    total === null || done === null ? doneText(run) : `${doneText(run)} of ${total.toLocaleString("en")}`,
  );
  put(
    ".values",
    lastValues(run)
      .map(([metric, value]) => `${metric} ${short(value)}`)
      .join("  "),
  );
  const left = run.seconds_left === null ? "" : `${duration(run.seconds_left)} left`;
  put(".left", run.silent > 60 ? `nothing since ${duration(run.silent)}` : left);
}

/**
 * How far a run is.
 * @param {RunningRun} run
 */
export function doneText(run) {
  return run.done === null ? "no value yet" : `${run.unit} ${run.done.toLocaleString("en")}`;
}

/**
 * The last values of a run's metrics, the main one first.
 * @param {RunningRun} run
 */
export function lastValues(run) {
  const values = decoded(run.last);
  /** @type {[string, number][]} */
  const found = run.metrics.map((metric, i) => [metric, values[i]]);
  return found.sort(([a], [b]) => byFact(b === run.metric, a === run.metric)).slice(0, MOST_VALUES);
}
