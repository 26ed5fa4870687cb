// The curves of a run, a small figure for each metric, and those of the machine below them.

import { colourOf } from "./controls.js";
import { plotAxis, plotLayout, plotOptions } from "./plot_style.js";
import { liveState } from "./live_state.js";
import { loadPlotly } from "./plotly_loading.js";
import { showProblem } from "./problems.js";
import { ask } from "./server.js";
import { byId, decoded, distinct, element, plotText } from "./values.js";

const [FIGURE_WIDTH, FIGURE_HEIGHT] = [340, 230]; // pixels, at least so wide
const BUTTONS_WIDTH = 190; // pixels beside the title,
const TITLE_LETTER = 7; // and of one of its letters
const RUN_CURVES_PAUSE = 1000; // ms between two looks at the curves of a running run

/** The section of the curves, which are loaded after it is on the page. */
export function runCurvesSection() {
  return element(
    "section",
    { id: "run-curves", hidden: true },
    element("h2", {}, "Curves"),
    element("div", { class: "figures dev" }),
    element("h2", { class: "machine" }, "Machine"),
    element("div", { class: "figures system" }),
  );
}

/** Load the curves, and draw them. */
export async function loadRunCurves() {
  const own = liveState.run;
  if (!own) return;
  const { experiment: name, fingerprint, run } = own;
  const curves = await ask("api/run-curves", { experiment: name, fingerprint, run, buckets: 200 });
  await loadPlotly();
  if (liveState.run !== own || !byId("run-curves")) return;
  byId("run-curves").hidden = !curves.length;
  byId("run-curves").querySelector(".machine").hidden = !curves.some(
    (/** @type {any} */ one) => one.isSystem,
  );
  const width = byId("run-curves").clientWidth;
  const figure = width / Math.max(1, Math.floor(width / FIGURE_WIDTH));
  const letters = Math.max(16, Math.floor((figure - BUTTONS_WIDTH) / TITLE_LETTER));
  const names = distinct(
    curves.map((/** @type {any} */ one) => one.metric.replace(/^system\//, "")),
    letters,
  );
  curves.forEach((/** @type {any} */ curve, /** @type {number} */ i) => drawRunCurve(curve, names[i]));
}

/** Look at the curves again soon, since the run has new values. */
export function growRunCurves() {
  liveState.waits.curves ??= setTimeout(() => {
    liveState.waits.curves = null;
    loadRunCurves().catch((error) => showProblem(error.message));
  }, RUN_CURVES_PAUSE);
}

/** @param {any} curve @param {string} name */
function drawRunCurve(curve, name) {
  const parent = byId("run-curves").querySelector(curve.isSystem ? ".system" : ".dev");
  let figure = [...parent.children].find((one) => one.dataset.metric === curve.metric);
  if (!figure) {
    figure = element("div", {
      class: "plot",
      "data-metric": curve.metric,
      "aria-label": `Curve of ${curve.metric}`,
    });
    figure.style.height = `${FIGURE_HEIGHT}px`; // stays where the window changes while it is drawn
    parent.append(figure);
  }
  const steps = Array.from(decoded(curve.steps));
  const trace = {
    type: "scatter",
    mode: steps.length <= 30 ? "lines+markers" : "lines",
    x: steps,
    y: Array.from(decoded(curve.center)),
    line: { color: colourOf("accent"), width: 2 },
    marker: { size: 5 },
    hovertemplate: "%{x}: %{y:.5g}<extra></extra>",
  };
  const title = { text: plotText(name), font: { size: 13 }, x: 0.02, xanchor: "left" };
  const x = { ...plotAxis(), title: { text: curve.isSystem ? "seconds" : "step", standoff: 4 } };
  const layout = {
    ...plotLayout(),
    title,
    height: FIGURE_HEIGHT,
    xaxis: x,
    yaxis: { ...plotAxis(), exponentformat: "power" },
    margin: { l: 50, r: 12, t: 30, b: 40 },
    uirevision: curve.metric,
  };
  Plotly.react(figure, [trace], layout, plotOptions());
}
