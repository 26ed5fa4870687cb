// Parallel coordinates: an axis for each parameter and one for the metric, a line for each configuration.

import { byValue, colourOf, LONGEST_CHIP } from "./controls.js";
import { plotLayout, plotOptions } from "./curves.js";
import { toggleShown } from "./leaderboard.js";
import { changed } from "./redraw.js";
import { experiment, filtered, higherBetter, isDark, look, metric, metricValue, state } from "./state.js";
import {
  byId,
  compact,
  counted,
  distinct,
  element,
  fill,
  inLines,
  inPieces,
  plotText,
  short,
  withMinus,
} from "./values.js";

const SHADES = 20; // number of colours, with one trace each
const BENDS = { many: 6, few: 16 }; // points of a line between two axes
const MANY_LINES = 60;
const MOST_LINES = 1500; // that are drawn, the best ones
const USUAL_AXES = 7;
const FEW_VALUES = 10; // up to this many numbers are evenly spaced instead of on a scale
const AXIS_WIDTH = 96; // minimal, in pixels,
const LETTER_WIDTH = 7; // and that of a letter of a title
const TITLE_LINES = 3;
const NOT_ACTIVE = -0.16; // the position of an inactive parameter,
const ROOM_BELOW = 0.1; // and the height over which its lines are spread
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
  const scales = [...axes.map((one) => parameterScale(one, rows)), metricScale(rows)];
  byId("parallel-plot").style.minWidth = `${scales.length * AXIS_WIDTH}px`;
  Plotly.react(byId("parallel-plot"), parallelTraces(rows, scales), parallelLayout(scales), {
    ...plotOptions("parameters"),
    displayModeBar: false,
  });
  if (!byId("parallel-plot").dataset.listens) {
    byId("parallel-plot").dataset.listens = "yes";
    byId("parallel-plot").on("plotly_click", ({ points }) => toggleShown(points[0].customdata));
  }
}

function emptyParallel(rows, axes) {
  if (!metric()) return "No completed run has a metric yet.";
  if (rows.length < 2) return `At least two configurations with a finite ${metric().label} are needed.`;
  return axes.length ? "" : "All configurations have the same parameters.";
}

function parallelNote(number) {
  const missing = filtered().length - number;
  const drawn = number > MOST_LINES ? `the best ${MOST_LINES.toLocaleString("en")} of ` : "";
  const note = `${drawn}${counted(number, "configuration")}, the stronger the colour the better; click a line for its curves`;
  return missing ? `${note}; ${missing} without a finite value` : note;
}

function shownAxes() {
  const { varying } = experiment();
  const fitting = Math.floor(byId("axes").parentElement.clientWidth / AXIS_WIDTH) - 1; // besides the metric
  const usual = Math.min(Math.max(fitting, 1), USUAL_AXES);
  const names = state.axes ?? varying.slice(0, usual).map((one) => one.name);
  return varying.filter((one) => names.includes(one.name));
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

// -- axes: the height of each row, and the labels

/** Few values, or values that are not numbers, are evenly spaced; others are on a scale. */
function parameterScale(parameter, rows) {
  const own = new Map(rows.map((row) => [row, experiment().state(parameter, row)]));
  const states = [...new Set(own.values())].filter(Boolean).sort((a, b) => byValue(parameter, a, b));
  const numeric = states.every((one) => parameter.number(one) !== null);
  const scale =
    numeric && states.length > FEW_VALUES ? numberScale(states.map((one) => parameter.number(one))) : null;
  const heights = scale ? null : sideBySide(own, states, rows);
  const without = rows.filter((row) => !own.get(row)).reverse();
  const aside = new Map(
    without.map((row, k) => [
      row,
      NOT_ACTIVE + ROOM_BELOW * (without.length > 1 ? k / (without.length - 1) - 0.5 : 0),
    ]),
  );
  const ticks = scale ? scale.ticks : valueTicks(parameter, states);
  const inactive = without.length > 0;
  return {
    title: parameter.name,
    inactive,
    ticks: inactive ? [...ticks, { at: NOT_ACTIVE, text: "inactive" }] : ticks,
    at: (row) =>
      own.get(row) ? (heights?.get(row) ?? scale.at(parameter.number(own.get(row)))) : aside.get(row),
  };
}

/** The lines of one value are ordered by the metric, so that they can be distinguished. */
function sideBySide(own, states, rows) {
  const heights = new Map();
  const room = 1 / states.length;
  const worstFirst = [...rows].reverse();
  states.forEach((one, i) => {
    const members = worstFirst.filter((row) => own.get(row) === one);
    const width = Math.min(0.62, members.length * 0.12) * room;
    members.forEach((row, k) =>
      heights.set(row, (i + 0.5) * room + (members.length > 1 ? k / (members.length - 1) - 0.5 : 0) * width),
    );
  });
  return heights;
}

const MOST_LABELS = 16;
const LONGEST_TICK = 13; // letters

function valueTicks(parameter, states) {
  const every = Math.ceil(states.length / MOST_LABELS);
  const texts = distinct(
    states.map((one) => parameter.brief(one)),
    LONGEST_TICK,
  );
  return texts.map((text, i) => ({ at: (i + 0.5) / states.length, text })).filter((_, i) => i % every === 0);
}

/** A linear scale, or a logarithmic one for positive numbers of very different magnitude. */
function numberScale(numbers) {
  const [low, high] = [numbers.reduce((a, b) => Math.min(a, b)), numbers.reduce((a, b) => Math.max(a, b))];
  if (low === high) return { at: () => 0.5, ticks: [{ at: 0.5, text: compact(low) }] };
  const logarithmic = low > 0 && high / low >= 100;
  const [way, back] = logarithmic ? [Math.log10, (x) => 10 ** x] : [(x) => x, (x) => x];
  const at = (number) => (way(number) - way(low)) / (way(high) - way(low));
  const marks = logarithmic ? powers(low, high) : roundNumbers(low, high);
  const decimals = Math.max(...marks.map((number) => (compact(number).split(".")[1] ?? "").length), 0);
  const text = (number) =>
    logarithmic || compact(number).includes("e") ? compact(number) : withMinus(number.toFixed(decimals));
  const ticks = marks.map((number) => ({ at: at(number), text: text(number) }));
  return {
    at,
    ticks:
      ticks.length > 1
        ? ticks
        : [0, 0.5, 1].map((share) => ({
            at: share,
            text: compact(back(way(low) + share * (way(high) - way(low)))),
          })),
  };
}

function powers(low, high) {
  const [from, to] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
  const every = Math.ceil((to - from + 1) / 7);
  const found = [];
  for (let exponent = from; exponent <= to; exponent += every) found.push(Number(`1e${exponent}`));
  return found;
}

function roundNumbers(low, high) {
  const rough = (high - low) / 5;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * unit).find((one) => one >= rough);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++)
    found.push(Number((i * step).toPrecision(12)));
  return found;
}

function metricScale(rows) {
  const scale = numberScale(rows.map(metricValue));
  return {
    title: metric().label,
    ticks: scale.ticks,
    at: (row) => scale.at(metricValue(row)),
    isMetric: true,
  };
}

// -- traces

/** From 0 for the worst to 1 for the best; outliers are clipped so as not to dominate the colours. */
function goodness(rows) {
  const values = rows.map(metricValue).sort((a, b) => a - b);
  const at = (share) => values[Math.round(share * (values.length - 1))];
  const [low, high] = [at(0.05), at(0.95)];
  return (row) => {
    const share = high > low ? Math.min(Math.max((metricValue(row) - low) / (high - low), 0), 1) : 0.5;
    return higherBetter() ? share : 1 - share;
  };
}

function parallelTraces(rows, scales) {
  const good = goodness(rows);
  const shown = new Set(state.shown);
  const groups = Array.from({ length: SHADES }, () => []);
  for (const row of [...rows].reverse())
    if (!shown.has(row)) groups[Math.min(Math.floor(good(row) * SHADES), SHADES - 1)].push(row);
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
  return [
    ...traces,
    ...chosen.map((row) =>
      linesTrace([row], scales, { line: { color: look(row).color, width: 3 }, meta: { row } }),
    ),
  ];
}

function linesTrace(rows, scales, style) {
  const [x, y, customdata, text] = [[], [], [], []];
  const bends = rows.length > MANY_LINES ? BENDS.many : BENDS.few;
  for (const row of rows) {
    const heights = scales.map((one) => one.at(row));
    const label = `${plotText(experiment().brief(row))}<br>${plotText(metric().label)} ${short(metricValue(row))}`;
    const put = (at, height) => {
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

function shade(share) {
  const scale = SCALES[isDark() ? "dark" : "light"];
  const position = share * (scale.length - 1);
  const i = Math.min(Math.floor(position), scale.length - 2);
  const [from, to] = [scale[i], scale[i + 1]].map((text) =>
    [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)),
  );
  return `rgb(${from.map((one, k) => Math.round(one + (to[k] - one) * (position - i))).join(",")})`;
}

/** The title of each axis in lines that leave the neighbours' titles alone; different ones stay different. */
function axisTitles(scales) {
  const width = Math.max(byId("parallel-frame").clientWidth / (scales.length + 0.12), AXIS_WIDTH);
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
    xaxis: { visible: false, range: [-0.62, scales.length - 0.5], fixedrange: true },
    yaxis: { visible: false, range: [bottom, 1.04], fixedrange: true },
    annotations: [...titles, ...labels],
    shapes: axes,
    margin: { l: 6, r: 6, t: 10 + 16 * Math.max(...lines.map((one) => one.length)), b: 6 },
  };
}
