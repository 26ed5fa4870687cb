// The user's choices, which the URL keeps so that they can be shared, and what follows from them.

import { Experiment } from "./content.js";
import { byFact, byText } from "./values.js";

export const MOST_CURVES = 40;
const MOST_SMOOTHING = 0.99;
const BEST = 5;
export const PAGE = 50;
const FIRST_UNFINISHED = 20;

export let report = { title: "", experiments: [], media: {} };
export let experiments = [];

/** Show the content of a report. */
export function installReport(content) {
  report = content;
  experiments = content.experiments.map((one) => new Experiment(one));
  ranks = { of: null, order: [], positions: new Map() };
}

export const state = {
  experiment: 0,
  metric: null, // a summary key
  higher: {}, // by key, if the user changed the direction
  description: null, // null for all
  search: "",
  filters: {}, // by parameter: {state} or {least, most}
  sort: { column: "metric", reversed: false },
  columns: null, // null for the default ones
  shown: [], // rows with curves, in the order of their colours
  pair: [null, null],
  picked: false, // whether the user chose the rows with curves,
  paired: false, // and the rows that are compared
  curves: null, // metrics
  spread: true,
  logarithmic: false,
  logarithmicSteps: false,
  smoothing: 0, // the weight of the average over the curves,
  zoom: null, // and the steps that are in view, both where the server can be asked
  axes: null, // parameters
  medium: null, // the name of the media that are shown; null for the first one,
  step: null, // and at which step; null for the last one
  limit: PAGE,
  groupLimit: PAGE,
  open: new Set(),
  equalToo: false,
  theme: "auto",
  unfinishedLimit: FIRST_UNFINISHED,
};

export function experiment() {
  return experiments[state.experiment];
}

export function metric() {
  return experiment().byKey.get(state.metric);
}

export function higherBetter(one = metric()) {
  return one ? (state.higher[one.key] ?? one.higher_better) : true;
}

/** Switch to an experiment, with the default choices. */
export function begin(index) {
  state.experiment = index;
  const chosen = experiment();
  Object.assign(state, {
    metric: chosen.content.metric,
    higher: {},
    description: null,
    search: "",
    filters: {},
    sort: { column: "metric", reversed: false },
    columns: null,
    axes: null,
    medium: null,
    step: null,
    limit: PAGE,
    groupLimit: PAGE,
    unfinishedLimit: FIRST_UNFINISHED,
    open: new Set(),
    picked: false,
    paired: false,
  });
  state.curves = defaultCurves();
  chooseBest();
}

export function defaultCurves() {
  const { curveMetrics } = experiment();
  const name = metric()?.name;
  return [curveMetrics.includes(name) ? name : curveMetrics[0]].filter((one) => one !== undefined);
}

/** By default the best rows have their curves drawn, and the first two are compared. */
export function chooseBest() {
  const order = ranked();
  state.shown = state.picked ? state.shown.filter(isDescribed) : order.filter(hasCurves).slice(0, BEST);
  if (!state.paired || !state.pair.every(isDescribed)) state.pair = [order[0] ?? null, order[1] ?? null];
}

export function hasCurves(row) {
  return experiment().mayHaveCurves(row);
}

// -- which rows, in which order

let ranks = { of: null, order: [], positions: new Map() };

/** The rows of the chosen description, best first; those without a value come last. */
export function ranked() {
  const of = `${state.experiment} ${state.metric} ${higherBetter()} ${JSON.stringify(state.description)}`;
  if (ranks.of !== of) {
    const rows = experiment()
      .rows.map((_, row) => row)
      .filter(isDescribed);
    const order = sortedBy(rows, metricValue, higherBetter());
    ranks = { of, order, positions: new Map(order.filter(isPlaced).map((row, i) => [row, i + 1])) };
  }
  return ranks.order;
}

/** A row's rank; undefined without a value. */
export function rank(row) {
  ranked();
  return ranks.positions.get(row);
}

export function isDescribed(row) {
  return state.description === null || experiment().rows[row].description === state.description;
}

function isPlaced(row) {
  return !Number.isNaN(metricValue(row));
}

export function metricValue(row) {
  return metric()?.has(row) ? metric().mean[row] : NaN;
}

/** Rows sorted by a number or text, ties by name; missing values last in either direction. */
export function sortedBy(rows, value, descending) {
  const values = new Map(rows.map((row) => [row, value(row)]));
  const missing = (one) => one === undefined || one === null || Number.isNaN(one);
  const sign = descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [x, y] = [values.get(a), values.get(b)];
    if (missing(x) || missing(y)) return byFact(missing(x), missing(y)) || byName(a, b);
    const order =
      typeof x === "string" || typeof y === "string"
        ? byText(String(x), String(y))
        : x < y
          ? -1
          : x > y
            ? 1
            : 0;
    return sign * order || byName(a, b);
  });
}

function byName(a, b) {
  return byText(experiment().label(a), experiment().label(b)) || a - b;
}

/** The rows that match the search and the filters, best first. */
export function filtered() {
  const filters = Object.entries(state.filters).map(([name, filter]) => [
    experiment().parameter(name),
    filter,
  ]);
  const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
  return ranked().filter(
    (row) => filters.every(([one, filter]) => passes(one, filter, row)) && hasWords(row, words),
  );
}

function passes(parameter, filter, row) {
  const own = experiment().state(parameter, row);
  if (filter.state !== undefined) return own === filter.state;
  const number = own ? parameter.number(own) : null;
  if (number === null) return false;
  return number >= (filter.least ?? -Infinity) && number <= (filter.most ?? Infinity);
}

function hasWords(row, words) {
  if (!words.length) return true;
  const values = experiment().varying.map(
    (one) => `${one.name}=${one.text(experiment().state(one, row)) ?? ""}`,
  );
  const text = [experiment().label(row), ...values].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

// -- colours

const COLOURS = {
  light: ["#0072b2", "#d55e00", "#009e73", "#b5508f", "#a87900", "#2a93c9", "#6a4fb8", "#4d4d4d"],
  dark: ["#4ea8de", "#ff8a3d", "#2fc99a", "#e48cc0", "#e8b93c", "#8fd0f5", "#a993f0", "#c9c9c9"],
};
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash"];

export function isDark() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  return state.theme === "auto" ? dark : state.theme === "dark";
}

export function look(row) {
  const slot = slots.get(row) ?? 0;
  const colours = COLOURS[isDark() ? "dark" : "light"];
  return {
    color: colours[slot % colours.length],
    dash: DASHES[Math.floor(slot / colours.length) % DASHES.length],
  };
}

const slots = new Map();

/** Let rows that have other numbers now keep their colours. */
export function renumberColours(newRow) {
  const before = [...slots];
  slots.clear();
  for (const [row, slot] of before) if (newRow(row) !== undefined) slots.set(newRow(row), slot);
}

/** Each row keeps its colour as long as its curve is shown. */
export function giveColours() {
  for (const row of [...slots.keys()]) if (!state.shown.includes(row)) slots.delete(row);
  for (const row of state.shown) {
    if (slots.has(row)) continue;
    const taken = new Set(slots.values());
    let free = 0;
    while (taken.has(free)) free += 1;
    slots.set(row, free);
  }
}

// -- the URL

const PLAIN = ["search", "theme"];

export function writeAddress() {
  if ((document.body.dataset.view ?? "board") !== "board") return; // another view has an address of its own
  const chosen = experiment();
  const address = new URLSearchParams();
  const put = (name, value, usual) => {
    if (value !== usual) address.set(name, value);
  };
  if (chosen) {
    put("experiment", chosen.name, report.isLive ? undefined : experiments[0].name);
    put("where", report.where, undefined);
    put("metric", state.metric, chosen.content.metric);
    put("higher", JSON.stringify(state.higher), "{}");
    put("description", state.description, null);
    put("filters", JSON.stringify(filtersAsText()), "{}");
    put("sort", `${state.sort.reversed ? "-" : ""}${state.sort.column}`, "metric");
    if (state.columns) put("columns", JSON.stringify(state.columns));
    if (state.picked) put("shown", JSON.stringify(state.shown.map((row) => chosen.id(row))));
    if (state.paired) put("pair", JSON.stringify(state.pair.map((row) => chosen.id(row))));
    put("curves", JSON.stringify(state.curves), JSON.stringify(defaultCurves()));
    put("spread", state.spread, true);
    put("log", state.logarithmic, false);
    put("logx", state.logarithmicSteps, false);
    put("smoothing", state.smoothing, 0);
    put("zoom", JSON.stringify(state.zoom), "null");
    if (state.axes) put("axes", JSON.stringify(state.axes));
    put("medium", state.medium, null);
    put("step", state.step, null);
  }
  for (const name of PLAIN) put(name, state[name], name === "theme" ? "auto" : "");
  try {
    history.replaceState(null, "", `#${address}`);
  } catch {
    // The URL cannot be changed everywhere; the page works without it.
  }
}

/** Filters with the value as text, which stays the same when the report is built again. */
function filtersAsText() {
  return Object.fromEntries(
    Object.entries(state.filters).map(([name, filter]) => {
      const parameter = experiment().parameter(name);
      return [name, filter.state ? { value: parameter.text(filter.state) } : filter];
    }),
  );
}

/** Restore the choices in the URL that exist in this report; others are ignored. */
export function readAddress() {
  const address = new URLSearchParams(location.hash.slice(1));
  const structured = (name) => {
    try {
      return JSON.parse(address.get(name));
    } catch {
      return null;
    }
  };
  for (const name of PLAIN)
    state[name] = name === "theme" ? known(address.get(name), ["light", "dark"], "auto") : "";
  if (!experiments.length) return;
  const index = experiments.findIndex((one) => one.name === address.get("experiment"));
  begin(Math.max(index, 0));
  const chosen = experiment();
  state.search = address.get("search") ?? "";
  state.metric = known(address.get("metric"), [...chosen.byKey.keys()], state.metric);
  for (const [key, value] of Object.entries(structured("higher") ?? {})) {
    if (chosen.byKey.has(key)) state.higher[key] = value === true;
  }
  state.description = known(address.get("description"), chosen.descriptions, null);
  state.filters = filtersFromText(structured("filters") ?? {});
  const sort = address.get("sort") ?? "metric";
  state.sort = { column: sort.replace(/^-/, ""), reversed: sort.startsWith("-") };
  state.columns = listOf(structured("columns"));
  state.curves =
    listOf(structured("curves"))?.filter((one) => chosen.curveMetrics.includes(one)) ?? defaultCurves();
  state.spread = address.get("spread") !== "false";
  state.logarithmic = address.get("log") === "true";
  state.logarithmicSteps = address.get("logx") === "true";
  state.smoothing = Math.min(Math.max(finite(Number(address.get("smoothing"))) ?? 0, 0), MOST_SMOOTHING);
  state.zoom = rangeOf(structured("zoom"));
  state.axes =
    listOf(structured("axes"))?.filter((name) => chosen.varying.some((one) => one.name === name)) ?? null;
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

function known(value, values, otherwise) {
  return values.includes(value) ? value : otherwise;
}

/** A range of two increasing numbers; null for anything else. */
function rangeOf(value) {
  return listOf(value)?.length === 2 && value.every(Number.isFinite) && value[0] < value[1] ? value : null;
}

function listOf(value) {
  return Array.isArray(value) ? value : null;
}

function filtersFromText(stored) {
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

function finite(value) {
  return Number.isFinite(value) ? value : undefined;
}
