// The curves of the selected configurations, with their spread, in one plot per metric.

import { colourOf, LONGEST_CHIP } from "./controls.js";
import { changed } from "./redraw.js";
import { experiment, filtered, hasCurves, look, MOST_CURVES, state } from "./state.js";
import { byId, cut, distinct, element, fill, plotText, short } from "./values.js";

const ROOM = { one: 400, several: 280 }; // pixels per metric

export function renderCurves() {
  renderCurveTools();
  const metrics = state.curves.filter((one) => experiment().curveMetrics.includes(one));
  const rows = state.shown.filter((row) => metrics.some((one) => experiment().hasCurve(row, one)));
  const empty = emptyCurves(metrics, rows);
  byId("curves-empty").textContent = empty;
  byId("curves-empty").hidden = !empty;
  byId("curves-plot").hidden = Boolean(empty);
  byId("curves-note").textContent = empty ? "" : curvesNote(metrics, rows);
  if (empty) Plotly.purge(byId("curves-plot"));
  else
    Plotly.react(
      byId("curves-plot"),
      curveTraces(metrics, rows),
      curveLayout(metrics, rows),
      plotOptions("curves"),
    );
}

export function renderCurveTools() {
  const { curveMetrics } = experiment();
  const names = distinct(curveMetrics, LONGEST_CHIP);
  const chips = curveMetrics.map((name, i) =>
    element(
      "button",
      {
        type: "button",
        class: "chip",
        "aria-pressed": String(state.curves.includes(name)),
        "data-metric": name,
        title: name,
        click: () => toggleCurve(name),
      },
      names[i],
    ),
  );
  fill(byId("curve-metrics"), ...chips);
  byId("spread").checked = state.spread;
  byId("logarithmic").checked = state.logarithmic;
  byId("logarithmic-steps").checked = state.logarithmicSteps;
  byId("smoothing-field").hidden = !experiment().isPartial;
  byId("smoothing").value = state.smoothing;
  byId("smoothing").title = `weight ${state.smoothing}`;
  const many = filtered().filter(hasCurves).length;
  byId("show-all").textContent = many > MOST_CURVES ? `First ${MOST_CURVES} of the table` : `All ${many}`;
}

/** Add or remove a metric; one always remains. */
function toggleCurve(name) {
  const rest = state.curves.filter((one) => one !== name);
  if (rest.length === state.curves.length) state.curves = [...state.curves, name];
  else if (rest.length) state.curves = rest;
  changed("curves");
}

function emptyCurves(metrics, rows) {
  if (!metrics.length) return "No completed run has a dev metric yet: a curve is a metric over steps.";
  if (!state.shown.length) return "Tick configurations in the leaderboard to see their curves here.";
  return rows.length ? "" : "None of the ticked configurations has a curve of this metric.";
}

function curvesNote(metrics, rows) {
  const lines = metrics.flatMap((one) => rows.map((row) => experiment().line(row, one))).filter(Boolean);
  const kind = lines.some((one) => one.runs > 1) ? "mean ± standard deviation over the runs" : "single runs";
  const notes = lines.length ? [kind] : [];
  if (lines.some((one) => one.smoothed)) notes.push("smoothed over the values, which are pale");
  const unfinished = metrics.flatMap((one) => rows.flatMap((row) => experiment().unfinishedLines(row, one)));
  if (unfinished.some((one) => one.status === "running")) notes.push("dashed: a run that is running");
  if (unfinished.some((one) => one.status !== "running"))
    notes.push("dotted: a run that is not completed, not averaged");
  if (lines.some((one) => one.fewer)) notes.push("fewer runs at some steps");
  if (lines.some((one) => one.above.length)) notes.push("▲ is ∞");
  if (lines.some((one) => one.below.length)) notes.push("▼ is −∞");
  return notes.join("; ");
}

function curveTraces(metrics, rows) {
  const bands = [];
  const lines = [];
  metrics.forEach((name, i) => {
    const floor = state.logarithmic ? smallestPositive(name, rows) : null;
    for (const row of rows) {
      const line = experiment().line(row, name);
      const axes = { xaxis: "x", yaxis: i ? `y${i + 1}` : "y", legendgroup: String(row) };
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

function lineTrace(line, row) {
  const { color, dash } = look(row);
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
      line.lower && Number.isFinite(line.lower[i]) ? ` ± ${short((line.upper[i] - line.lower[i]) / 2)}` : "",
    ),
    hovertemplate: "%{y:.5g}%{customdata}<extra>%{fullData.name}</extra>", // a name may look like a template
  };
}

/** What the average over a curve differs in from the curve. */
function smoothedLine(line) {
  return { mode: "lines", y: line.smoothed, customdata: line.center.map((value) => ` (${short(value)})`) };
}

/** The curve of a run that is not completed: thin, dotted or dashed, in the colour of its row. */
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

/** The spread as one shape per stretch without a gap. */
function bandTrace(line, row, floor) {
  const x = [];
  const y = [];
  const finite = (i) => Number.isFinite(line.lower[i]) && Number.isFinite(line.upper[i]);
  const above = (value) => (floor === null ? value : Math.max(value, floor));
  for (let start = 0; start < line.steps.length; start++) {
    if (!finite(start)) continue;
    let end = start;
    while (end + 1 < line.steps.length && finite(end + 1)) end += 1;
    for (let i = start; i <= end; i++) {
      x.push(line.steps[i]);
      y.push(above(line.upper[i]));
    }
    for (let i = end; i >= start; i--) {
      x.push(line.steps[i]);
      y.push(above(line.lower[i]));
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

/** The lower limit at which a spread is clipped on a logarithmic axis. */
function smallestPositive(name, rows) {
  const positive = rows
    .flatMap((row) => experiment().line(row, name)?.center ?? [])
    .filter((value) => value > 0);
  return positive.length ? positive.reduce((a, b) => Math.min(a, b)) / 2 : 1e-12;
}

/** Marks at the edge of the plot where a curve is infinite. */
function infiniteTraces(line, row, name, rows) {
  const finite = rows.flatMap((one) => experiment().line(one, name)?.center ?? []).filter(Number.isFinite);
  const [low, high] = finite.length
    ? [finite.reduce((a, b) => Math.min(a, b)), finite.reduce((a, b) => Math.max(a, b))]
    : [0, 1];
  return [
    ["above", high, "triangle-up", "∞"],
    ["below", low, "triangle-down", "−∞"],
  ]
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

function curveLayout(metrics, rows) {
  const gap = metrics.length > 1 ? 0.06 : 0;
  const share = (1 - gap * (metrics.length - 1)) / metrics.length;
  const frame = byId("curves").clientWidth;
  const legendRows = Math.ceil(rows.length / Math.max(1, Math.floor(frame / 250)));
  const height = metrics.length === 1 ? ROOM.one : ROOM.several * metrics.length;
  const layout = {
    ...plotLayout(),
    height: height + 18 * legendRows,
    hovermode: frame > 560 && rows.length <= 12 ? "x" : "closest",
    xaxis: {
      ...plotAxis(),
      title: { text: "step", standoff: 6 },
      type: state.logarithmicSteps ? "log" : "linear",
      ...(state.zoom ? { range: axisRange(state.zoom), autorange: false } : {}),
      anchor: metrics.length > 1 ? `y${metrics.length}` : "y",
      tickformat: ",~r",
      hoverformat: ",~r",
    },
    legend: {
      orientation: "h",
      x: 0,
      xanchor: "left",
      y: -0.12 / metrics.length - 20 / height,
      yanchor: "top",
      groupclick: "togglegroup",
      font: { size: 12 },
    },
    margin: { l: 58, r: 14, t: 30, b: 46 + 19 * legendRows, autoexpand: true },
    uirevision: `${state.experiment} ${metrics.join(" ")} ${state.logarithmic} ${state.logarithmicSteps} ${state.zoom}`,
  };
  const names = distinct(metrics, 30);
  metrics.forEach((_, i) => {
    const top = 1 - i * (share + gap);
    layout[i ? `yaxis${i + 1}` : "yaxis"] = {
      ...plotAxis(),
      domain: [Math.max(top - share, 0), top],
      title: { text: plotText(names[i]), standoff: 8 },
      type: state.logarithmic ? "log" : "linear",
      exponentformat: "power",
    };
  });
  return layout;
}

/** A range of steps as the axis has it. */
function axisRange(range) {
  return state.logarithmicSteps ? range.map((step) => Math.log10(Math.max(step, 0.5))) : range;
}

/** The steps that are in view after a zoom; null for all, undefined if the zoom was not along the steps. */
export function zoomedSteps(event) {
  if (event["xaxis.autorange"]) return null;
  const range = [event["xaxis.range[0]"], event["xaxis.range[1]"]].map(Number);
  if (!range.every(Number.isFinite)) return undefined;
  return state.logarithmicSteps ? range.map((power) => 10 ** power) : range;
}

// -- common to all plots

export function plotLayout() {
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    autosize: true,
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: colourOf("ink") },
    hoverlabel: {
      bgcolor: colourOf("raised"),
      bordercolor: colourOf("line"),
      font: { color: colourOf("ink"), size: 12 },
      namelength: -1,
      align: "left",
    },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colourOf("faint"), activecolor: colourOf("accent") },
  };
}

export function plotAxis() {
  const line = colourOf("line");
  return {
    gridcolor: line,
    zeroline: false,
    linecolor: line,
    showline: true,
    tickcolor: line,
    ticks: "outside",
    ticklen: 4,
    tickfont: { color: colourOf("faint"), size: 12 },
    automargin: true,
  };
}

export function plotOptions(name) {
  return {
    responsive: true,
    displaylogo: false,
    plotlyServerURL: "", // nothing is sent anywhere
    modeBarButtons: [["toImage"], ["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
    toImageButtonOptions: { format: "svg", filename: `legm-${name}` },
  };
}
