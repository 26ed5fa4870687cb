// The address, which keeps the user's choices, so that they can be sent to others and survive a reload.

import { themeAtFirst } from "./theme.js";
import { begin, chooseBest, defaultCurves, experiment, MOST_CURVES, MOST_SMOOTHING, state } from "./state.js";

/** The views of an experiment; they show parts of the same page. */
export const EXPERIMENT_VIEWS = ["board", "compare", "configuration"];

const NO_RELATION = JSON.stringify(state.relation);

/** Keep the choices in the address, except where the user has gone on to another one meanwhile. */
export function writeAddress() {
  if (!EXPERIMENT_VIEWS.includes(document.body.dataset.view ?? "board")) return; // it has an address of its own
  const isShown = location.hash === state.address;
  state.address = `#${currentAddress()}`;
  if (state.view === "board")
    state.lastBoard = { experiment: experiment()?.name ?? "", address: state.address };
  if (!isShown) return;
  try {
    history.replaceState(null, "", state.address);
    state.address = location.hash; // as the browser writes it
  } catch {
    // The URL cannot be changed everywhere; the page works without it.
  }
}

/** Take the choices from the address that the browser shows. */
export function openAddress() {
  state.address = location.hash;
  readAddress();
}

/** The address of the experiment's leaderboard as it was left, or as it is at first. */
export function boardAddress() {
  const { lastBoard } = state;
  return lastBoard && lastBoard.experiment === experiment().name ? lastBoard.address : viewAddress("board");
}

/**
 * The address of another view of the experiment, in which the metric and what is selected stay.
 * @param {string} view
 * @param {number[]} rows
 */
export function viewAddress(view, rows = []) {
  const address = new URLSearchParams(currentAddress());
  const kept = ["experiment", "where", "metric", "higher", "description", "theme"];
  for (const name of [...address.keys()]) if (!kept.includes(name)) address.delete(name);
  if (view !== "board") {
    address.set("view", view);
    address.set("shown", JSON.stringify(rows.map((row) => experiment().id(row))));
  }
  if (state.paired) address.set("pair", JSON.stringify(state.pair.map(idOrNull)));
  return `#${address}`;
}

/** @param {number | null} row */
function idOrNull(row) {
  return row === null ? null : experiment().id(row);
}

function currentAddress() {
  const chosen = experiment();
  const address = new URLSearchParams();
  const put = (
    /** @type {string} */ name,
    /** @type {any} */ value,
    /** @type {any} */ usual = undefined,
  ) => {
    if (value !== usual) address.set(name, value);
  };
  if (chosen) {
    put("view", state.view, "board");
    put("experiment", chosen.name, state.report.isLive ? undefined : state.experiments[0].name);
    put("where", state.report.where, undefined);
    put("metric", state.metric, chosen.content.metric);
    put("higher", JSON.stringify(state.higher), "{}");
    put("description", state.description, null);
    put("filters", JSON.stringify(filtersAsText()), "{}");
    put("group", JSON.stringify(state.groupBy), JSON.stringify(chosen.initialGroups));
    put("sort", `${state.sort.reversed ? "-" : ""}${state.sort.column}`, "metric");
    if (state.columns) put("columns", JSON.stringify(state.columns));
    if (state.picked) put("shown", JSON.stringify(state.shown.map((row) => chosen.id(row))));
    if (state.paired) put("pair", JSON.stringify(state.pair.map(idOrNull)));
    put("curves", JSON.stringify(state.curves), JSON.stringify(defaultCurves()));
    put("spread", state.spread, true);
    put("log", state.logarithmic, false);
    put("logx", state.logarithmicSteps, false);
    put("x", state.x, "step");
    put("each", state.each, false);
    put("columns-of-curves", state.gridColumns, null);
    put("smoothing", state.smoothing, 0);
    put("zoom", JSON.stringify(state.zoom), "null");
    if (state.axes) put("axes", JSON.stringify(state.axes));
    put("reversed", JSON.stringify(state.reversed), "[]");
    put("brushes", JSON.stringify(state.brushes), "{}");
    put("relation", JSON.stringify(state.relation), NO_RELATION);
    put("medium", state.medium, null);
    put("step", state.step, null);
  }
  put("search", state.search, "");
  put("theme", state.theme, "auto");
  return address;
}

/** Filters with the value as text, which stays the same when the report is built again. */
function filtersAsText() {
  return Object.fromEntries(
    Object.entries(state.filters).map(([name, filter]) => {
      const parameter = experiment().parameter(name);
      return [name, filter.state ? { value: parameter?.text(filter.state) } : filter];
    }),
  );
}

/** Restore the choices in the address that was shown last which exist in this report; others are ignored. */
export function readAddress() {
  const address = new URLSearchParams(state.address.slice(1));
  const structured = (/** @type {string} */ name) => {
    try {
      return JSON.parse(address.get(name) ?? "null");
    } catch {
      return null;
    }
  };
  if (!state.isThemeChosen) state.theme = themeAtFirst(address.get("theme"));
  state.search = "";
  if (!state.experiments.length) return;
  const index = state.experiments.findIndex((one) => one.name === address.get("experiment"));
  begin(Math.max(index, 0));
  const chosen = experiment();
  state.view = known(address.get("view"), EXPERIMENT_VIEWS, "board");
  state.search = address.get("search") ?? "";
  state.metric = known(address.get("metric"), [...chosen.byKey.keys()], state.metric);
  for (const [key, value] of Object.entries(structured("higher") ?? {})) {
    if (chosen.byKey.has(key)) state.higher[key] = value === true;
  }
  state.description = known(address.get("description"), chosen.descriptions, null);
  state.filters = filtersFromText(structured("filters") ?? {});
  const sort = address.get("sort") ?? "metric";
  state.sort = { column: sort.replace(/^-/, ""), reversed: sort.startsWith("-") };
  state.columns = listOf(structured("columns"))?.filter((one) => typeof one === "string") ?? null;
  const groupBy = listOf(structured("group")) ?? chosen.initialGroups;
  state.groupBy = groupBy.filter((name) => chosen.parameter(name));
  state.curves =
    listOf(structured("curves"))?.filter((one) => chosen.curveMetrics.includes(one)) ?? defaultCurves();
  state.spread = address.get("spread") !== "false";
  state.logarithmic = address.get("log") === "true";
  state.logarithmicSteps = address.get("logx") === "true";
  state.x = axisOf(address.get("x"), chosen.curveMetrics);
  state.each = address.get("each") === "true";
  state.gridColumns = [1, 2, 3].find((one) => String(one) === address.get("columns-of-curves")) ?? null;
  state.smoothing = Math.min(Math.max(finite(Number(address.get("smoothing"))) ?? 0, 0), MOST_SMOOTHING);
  state.zoom = rangeOf(structured("zoom"));
  state.axes =
    listOf(structured("axes"))?.filter((name) => chosen.varying.some((one) => one.name === name)) ?? null;
  state.reversed = (listOf(structured("reversed")) ?? []).filter((one) => typeof one === "string");
  for (const [name, range] of Object.entries(structured("brushes") ?? {}))
    if (isBrush(range)) state.brushes[name] = range;
  for (const [name, value] of Object.entries(structured("relation") ?? {}))
    if (name in state.relation && typeof value === "string")
      state.relation[/** @type {keyof import("./state.js").State["relation"]} */ (name)] = value;
  if (!["scatter", "importance", "bars"].includes(state.relation.kind)) state.relation.kind = "scatter";
  state.medium = known(address.get("medium"), chosen.mediaNames, null);
  state.step = address.has("step") ? (finite(Number(address.get("step"))) ?? null) : null;
  const rows = new Map(chosen.rows.map((_, row) => [chosen.id(row), row]));
  const shown = listOf(structured("shown"))
    ?.map((id) => rows.get(id))
    .filter((row) => row !== undefined);
  if (shown) Object.assign(state, { shown: [...new Set(shown)].slice(0, MOST_CURVES), picked: true });
  const pair = listOf(structured("pair"))?.map((id) => rows.get(id) ?? null);
  if (pair?.length === 2 && pair.every((row) => row !== null)) Object.assign(state, { pair, paired: true });
  chooseBest();
}

/** @param {string|null} text @param {string[]} metrics */
function axisOf(text, metrics) {
  return known(text, ["step", "since", "time", ...metrics.map((one) => `metric:${one}`)], "step");
}

/** @template T @param {any} value @param {any[]} values @param {any} otherwise */
function known(value, values, otherwise) {
  return values.includes(value) ? value : otherwise;
}

/** @param {any} value */
function isBrush(value) {
  if (listOf(value?.texts))
    return value.texts.every((/** @type {any} */ one) => one === null || typeof one === "string");
  return Number.isFinite(value?.least) && Number.isFinite(value?.most);
}

/**
 * A range of two increasing numbers; null for anything else.
 * @param {any} value
 */
function rangeOf(value) {
  return listOf(value)?.length === 2 && value.every(Number.isFinite) && value[0] < value[1] ? value : null;
}

/** @param {any} value */
function listOf(value) {
  return Array.isArray(value) ? value : null;
}

/** @param {Record<string, any>} stored */
function filtersFromText(stored) {
  /** @type {Record<string, any>} */
  const filters = {};
  for (const [name, filter] of Object.entries(stored)) {
    const parameter = experiment().varying.find((one) => one.name === name);
    if (!parameter || typeof filter !== "object" || filter === null) continue;
    if (filter.value !== undefined) {
      const value = parameter.texts.indexOf(filter.value) + 1;
      if (value) filters[name] = { state: value };
    } else if (filter.state === 0) filters[name] = { state: 0 };
    else filters[name] = { least: finite(filter.least), most: finite(filter.most) };
  }
  return filters;
}

/** @param {any} value */
function finite(value) {
  return Number.isFinite(value) ? value : undefined;
}
