// The curves of the selected configurations, with their spread, in one plot per metric.

import { fillSelect, LONGEST_CHIP } from "./controls.js";
import { curveTraces, isEachRun, localMoment, secondsOf } from "./curve_traces.js";
import { fitPlot, plotAxis, plotLayout, plotOptions } from "./plot_style.js";
import { changed } from "./redraw.js";
import { experiment, filtered, hasCurves, MOST_CURVES, state } from "./state.js";
import {
  arrowWithAlt,
  byId,
  distinct,
  element,
  fill,
  firstElement,
  moved,
  plotText,
  short,
} from "./values.js";

const HEIGHT = { one: 400, several: 280 }; // pixels of a plot,
const NARROWEST = 420; // and its least width where several are side by side
const MOST_COLUMNS = 3;

export function renderCurves() {
  renderCurveTools();
  const metrics = state.curves.filter((one) => experiment().curveMetrics.includes(one));
  const rows = state.shown.filter((row) => metrics.some((one) => experiment().hasCurve(row, one)));
  const empty = emptyCurves(metrics, rows);
  byId("curves-empty").textContent = empty;
  byId("curves-empty").hidden = !empty;
  byId("curves-plot").hidden = Boolean(empty);
  byId("curves-note").textContent = empty ? "" : curvesNote(metrics, rows);
  byId("curves").classList.toggle("wide", metrics.length > 1);
  if (empty) Plotly.purge(byId("curves-plot"));
  else {
    Plotly.react(byId("curves-plot"), curveTraces(metrics, rows), curveLayout(metrics, rows), plotOptions());
    fitPlot(byId("curves-plot"));
  }
}

export function renderCurveTools() {
  const { curveMetrics } = experiment();
  const names = distinct(curveMetrics, LONGEST_CHIP);
  const shortOf = new Map(curveMetrics.map((name, i) => [name, names[i]]));
  const order = [...new Set([...state.curves, ...curveMetrics])].filter((name) => shortOf.has(name));
  fill(byId("curve-metrics"), ...order.map((name) => curveChip(name, shortOf.get(name) ?? name)));
  renderAxisTools(curveMetrics);
  byId("spread").checked = state.spread;
  byId("logarithmic").checked = state.logarithmic;
  byId("logarithmic-steps").checked = state.logarithmicSteps;
  byId("smoothing-field").hidden = !experiment().isPartial;
  byId("smoothing").value = state.smoothing;
  byId("smoothing").title = `weight ${state.smoothing}`;
  const many = filtered().filter(hasCurves).length;
  byId("show-all").textContent = many > MOST_CURVES ? `First ${MOST_CURVES} of the table` : `All ${many}`;
}

/**
 * A button of a metric; that of a drawn one can be moved, and its plot with it.
 * @param {string} name
 * @param {string} text
 */
function curveChip(name, text) {
  const isDrawn = state.curves.includes(name);
  return element(
    "button",
    {
      type: "button",
      class: "chip",
      "aria-pressed": String(isDrawn),
      "data-metric": name,
      title: isDrawn ? `${name}: a drag or Alt with ← and → moves its plot` : name,
      click: () => toggleCurve(name),
      ...(isDrawn
        ? {
            draggable: "true",
            keydown: (/** @type {any} */ event) => {
              const by = arrowWithAlt(event);
              if (!by) return;
              event.preventDefault();
              moveCurve(name, state.curves.indexOf(name) + by);
            },
            dragstart: (/** @type {any} */ event) => event.dataTransfer.setData("text/x-legm-metric", name),
            dragover: (/** @type {any} */ event) => {
              if (event.dataTransfer.types.includes("text/x-legm-metric")) event.preventDefault();
            },
            drop: (/** @type {any} */ event) => {
              event.preventDefault();
              moveCurve(event.dataTransfer.getData("text/x-legm-metric"), state.curves.indexOf(name));
            },
          }
        : {}),
    },
    text,
  );
}

/** @param {string} name @param {number} to */
function moveCurve(name, to) {
  const from = state.curves.indexOf(name);
  if (from < 0) return;
  state.curves = moved(state.curves, from, to);
  changed("curves");
  firstElement(`#curve-metrics [data-metric="${CSS.escape(name)}"]`)?.focus();
}

/**
 * What is on the horizontal axis, and whether each run is drawn; both need the server.
 * @param {string[]} curveMetrics
 */
function renderAxisTools(curveMetrics) {
  const isLive = Boolean(state.report.singleCurves);
  byId("x-axis-field").hidden = !isLive;
  byId("each-field").hidden = !isLive;
  byId("grid-field").hidden = state.curves.length < 2;
  byId("grid-columns").value = String(state.gridColumns ?? "");
  byId("each").checked = isEachRun();
  byId("each").disabled = state.x !== "step";
  if (!isLive) return;
  const epochFirst = [...curveMetrics].sort((a, b) => Number(/epoch/.test(b)) - Number(/epoch/.test(a)));
  const choices = [
    ["step", "step"],
    ["since", "time since the start"],
    ["time", "time of day"],
    ...epochFirst.map((name) => [`metric:${name}`, name]),
  ];
  fillSelect(byId("x-axis"), choices, state.x);
}

/**
 * Add or remove a metric; one always remains.
 * @param {string} name
 */
function toggleCurve(name) {
  const rest = state.curves.filter((one) => one !== name);
  if (rest.length === state.curves.length) state.curves = [...state.curves, name];
  else if (rest.length) state.curves = rest;
  changed("curves");
}

/** @param {string[]} metrics @param {number[]} rows */
function emptyCurves(metrics, rows) {
  if (!metrics.length) return "No completed run has a dev metric yet: a curve is a metric over steps.";
  if (!state.shown.length) return "Tick configurations in the leaderboard to see their curves here.";
  return rows.length ? "" : "None of the ticked configurations has a curve of this metric.";
}

/** @param {string[]} metrics @param {number[]} rows */
function curvesNote(metrics, rows) {
  if (isEachRun()) {
    const known = state.report.singleCurves(rows, metrics);
    if (!known) return "Loading every run …";
    const without = rows.filter((row) => !metrics.some((one) => known.get(`${row} ${one}`)?.length));
    const missing = without.length ? `; ${without.length} without what the axis needs` : "";
    return `every run by itself${state.smoothing ? ", smoothed" : ""}${missing}`;
  }
  const lines = metrics
    .flatMap((one) => rows.map((row) => experiment().line(row, one)))
    .filter((one) => one !== undefined);
  const kind = lines.some((one) => one.runs > 1) ? "mean ± standard deviation over the runs" : "single runs";
  const notes = lines.length ? [kind] : [];
  if (lines.some((one) => one.smoothed)) notes.push("smoothed over the values, which are pale");
  const unfinished = metrics.flatMap((one) => rows.flatMap((row) => experiment().unfinishedLines(row, one)));
  if (unfinished.some((one) => one.status === "running")) notes.push("dashed: a run that is running");
  if (unfinished.some((one) => one.status !== "running"))
    notes.push("dotted: a run that is not completed, not averaged");
  if (lines.some((one) => one.fewer)) notes.push("fewer runs at some steps");
  const hidden = state.spread ? lines.find((one) => one.hidden)?.hidden : null;
  if (hidden) notes.push(hiddenNote(hidden));
  if (lines.some((one) => one.above.length)) notes.push("▲ is inf");
  if (lines.some((one) => one.below.length)) notes.push("▼ is -inf");
  return notes.join("; ");
}

/**
 * That a band is wider between the points that are drawn.
 * @param {[number, number, number]} hidden
 */
function hiddenNote([step, lower, upper]) {
  const where = `${short(lower)} … ${short(upper)} at step ${step.toLocaleString("en")}`;
  const next = state.report.singleCurves ? "zoom in there" : "legm ui shows it by a zoom";
  return `a band is wider between the drawn steps (${where}): ${next}`;
}

/**
 * How many plots are side by side.
 * @param {number} count
 */
function gridColumns(count) {
  const frame = byId("curves").clientWidth;
  const fitting = Math.max(1, Math.floor(frame / NARROWEST));
  return Math.min(count, state.gridColumns ?? Math.min(fitting, MOST_COLUMNS));
}

/**
 * One plot for each metric in a grid; all have the same range of the horizontal axis.
 * @param {string[]} metrics
 * @param {number[]} rows
 */
function curveLayout(metrics, rows) {
  const columns = gridColumns(metrics.length);
  const lines = Math.ceil(metrics.length / columns);
  const frame = byId("curves").clientWidth;
  const legendRows = Math.ceil(rows.length / Math.max(1, Math.floor(frame / 250)));
  const height = metrics.length === 1 ? HEIGHT.one : HEIGHT.several * lines;
  /** @type {Record<string, any>} */
  const layout = {
    ...plotLayout(),
    height: height + 18 * legendRows,
    hovermode: frame > 560 && rows.length <= 12 ? "x" : "closest",
    legend: {
      orientation: "h",
      x: 0,
      xanchor: "left",
      y: -0.12 / lines - 20 / height,
      yanchor: "top",
      groupclick: "togglegroup",
      font: { size: 12 },
    },
    margin: { l: 58, r: 14, t: 30, b: 46 + 19 * legendRows, autoexpand: true },
    uirevision: JSON.stringify([state.experiment, metrics, columns, state.logarithmic, ...horizontal()]),
  };
  const names = distinct(metrics, 30);
  const [gapX, gapY] = [columns > 1 ? 70 / frame : 0, lines > 1 ? 46 / height : 0];
  const [width, share] = [(1 - gapX * (columns - 1)) / columns, (1 - gapY * (lines - 1)) / lines];
  metrics.forEach((_, i) => {
    const [column, line] = [i % columns, Math.floor(i / columns)];
    const [left, top] = [column * (width + gapX), 1 - line * (share + gapY)];
    const number = i ? String(i + 1) : "";
    const isLast = i + columns >= metrics.length;
    layout[`xaxis${number}`] = {
      ...plotAxis(),
      ...horizontalAxis(),
      ...(i ? { matches: "x" } : {}),
      ...(isLast ? {} : { title: undefined, showticklabels: columns > 1 }),
      domain: [left, Math.min(left + width, 1)],
      anchor: `y${number}`,
    };
    layout[`yaxis${number}`] = {
      ...plotAxis(),
      domain: [Math.max(top - share, 0), top],
      anchor: `x${number}`,
      title: { text: plotText(names[i]), standoff: 8 },
      type: state.logarithmic ? "log" : "linear",
      exponentformat: "power",
    };
  });
  return layout;
}

function horizontal() {
  return [state.x, state.logarithmicSteps, state.zoom];
}

function horizontalAxis() {
  const isDate = state.x === "time";
  return {
    title: { text: plotText(axisTitle()), standoff: 6 },
    type: isDate ? "date" : state.logarithmicSteps ? "log" : "linear",
    ...(state.zoom ? { range: axisRange(state.zoom), autorange: false } : {}),
    ...(isDate ? {} : { tickformat: ",~r", hoverformat: ",~r" }),
    ...(state.x.startsWith("metric:") ? { tickformat: "", hoverformat: ".5g", exponentformat: "power" } : {}),
  };
}

function axisTitle() {
  /** @type {Record<string, string>} */
  const titles = { step: "step", since: "seconds since the start", time: "time" };
  return titles[state.x] ?? state.x.replace(/^metric:/, "");
}

/**
 * A range of what is on the horizontal axis, as Plotly has it.
 * @param {number[]} range
 */
function axisRange(range) {
  if (state.x === "time") return range.map(localMoment);
  return state.logarithmicSteps ? range.map((one) => Math.log10(Math.max(one, 0.5))) : range;
}

/**
 * What is in view after a zoom; null for all, undefined if the zoom was not along the horizontal axis.
 * @param {Record<string, any>} event
 */
export function zoomedSteps(event) {
  const keys = Object.keys(event);
  if (keys.some((one) => /^xaxis\d*\.autorange$/.test(one))) return null;
  const axis = keys.find((one) => /^xaxis\d*\.range\[0\]$/.test(one))?.replace("[0]", "");
  if (!axis) return undefined;
  const ends = [event[`${axis}[0]`], event[`${axis}[1]`]];
  const range = state.x === "time" ? ends.map(secondsOf) : ends.map(Number);
  if (!range.every(Number.isFinite)) return undefined;
  return state.logarithmicSteps && state.x !== "time" ? range.map((power) => 10 ** power) : range;
}
