// The user's choices, which the URL keeps so that they can be shared, and what follows from them.

import { Experiment } from "./content.js";
import { byText, searchable, wordsOf } from "./values.js";
import { orderOfCells } from "./versions.js";

export const MOST_CURVES = 40;
export const MOST_SMOOTHING = 0.99;
const BEST = 5;
export const PAGE = 50;
const FIRST_UNFINISHED = 20;

/**
 * Show the content of a report.
 * @param {any} content
 */
export function installReport(content) {
  state.report = content;
  state.experiments = content.experiments.map((/** @type {any} */ one) => new Experiment(one));
  state.ranks = { of: null, order: [], positions: new Map() };
}

/**
 * @typedef {object} State
 * @property {{title: string, experiments: any[], media: Record<string, any>, [more: string]: any}} report
 * @property {Experiment[]} experiments
 * @property {{of: string | null, order: number[], positions: Map<number, number>}} ranks
 * @property {Map<number, number>} slots
 * @property {{renderers: Record<string, Render[]>, isInView: (render: Render) => boolean, after: () => void}} redrawing
 * @property {any} live
 * @property {string} address
 * @property {{experiment: string, address: string} | null} lastBoard
 * @property {string} view
 * @property {number} experiment
 * @property {string | null} metric
 * @property {Record<string, boolean>} higher
 * @property {string | null} description
 * @property {string} search
 * @property {Record<string, {state?: number, least?: number, most?: number}>} filters
 * @property {{column: string, reversed: boolean}} sort
 * @property {string[] | null} columns
 * @property {number[]} shown
 * @property {(number | null)[]} pair
 * @property {boolean} picked
 * @property {boolean} paired
 * @property {string[]} curves
 * @property {boolean} spread
 * @property {boolean} logarithmic
 * @property {boolean} logarithmicSteps
 * @property {string} x
 * @property {boolean} each
 * @property {number | null} gridColumns
 * @property {number} smoothing
 * @property {number[] | null} zoom
 * @property {string[] | null} axes
 * @property {string[]} reversed
 * @property {Record<string, {least?: number, most?: number, texts?: (string | null)[]}>} brushes
 * @property {{kind: string, x: string, y: string, colour: string}} relation
 * @property {string | null} medium
 * @property {number | null} step
 * @property {string[]} groupBy
 * @property {number} groupLimit
 * @property {Set<number>} open
 * @property {any} table
 * @property {boolean} equalToo
 * @property {string} theme
 * @property {boolean} isThemeChosen
 * @property {number} unfinishedLimit
 */

/** @type {State} */
export const state = {
  report: { title: "", experiments: [], media: {} }, // what the page shows, and what only the live page adds to it
  experiments: [], // the same, decoded
  ranks: { of: null, order: [], positions: new Map() }, // of the rows by the chosen metric, found on first use
  slots: new Map(), // by row, the number of its colour
  redrawing: { renderers: {}, isInView: () => true, after: () => {} }, // what draws the page again after a change
  address: "", // in which the choices are
  live: {}, // what the live page knows of its server; see live_state.js
  lastBoard: null, // the address at which the leaderboard was left
  view: "board", // which parts of the experiment are shown
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
  curves: [], // metrics
  spread: true,
  logarithmic: false,
  logarithmicSteps: false,
  x: "step", // what is on the horizontal axis: step, since, time, or metric: and a name
  each: false, // whether every run is drawn by itself
  gridColumns: null, // plots side by side; null for as many as fit
  smoothing: 0, // the weight of the average over the curves,
  zoom: null, // and the steps that are in view, both where the server can be asked
  axes: null, // parameters, in the order of their axes
  reversed: [], // names of axes that are upside down
  brushes: {}, // by the name of an axis, the heights between which lines are strong
  relation: { kind: "scatter", x: "", y: "", colour: "" },
  medium: null, // the name of the media that are shown; null for the first one,
  step: null, // and at which step; null for the last one
  groupBy: [], // parameters by which the configurations are grouped
  groupLimit: PAGE,
  open: new Set(),
  table: null, // the rows of the leaderboard that are on the page
  equalToo: false,
  theme: "auto",
  isThemeChosen: false, // here, by the user; no address changes it any more
  unfinishedLimit: FIRST_UNFINISHED,
};

export function experiment() {
  return state.experiments[state.experiment];
}

export function metric() {
  return experiment().byKey.get(state.metric);
}

/** The chosen metric where it is known that there is one. */
export function chosenMetric() {
  const found = metric();
  if (!found) throw new Error("no metric is chosen");
  return found;
}

/** @param {Metric|undefined} one */
export function higherBetter(one = metric()) {
  return one ? (state.higher[one.key] ?? one.higher_better) : true;
}

/**
 * Switch to an experiment, with the default choices.
 * @param {number} index
 */
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
    reversed: [],
    brushes: {},
    relation: { kind: "scatter", x: "", y: "", colour: "" },
    medium: null,
    step: null,
    groupBy: chosen.initialGroups,
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
  const name = metric()?.name ?? "";
  return [curveMetrics.includes(name) ? name : curveMetrics[0]].filter((one) => one !== undefined);
}

/** By default the best rows have their curves drawn, and the first two are compared. */
export function chooseBest() {
  const order = ranked();
  state.shown = state.picked ? state.shown.filter(isDescribed) : order.filter(hasCurves).slice(0, BEST);
  if (!state.paired || !state.pair.every(isDescribed)) state.pair = [order[0] ?? null, order[1] ?? null];
}

/** @param {number} row */
export function hasCurves(row) {
  return experiment().mayHaveCurves(row);
}

// -- which rows, in which order

/** The rows of the chosen description, best first; those without a value come last. */
export function ranked() {
  const of = `${state.experiment} ${state.metric} ${higherBetter()} ${JSON.stringify(state.description)}`;
  if (state.ranks.of !== of) {
    const rows = experiment()
      .rows.map((_, row) => row)
      .filter(isDescribed);
    const order = sortedBy(rows, metricValue, higherBetter());
    state.ranks = { of, order, positions: new Map(order.filter(isPlaced).map((row, i) => [row, i + 1])) };
  }
  return state.ranks.order;
}

/**
 * A row's rank; undefined without a value.
 * @param {number} row
 */
export function rank(row) {
  ranked();
  return state.ranks.positions.get(row);
}

/** @param {number|null} row */
export function isDescribed(row) {
  if (state.description === null) return true;
  return row !== null && experiment().rows[row].description === state.description;
}

/** @param {number} row */
function isPlaced(row) {
  return !Number.isNaN(metricValue(row));
}

/** @param {number} row */
export function metricValue(row) {
  const one = metric();
  return one?.has(row) ? one.mean[row] : NaN;
}

/**
 * Rows sorted by a number or text, ties by name; missing values last in either direction.
 * @param {number[]} rows
 * @param {(row: number) => any} value
 * @param {boolean} descending
 */
export function sortedBy(rows, value, descending) {
  const values = new Map(rows.map((row) => [row, value(row)]));
  const order = orderOfCells([...values.values()]);
  return [...rows].sort((a, b) => order(values.get(a), values.get(b), descending) || byName(a, b));
}

/** @param {number} a @param {number} b */
function byName(a, b) {
  return byText(experiment().label(a), experiment().label(b)) || a - b;
}

/** The rows that match the search and the filters, best first. */
export function filtered() {
  const filters = experiment()
    .parameters.filter((one) => Object.hasOwn(state.filters, one.name))
    .map((one) => ({ one, filter: state.filters[one.name] }));
  const words = wordsOf(state.search);
  return ranked().filter(
    (row) => filters.every(({ one, filter }) => passes(one, filter, row)) && hasWords(row, words),
  );
}

/** @param {Parameter} parameter @param {Filter} filter @param {number} row */
function passes(parameter, filter, row) {
  const own = experiment().state(parameter, row);
  if (filter.state !== undefined) return own === filter.state;
  const number = own ? parameter.number(own) : null;
  if (number === null) return false;
  return number >= (filter.least ?? -Infinity) && number <= (filter.most ?? Infinity);
}

/** @param {number} row @param {string[]} words */
function hasWords(row, words) {
  if (!words.length) return true;
  const values = experiment().varying.map(
    (one) => `${one.name}=${one.text(experiment().state(one, row)) ?? ""}`,
  );
  const text = searchable([experiment().label(row), ...values].join(" "));
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

/** @param {number} row */
export function look(row) {
  const slot = state.slots.get(row) ?? 0;
  const colours = COLOURS[isDark() ? "dark" : "light"];
  return {
    color: colours[slot % colours.length],
    dash: DASHES[Math.floor(slot / colours.length) % DASHES.length],
  };
}

/**
 * Let rows that have other numbers now keep their colours.
 * @param {(row: number) => number|undefined} newRow
 */
export function renumberColours(newRow) {
  const before = [...state.slots];
  state.slots.clear();
  for (const [row, slot] of before) {
    const now = newRow(row);
    if (now !== undefined) state.slots.set(now, slot);
  }
}

/** Each row keeps its colour as long as its curve is shown. */
export function giveColours() {
  for (const row of [...state.slots.keys()]) if (!state.shown.includes(row)) state.slots.delete(row);
  for (const row of state.shown) {
    if (state.slots.has(row)) continue;
    const taken = new Set(state.slots.values());
    let free = 0;
    while (taken.has(free)) free += 1;
    state.slots.set(row, free);
  }
}
