// The lines and bands of the curves, as Plotly draws them.

import { experiment, look, state } from "./state.js";
import { cut, plotText, short } from "./values.js";

/** Whether every run is drawn by itself: averages are those over equal steps. */
export function isEachRun() {
  return Boolean(state.report.singleCurves) && (state.each || state.x !== "step");
}

/**
 * Seconds since 1970 as Plotly has a moment, which it shows as it is: in local time.
 * @param {number} seconds
 */
export function localMoment(seconds) {
  const ms = seconds * 1000;
  return new Date(ms - new Date(ms).getTimezoneOffset() * 60000).toISOString().slice(0, -1);
}

/**
 * The seconds since 1970 of a moment on an axis.
 * @param {unknown} text
 */
export function secondsOf(text) {
  return new Date(String(text).replace(" ", "T")).getTime() / 1000;
}

/** @param {string[]} metrics @param {number[]} rows */
export function curveTraces(metrics, rows) {
  if (isEachRun()) return singleTraces(metrics, rows);
  /** @type {Record<string, any>[]} */
  const bands = [];
  /** @type {Record<string, any>[]} */
  const lines = [];
  metrics.forEach((name, i) => {
    const floor = state.logarithmic ? smallestPositive(name, rows) : null;
    for (const row of rows) {
      const line = experiment().line(row, name);
      const axes = axesOf(i, row);
      const unfinished = experiment().unfinishedLines(row, name);
      const lone = !metrics.some((one) => experiment().line(row, one));
      unfinished.forEach((one, k) =>
        lines.push({ ...axes, ...unfinishedTrace(one, row), showlegend: lone && !k }),
      );
      if (!line) continue;
      const first = metrics.findIndex((one) => experiment().line(row, one)) === i;
      if (state.spread && line.lower) bands.push({ ...axes, ...bandTrace(line, row, floor) });
      const drawn = lineTrace(line, row);
      if (line.smoothed) {
        lines.push({ ...axes, ...drawn, opacity: 0.3, hoverinfo: "skip", showlegend: false });
        lines.push({ ...axes, ...drawn, ...smoothedLine(line), showlegend: first });
      } else lines.push({ ...axes, ...drawn, showlegend: first });
      lines.push(...infiniteTraces(line, row, name, rows).map((one) => ({ ...axes, ...one })));
    }
  });
  return [...bands, ...lines];
}

/** @param {number} i @param {number} row */
function axesOf(i, row) {
  const number = i ? String(i + 1) : "";
  return { xaxis: `x${number}`, yaxis: `y${number}`, legendgroup: String(row) };
}

/**
 * A line for each run, in the colour of its row; the values stay, pale, behind an average over them.
 * @param {string[]} metrics
 * @param {number[]} rows
 */
function singleTraces(metrics, rows) {
  const known = state.report.singleCurves(rows, metrics);
  /** @type {Record<string, any>[]} */
  const lines = [];
  const named = new Set();
  metrics.forEach((name, i) => {
    for (const row of rows) {
      for (const one of known?.get(`${row} ${name}`) ?? []) {
        const drawn = { ...axesOf(i, row), ...singleTrace(one, row) };
        const showlegend = !named.has(row);
        named.add(row);
        if (one.smoothed) {
          lines.push({ ...drawn, opacity: 0.25, hoverinfo: "skip", showlegend: false });
          lines.push({ ...drawn, y: one.smoothed, showlegend });
        } else lines.push({ ...drawn, showlegend });
      }
    }
  });
  return lines;
}

/** @param {SingleCurve} one @param {number} row */
function singleTrace(one, row) {
  const { color } = look(row);
  const dash = one.status === "completed" ? "solid" : one.status === "running" ? "dash" : "dot";
  return {
    type: "scatter",
    mode: one.y.length <= 30 ? "lines+markers" : "lines",
    x: state.x === "time" ? one.x.map(localMoment) : one.x,
    y: one.y,
    name: plotText(experiment().brief(row)),
    line: { color, dash, width: 1.2 },
    marker: { color, size: 4 },
    meta: { row, run: one.id },
    hovertemplate: `%{y:.5g}<extra>%{fullData.name} · ${one.id.slice(-6)}${one.status === "completed" ? "" : `, ${one.status}`}</extra>`,
  };
}

/** @param {Line} line @param {number} row */
function lineTrace(line, row) {
  const { color, dash } = look(row);
  const { lower = [], upper = [] } = line;
  const few = line.steps.length <= 30;
  return {
    type: "scatter",
    mode: few ? "lines+markers" : "lines",
    x: line.steps,
    y: line.center,
    name: plotText(experiment().brief(row)),
    line: { color, dash, width: 2 },
    marker: { color, size: 5 },
    connectgaps: false,
    meta: { row },
    customdata: line.center.map((_, i) =>
      Number.isFinite(lower[i]) ? ` ± ${short((upper[i] - lower[i]) / 2)}` : "",
    ),
    hovertemplate: "%{y:.5g}%{customdata}<extra>%{fullData.name}</extra>", // a name may look like a template
  };
}

/**
 * What the average over a curve differs in from the curve.
 * @param {Line} line
 */
function smoothedLine(line) {
  return { mode: "lines", y: line.smoothed, customdata: line.center.map((value) => ` (${short(value)})`) };
}

/**
 * The curve of a run that is not completed: thin, dotted or dashed, in the colour of its row.
 * @param {UnfinishedLine} line
 * @param {number} row
 */
function unfinishedTrace(line, row) {
  const name = `${cut(experiment().label(row), 34)} · ${line.status} ${line.id.slice(-6)}`;
  return {
    ...lineTrace(line, row),
    mode: line.steps.length > 1 ? "lines" : "markers",
    name: plotText(name),
    line: { color: look(row).color, dash: line.status === "running" ? "dash" : "dot", width: 1 },
    meta: { row, unfinished: line.id },
  };
}

/**
 * The spread as one shape per stretch without a gap.
 * @param {Line} line
 * @param {number} row
 * @param {number|null} floor
 */
function bandTrace(line, row, floor) {
  /** @type {(number | null)[]} */
  const x = [];
  /** @type {(number | null)[]} */
  const y = [];
  const { lower = [], upper = [] } = line;
  const finite = (/** @type {number} */ i) => Number.isFinite(lower[i]) && Number.isFinite(upper[i]);
  const above = (/** @type {number} */ value) => (floor === null ? value : Math.max(value, floor));
  for (let start = 0; start < line.steps.length; start++) {
    if (!finite(start)) continue;
    let end = start;
    while (end + 1 < line.steps.length && finite(end + 1)) end += 1;
    for (let i = start; i <= end; i++) {
      x.push(line.steps[i]);
      y.push(above(upper[i]));
    }
    for (let i = end; i >= start; i--) {
      x.push(line.steps[i]);
      y.push(above(lower[i]));
    }
    x.push(null);
    y.push(null);
    start = end;
  }
  return {
    type: "scatter",
    mode: "none",
    x,
    y,
    fill: "toself",
    fillcolor: `${look(row).color}2b`,
    line: { width: 0 },
    hoverinfo: "skip",
    showlegend: false,
    meta: { row, band: true },
  };
}

/**
 * The lower limit at which a spread is clipped on a logarithmic axis.
 * @param {string} name
 * @param {number[]} rows
 */
function smallestPositive(name, rows) {
  const positive = rows
    .flatMap((row) => experiment().line(row, name)?.center ?? [])
    .filter((value) => value > 0);
  return positive.length ? positive.reduce((a, b) => Math.min(a, b)) / 2 : 1e-12;
}

/**
 * Marks at the edge of the plot where a curve is infinite.
 * @param {Line} line
 * @param {number} row
 * @param {string} name
 * @param {number[]} rows
 */
function infiniteTraces(line, row, name, rows) {
  const finite = rows.flatMap((one) => experiment().line(one, name)?.center ?? []).filter(Number.isFinite);
  const [low, high] = finite.length
    ? [finite.reduce((a, b) => Math.min(a, b)), finite.reduce((a, b) => Math.max(a, b))]
    : [0, 1];
  /** @type {["above" | "below", number, string, string][]} */
  const sides = [
    ["above", high, "triangle-up", "inf"],
    ["below", low, "triangle-down", "-inf"],
  ];
  return sides
    .filter(([side]) => line[side].length)
    .map(([side, at, symbol, text]) => ({
      type: "scatter",
      mode: "markers",
      x: line[side],
      y: line[side].map(() => at),
      marker: { symbol, size: 9, color: look(row).color },
      showlegend: false,
      meta: { row },
      name: plotText(experiment().brief(row)),
      hovertemplate: `${text}<extra>%{fullData.name}</extra>`,
    }));
}
