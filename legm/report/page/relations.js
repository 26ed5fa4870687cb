// Relations of parameters and metrics: points of any two with a third as colour, importance, bars.

import { fillSelect } from "./controls.js";
import { binned, shareOfVariance } from "./importance.js";
import { toggleShown } from "./leaderboard.js";
import { fitPlot, plotAxis, plotLayout, plotOptions } from "./plot_style.js";
import { changed } from "./redraw.js";
import { sortedTable } from "./sorted_table.js";
import { chosenMetric, experiment, filtered, isDark, look, metric, metricValue, state } from "./state.js";
import { byId, compact, counted, element, fill, fixed, plotText, short } from "./values.js";

const MOST_BARS = 40;
const MANY_POINTS = 3000; // from here on points are drawn by the graphics card
const POINT_SCALES = { light: "Viridis", dark: "Cividis" };

export function renderRelations() {
  const kind = state.relation.kind;
  for (const one of ["scatter", "importance", "bars"])
    byId(`relation-${one}`).setAttribute("aria-pressed", String(one === kind));
  byId("scatter-fields").hidden = kind !== "scatter";
  const rows = filtered().filter((row) => Number.isFinite(metricValue(row)));
  const isPlot = kind !== "importance";
  const empty = rows.length < 2 ? "At least two configurations with a value are needed." : "";
  byId("relations-empty").hidden = !empty;
  byId("relations-empty").textContent = empty;
  byId("relations-plot").hidden = Boolean(empty) || !isPlot;
  byId("relations-table").hidden = Boolean(empty) || isPlot;
  byId("relations-note").textContent = "";
  if (empty || !isPlot) Plotly.purge(byId("relations-plot"));
  if (empty) return;
  if (kind === "scatter") renderScatter(rows);
  else if (kind === "bars") renderBars(rows);
  else renderImportance(rows);
}

/** Let the controls of the relations change the state. */
export function listenToRelations() {
  for (const kind of ["scatter", "importance", "bars"])
    byId(`relation-${kind}`).addEventListener("click", () => choose({ kind }));
  for (const part of ["x", "y", "colour"])
    byId(`scatter-${part}`).addEventListener("change", () =>
      choose({ [part]: byId(`scatter-${part}`).value }),
    );
}

/** @param {Record<string, string>} changes */
function choose(changes) {
  state.relation = { ...state.relation, ...changes };
  changed("relations");
}

// -- points

/**
 * What can be on an axis: the parameters that vary, and the metrics.
 * @returns {Quantity[]}
 */
function quantities() {
  const { varying, metrics } = experiment();
  return [
    ...varying.map((one) => ({ id: `p:${one.name}`, title: one.name, parameter: one })),
    ...metrics.map((one) => ({ id: `m:${one.key}`, title: one.label, metric: one })),
  ];
}

/**
 * The numbers of rows by a quantity, or its texts where they are no numbers.
 * @param {Quantity} quantity
 * @param {number[]} rows
 */
function valuesOf(quantity, rows) {
  const { metric: of, parameter } = quantity;
  if (of) return rows.map((row) => (of.has(row) ? of.mean[row] : null));
  if (!parameter) return rows.map(() => null);
  const states = rows.map((row) => experiment().state(parameter, row));
  const isNumeric = states.every((one) => !one || parameter.number(one) !== null);
  if (isNumeric) return states.map((one) => (one ? parameter.number(one) : null));
  return states.map((one) => (one ? parameter.brief(one) : "inactive"));
}

/** @param {number[]} rows */
function renderScatter(rows) {
  const every = quantities();
  const find = (/** @type {string} */ id) => every.find((one) => one.id === id);
  const own = every.find((one) => one.metric === metric()) ?? every[0];
  const x = find(state.relation.x) ?? every.find((one) => one.parameter) ?? own;
  const y = find(state.relation.y) ?? own;
  const colour = find(state.relation.colour) ?? null;
  const options = every.map((one) => [one.id, one.title]);
  fillSelect(byId("scatter-x"), options, x.id);
  fillSelect(byId("scatter-y"), options, y.id);
  fillSelect(byId("scatter-colour"), [["", "none"], ...options], colour?.id ?? "");
  const [xs, ys] = [valuesOf(x, rows), valuesOf(y, rows)];
  const there = rows.map((_, i) => i).filter((i) => xs[i] !== null && ys[i] !== null);
  const left = rows.length - there.length;
  byId("relations-note").textContent = [
    counted(there.length, "configuration"),
    left ? `${left} without a value` : "",
    "click a point for its curves",
  ]
    .filter(Boolean)
    .join("; ");
  const coloured = colour && { title: colour.title, values: valuesOf(colour, rows) };
  const traces = pointTraces(rows, there, xs, ys, coloured);
  Plotly.react(byId("relations-plot"), traces, scatterLayout(x, y, xs, ys), plotOptions());
  listenToPoints();
}

/**
 * @param {number[]} rows
 * @param {number[]} there
 * @param {(number|string|null)[]} xs
 * @param {(number|string|null)[]} ys
 * @param {{title: string, values: (number|string|null)[]} | null} colour
 */
function pointTraces(rows, there, xs, ys, colour) {
  const shown = new Set(state.shown);
  const common = {
    type: there.length > MANY_POINTS ? "scattergl" : "scatter",
    mode: "markers",
    hovertemplate: "%{text}<extra></extra>",
    showlegend: false,
  };
  const trace = (/** @type {number[]} */ indices, /** @type {Record<string, any>} */ marker, more = {}) => ({
    ...common,
    x: indices.map((/** @type {number} */ i) => xs[i]),
    y: indices.map((/** @type {number} */ i) => ys[i]),
    customdata: indices.map((/** @type {number} */ i) => rows[i]),
    text: indices.map(
      (/** @type {number} */ i) =>
        `${plotText(experiment().brief(rows[i]))}<br>${plotText(chosenMetric().label)} ${short(metricValue(rows[i]))}`,
    ),
    marker: { size: there.length > 500 ? 5 : 8, opacity: 0.8, ...marker },
    ...more,
  });
  if (!colour)
    return [
      trace(there, { color: there.map((i) => (shown.has(rows[i]) ? look(rows[i]).color : "#8a97a6")) }),
    ];
  const isNumber = colour.values.every((one) => one === null || typeof one === "number");
  if (isNumber) {
    const known = there.filter((i) => colour.values[i] !== null);
    const bar = { title: { text: plotText(colour.title), side: "right" }, thickness: 12, outlinewidth: 0 };
    const color = known.map((i) => colour.values[i]);
    return [trace(known, { color, colorscale: POINT_SCALES[isDark() ? "dark" : "light"], colorbar: bar })];
  }
  const kinds = [...new Set(there.map((i) => colour.values[i]))];
  return kinds.map((kind) => {
    const members = there.filter((i) => colour.values[i] === kind);
    return trace(members, {}, { name: plotText(String(kind)), showlegend: true });
  });
}

/**
 * @param {Quantity} x
 * @param {Quantity} y
 * @param {(number|string|null)[]} xs
 * @param {(number|string|null)[]} ys
 */
function scatterLayout(x, y, xs, ys) {
  const axis = (/** @type {Quantity} */ quantity, /** @type {(number | string | null)[]} */ values) => ({
    ...plotAxis(),
    title: { text: plotText(quantity.title), standoff: 8 },
    type: axisType(values),
    exponentformat: "power",
  });
  return {
    ...plotLayout(),
    height: 430,
    hovermode: "closest",
    xaxis: axis(x, xs),
    yaxis: axis(y, ys),
    legend: { orientation: "h", y: -0.2, font: { size: 12 } },
    margin: { l: 60, r: 14, t: 14, b: 50 },
    uirevision: `${x.id} ${y.id}`,
  };
}

/**
 * A logarithmic axis for positive numbers of very different magnitude.
 * @param {(number|string|null)[]} values
 */
function axisType(values) {
  const numbers = values.filter((one) => typeof one === "number");
  if (values.some((one) => typeof one === "string")) return "category";
  const [low, high] = [numbers.reduce((a, b) => Math.min(a, b)), numbers.reduce((a, b) => Math.max(a, b))];
  return low > 0 && high / low >= 100 ? "log" : "linear";
}

function listenToPoints() {
  const plot = byId("relations-plot");
  fitPlot(plot);
  if (plot.dataset.listens) return;
  plot.dataset.listens = "yes";
  plot.on("plotly_click", (/** @type {any} */ { points }) => toggleShown(points[0].customdata));
}

// -- bars

/** @param {number[]} rows */
function renderBars(rows) {
  const best = rows.slice(0, MOST_BARS);
  const one = chosenMetric();
  byId("relations-note").textContent =
    rows.length > best.length
      ? `the best ${best.length} of ${rows.length}`
      : counted(best.length, "configuration");
  const colours = best.map((row) => (state.shown.includes(row) ? look(row).color : "#8a97a6"));
  const names = best.map((row) => plotText(experiment().brief(row)));
  const trace = {
    type: "bar",
    orientation: "h",
    x: best.map((row) => one.mean[row]),
    y: best.map((_, i) => i),
    error_x: { type: "data", array: best.map((row) => one.std[row]), thickness: 1, width: 3 },
    marker: { color: colours },
    customdata: best,
    text: best.map((row) => `n = ${one.n[row]}`),
    textposition: "none",
    hovertemplate: "%{x:.5g}, %{text}<extra></extra>",
  };
  const layout = {
    ...plotLayout(),
    height: 90 + 22 * best.length,
    xaxis: { ...plotAxis(), title: { text: plotText(one.label), standoff: 8 }, exponentformat: "power" },
    yaxis: { ...plotAxis(), autorange: "reversed", tickvals: best.map((_, i) => i), ticktext: names },
    margin: { l: 60, r: 14, t: 14, b: 50 },
    uirevision: state.metric,
  };
  Plotly.react(byId("relations-plot"), [trace], layout, plotOptions());
  listenToPoints();
}

// -- importance

/** @param {number[]} rows */
function renderImportance(rows) {
  const values = rows.map(metricValue);
  const found = experiment()
    .varying.map((one) => {
      const states = rows.map((row) => experiment().state(one, row));
      const numbers = states.map((state) => (state ? one.number(state) : null));
      const isNumeric = states.every((state, i) => !state || numbers[i] !== null);
      const groups = isNumeric ? binned(numbers) : states.map(String);
      return { name: one.name, share: shareOfVariance(values, groups), groups: new Set(groups).size };
    })
    .sort((a, b) => (Number.isNaN(b.share) ? -1 : b.share) - (Number.isNaN(a.share) ? -1 : a.share));
  byId("relations-note").textContent =
    `share of the variance of ${chosenMetric().label} over ${counted(rows.length, "configuration")} that goes with each ` +
    "parameter alone (epsilon squared; numbers in five ranges). What parameters do together is in none of them, " +
    "and parameters that were varied together share what they explain.";
  const text = (/** @type {number} */ share) => (Number.isNaN(share) ? "unknown" : fixed(share, 3));
  const table = sortedTable(
    ["parameter", "share", "values or ranges"],
    found.map((one) => [one.name, text(one.share), compact(one.groups)]),
    {
      label: "Importance of parameters",
      cell: (value, _row, column) => (column === 1 ? shareBar(value) : element("span", {}, value)),
    },
  );
  fill(byId("relations-table"), table);
}

/** @param {string} text */
function shareBar(text) {
  const bar = element("span", { class: "share", "aria-hidden": "true" });
  bar.style.width = `${Math.min(Math.max(Number(text) || 0, 0), 1) * 120}px`;
  return element("span", { class: "share-value" }, text, bar);
}
