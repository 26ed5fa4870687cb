// Parallel coordinates: an axis for each parameter and one for the metric, a line for each configuration.

import { colourOf, LONGEST_CHIP } from "./controls.js";
import { fitPlot, plotLayout, plotOptions } from "./plot_style.js";
import { toggleShown } from "./leaderboard.js";
import {
  LEFT_OF_AXES,
  metricScale,
  NOT_ACTIVE,
  parameterScale,
  turned,
  widthOfAxes,
} from "./parallel_scales.js";
import { renderHandles, renderMetricAxis } from "./parallel_axes.js";
import { changed } from "./redraw.js";
import {
  chosenMetric,
  experiment,
  filtered,
  higherBetter,
  isDark,
  look,
  metric,
  metricValue,
  state,
} from "./state.js";
import { byId, counted, distinct, element, fill, inLines, inPieces, plotText, short } from "./values.js";

const SHADES = 20; // number of colours, with one trace each
const BENDS = { many: 6, few: 16 }; // points of a line between two axes
const MANY_LINES = 60;
const MOST_LINES = 1500; // that are drawn, the best ones
const USUAL_AXES = 7;
const AXIS_WIDTH = 96; // minimal, in pixels,
const LETTER_WIDTH = 7; // and that of a letter of a title
const TITLE_LINES = 3;
const SCALES = {
  light: ["#d6dbe1", "#a9c4dd", "#6aa5d4", "#2f7fbf", "#0f5796", "#08366a"],
  dark: ["#3a4350", "#3f5f80", "#4583b5", "#56a8e0", "#8fd0f7", "#dff3ff"],
};

export function renderParallel() {
  renderAxisChoice();
  const every = filtered().filter((row) => Number.isFinite(metricValue(row)));
  const rows = every.slice(0, MOST_LINES);
  const axes = shownAxes();
  const empty = emptyParallel(rows, axes);
  byId("parallel-empty").textContent = empty;
  byId("parallel-empty").hidden = !empty;
  byId("parallel-frame").hidden = Boolean(empty);
  byId("parallel-note").textContent = empty ? "" : parallelNote(every.length);
  if (empty) {
    Plotly.purge(byId("parallel-plot"));
    return;
  }
  byId("parallel").classList.toggle("wide", axes.length > USUAL_AXES);
  const scales = [...axes.map((one) => parameterScale(one, rows)), metricScale(rows)].map(turned);
  const isStrong = brushedRows(scales);
  byId("parallel-inside").style.minWidth = `${scales.length * AXIS_WIDTH}px`;
  const layout = parallelLayout(scales);
  Plotly.react(byId("parallel-plot"), parallelTraces(rows, scales, isStrong), layout, {
    ...plotOptions(),
    displayModeBar: false,
  });
  fitPlot(byId("parallel-plot"));
  const [low, high] = layout.yaxis.range;
  const geometry = { top: layout.margin.t, bottom: layout.margin.b, height: layout.height, low, high };
  renderHandles(scales, geometry);
  renderMetricAxis(scales[scales.length - 1], geometry);
  renderBrushNote(rows, isStrong);
  if (!byId("parallel-plot").dataset.listens) {
    byId("parallel-plot").dataset.listens = "yes";
    byId("parallel-plot").on("plotly_click", (/** @type {any} */ { points }) =>
      toggleShown(points[0].customdata),
    );
  }
}

/** @param {number[]} rows @param {Parameter[]} axes */
function emptyParallel(rows, axes) {
  if (!metric()) return "No completed run has a metric yet.";
  if (rows.length < 2) return `At least two configurations with a finite ${chosenMetric().label} are needed.`;
  return axes.length ? "" : "All configurations have the same parameters.";
}

/** @param {number} number */
function parallelNote(number) {
  const missing = filtered().length - number;
  const drawn = number > MOST_LINES ? `the best ${MOST_LINES.toLocaleString("en")} of ` : "";
  const note = `${drawn}${counted(number, "configuration")}, the stronger the colour the better; click a line for its curves`;
  return missing ? `${note}; ${missing} without a finite value` : note;
}

/**
 * Whether a row is within all brushes.
 * @param {Scale[]} scales
 * @returns {((row: number) => boolean) | null}
 */
function brushedRows(scales) {
  const brushed = scales.filter((one) => state.brushes[one.id]);
  if (!brushed.length) return null;
  return (row) => brushed.every((one) => one.isWithin(row, state.brushes[one.id]));
}

/** @param {number[]} rows @param {((row: number) => boolean)|null} isStrong */
function renderBrushNote(rows, isStrong) {
  const button = byId("brush-filter");
  button.hidden = !isStrong;
  if (!isStrong) return;
  const number = rows.filter(isStrong).length;
  button.textContent = `Filter by the brushes: ${number} of ${rows.length}`;
}

/** Make filters of the brushes on parameters; those that are no filter stay brushes. */
export function filterByBrushes() {
  for (const [name, brush] of Object.entries(state.brushes)) {
    const parameter = experiment().varying.find((one) => one.name === name);
    const filter = parameter && filterOfBrush(parameter, brush);
    if (!filter) continue;
    state.filters[name] = filter;
    delete state.brushes[name];
  }
}

/**
 * @param {Parameter} parameter
 * @param {Brush} brush
 * @param {{least?: number, most?: number, texts?: (string | null)[]}} brush
 * @returns {{state?: number, least?: number, most?: number} | null}
 */
function filterOfBrush(parameter, brush) {
  const { least, most, texts } = brush;
  if (!texts) return { least, most };
  if (texts.length !== 1) return null;
  return { state: texts[0] === null ? 0 : parameter.texts.indexOf(texts[0]) + 1 };
}

function shownAxes() {
  const { varying } = experiment();
  const fitting = Math.floor(byId("axes").parentElement.clientWidth / AXIS_WIDTH) - 1; // besides the metric
  const usual = Math.min(Math.max(fitting, 1), USUAL_AXES);
  const names = state.axes ?? varying.slice(0, usual).map((one) => one.name);
  return names.map((name) => varying.find((one) => one.name === name)).filter((one) => one !== undefined);
}

function renderAxisChoice() {
  const shown = new Set(shownAxes().map((one) => one.name));
  const { varying } = experiment();
  const names = distinct(
    varying.map((one) => one.name),
    LONGEST_CHIP,
  );
  fill(
    byId("axes"),
    ...varying.map((one, i) =>
      element(
        "button",
        {
          type: "button",
          class: "chip",
          "aria-pressed": String(shown.has(one.name)),
          "data-axis": one.name,
          title: one.name,
          click: () => {
            if (!shown.delete(one.name)) shown.add(one.name);
            state.axes = [...shown];
            changed("axes");
          },
        },
        names[i],
      ),
    ),
  );
}

// -- traces

/**
 * From 0 for the worst to 1 for the best; outliers are clipped so as not to dominate the colours.
 * @param {number[]} rows
 * @returns {(row: number) => number}
 */
function goodness(rows) {
  const values = rows.map(metricValue).sort((a, b) => a - b);
  const at = (/** @type {number} */ share) => values[Math.round(share * (values.length - 1))];
  const [low, high] = [at(0.05), at(0.95)];
  return (row) => {
    const share = high > low ? Math.min(Math.max((metricValue(row) - low) / (high - low), 0), 1) : 0.5;
    return higherBetter() ? share : 1 - share;
  };
}

/** @param {number[]} rows @param {Scale[]} scales @param {((row: number) => boolean)|null} isStrong */
function parallelTraces(rows, scales, isStrong) {
  const good = goodness(rows);
  const shown = new Set(state.shown);
  const groups = Array.from({ length: SHADES }, () => /** @type {number[]} */ ([]));
  for (const row of [...rows].reverse())
    if (!shown.has(row) && (isStrong?.(row) ?? true))
      groups[Math.min(Math.floor(good(row) * SHADES), SHADES - 1)].push(row);
  const many = rows.length > MANY_LINES;
  const traces = groups.flatMap((members, i) =>
    members.length
      ? [
          linesTrace(members, scales, {
            line: { color: shade((i + 0.5) / SHADES), width: many ? 1 : 1.6 },
            opacity: many ? 0.6 : 0.85,
          }),
        ]
      : [],
  );
  const chosen = state.shown.filter((row) => rows.includes(row)).reverse();
  const pale = isStrong ? rows.filter((row) => !isStrong(row) && !shown.has(row)) : [];
  const paleStyle = { line: { color: colourOf("line"), width: 1 }, opacity: 0.5 };
  return [
    ...(pale.length ? [linesTrace(pale, scales, paleStyle)] : []),
    ...traces,
    ...chosen.map((row) =>
      linesTrace([row], scales, {
        line: { color: look(row).color, width: 3 },
        opacity: (isStrong?.(row) ?? true) ? 1 : 0.25,
        meta: { row },
      }),
    ),
  ];
}

/** @param {number[]} rows @param {Scale[]} scales @param {Record<string, any>} style */
function linesTrace(rows, scales, style) {
  /** @type {any[][]} */
  const [x, y, customdata, text] = [[], [], [], []];
  const bends = rows.length > MANY_LINES ? BENDS.many : BENDS.few;
  for (const row of rows) {
    const heights = scales.map((one) => one.at(row));
    const label = `${plotText(experiment().brief(row))}<br>${plotText(chosenMetric().label)} ${short(metricValue(row))}`;
    const put = (/** @type {number | null} */ at, /** @type {number | null} */ height) => {
      x.push(at);
      y.push(height);
      customdata.push(row);
      text.push(label);
    };
    heights.forEach((height, i) => {
      put(i, height);
      for (let k = 1; k < bends && i + 1 < heights.length; k++) {
        const share = k / bends;
        put(i + share, height + (heights[i + 1] - height) * share * share * (3 - 2 * share));
      }
    });
    put(null, null);
  }
  return {
    type: "scatter",
    mode: "lines",
    x,
    y,
    customdata,
    text,
    hovertemplate: "%{text}<extra></extra>",
    hoverlabel: { namelength: 0 },
    showlegend: false,
    connectgaps: false,
    ...style,
  };
}

/** @param {number} share */
function shade(share) {
  const scale = SCALES[isDark() ? "dark" : "light"];
  const position = share * (scale.length - 1);
  const i = Math.min(Math.floor(position), scale.length - 2);
  const [from, to] = [scale[i], scale[i + 1]].map((text) =>
    [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)),
  );
  return `rgb(${from.map((one, k) => Math.round(one + (to[k] - one) * (position - i))).join(",")})`;
}

/**
 * The title of each axis in lines that leave the neighbours' titles alone; different ones stay different.
 * @param {Scale[]} scales
 */
function axisTitles(scales) {
  const width = Math.max(byId("parallel-frame").clientWidth / widthOfAxes(scales.length), AXIS_WIDTH);
  const letters = Math.floor(width / LETTER_WIDTH) - 1;
  const names = distinct(
    scales.map((one) => one.title),
    TITLE_LINES * letters - 4,
  );
  return names.map((name) => {
    const lines = inLines(name, letters);
    return lines.length > TITLE_LINES ? inPieces(name, letters) : lines;
  });
}

/** @param {Scale[]} scales */
function parallelLayout(scales) {
  const faint = colourOf("faint");
  const bottom = scales.some((one) => one.inactive) ? NOT_ACTIVE - 0.08 : -0.05;
  const lines = axisTitles(scales);
  const titles = scales.map((one, i) => ({
    x: i,
    y: 1.04,
    text: lines[i].map((line) => (one.isMetric ? `<b>${plotText(line)}</b>` : plotText(line))).join("<br>"),
    hovertext: plotText(one.title),
    showarrow: false,
    yanchor: "bottom",
    font: { size: 12 },
  }));
  const labels = scales.flatMap((one, i) =>
    one.ticks.map((tick) => ({
      x: i,
      y: tick.at,
      text: plotText(tick.text),
      showarrow: false,
      xanchor: "right",
      xshift: -5,
      font: { size: 11, color: tick.at === NOT_ACTIVE ? faint : colourOf("ink") },
      bgcolor: colourOf("veil"),
      borderpad: 1,
    })),
  );
  const axes = scales.map((one, i) => ({
    type: "line",
    x0: i,
    x1: i,
    y0: one.inactive ? bottom : -0.02,
    y1: 1.02,
    line: { color: faint, width: one.isMetric ? 2 : 1 },
    layer: "above",
  }));
  return {
    ...plotLayout(),
    dragmode: false,
    height: 430,
    hovermode: "closest",
    hoverdistance: 12,
    xaxis: { visible: false, range: [-LEFT_OF_AXES, scales.length - 0.5], fixedrange: true },
    yaxis: { visible: false, range: [bottom, 1.04], fixedrange: true },
    annotations: [...titles, ...labels],
    shapes: axes,
    margin: { l: 6, r: 6, t: 10 + 16 * Math.max(...lines.map((one) => one.length)), b: 6 },
  };
}
