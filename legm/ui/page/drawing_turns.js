// Draws the parts of an experiment's views in turn: at once what is quick, the others while the browser has time.

import { EXPERIMENT_VIEWS } from "./address.js";
import { isInView } from "./board.js";
import { renderCompare } from "./compare.js";
import { renderTheme } from "./theme.js";
import { renderCurves } from "./curves.js";
import { liveState } from "./live_state.js";
import { renderMedia } from "./media.js";
import { renderParallel } from "./parallel.js";
import { plotAxis, plotLayout, plotOptions } from "./plot_style.js";
import { loadPlotly } from "./plotly_loading.js";
import { showProblem } from "./problems.js";
import { changed } from "./redraw.js";
import { renderRelations } from "./relations.js";
import { renderRunning } from "./running.js";
import { renderSignificance } from "./significance.js";
import { state } from "./state.js";
import { renderUnfinished } from "./unfinished.js";
import { byId, element } from "./values.js";

/** What draws plots. */
export const FIGURES = [renderCurves, renderParallel, renderRelations, renderMedia];
const LATER = [...FIGURES, renderCompare, renderSignificance, renderUnfinished]; // drawn once the table is to be seen
const ONLY_IN_SIGHT = new Map([
  [renderParallel, "parallel"],
  [renderRelations, "relations"],
]);
const NEAR = 300; // pixels from what is seen
const LOADING_PAUSE = 30; // ms between two looks whether curves have come,
const LONGEST_BUSY = 200; // and of waiting for the browser between two plots
const ONLY_ON_BOARD = [renderSignificance, renderRunning];

/** Whether a view of an experiment is open. */
export function isExperimentOpen() {
  return EXPERIMENT_VIEWS.includes(document.body.dataset.view ?? "");
}

/**
 * A function that draws a part at once, or after the next picture of the page what takes longer.
 * @param {Render} render
 */
export function inTurn(render) {
  if (render === renderTheme) return render;
  return () => {
    if (!isExperimentOpen() || !isToBeSeen(render)) return;
    if (!LATER.includes(render)) {
      render();
      return;
    }
    liveState.drawing.waiting.add(render);
    planNext(afterNextPicture);
  };
}

/** @param {Render} render */
function isToBeSeen(render) {
  return ONLY_ON_BOARD.includes(render) ? state.view === "board" : isInView(render);
}

/**
 * Draw the next part later, once.
 * @param {(call: () => void) => void} later
 */
function planNext(later) {
  if (liveState.drawing.isPlanned) return;
  liveState.drawing.isPlanned = true;
  later(renderNext);
}

/** Draw one part, and the next one after the browser had time for its user. */
function renderNext() {
  const { drawing } = liveState;
  drawing.isPlanned = false;
  loadFigures(); // the rows are on the page
  const render = nextPart();
  if (!render) {
    if (drawing.waiting.size) planNext((call) => setTimeout(call, LOADING_PAUSE));
    return;
  }
  drawing.waiting.delete(render);
  if (isExperimentOpen() && isToBeSeen(render) && (globalThis.Plotly || !FIGURES.includes(render))) {
    if (isInSight(render)) render();
    else drawing.unseen.add(render);
  }
  if (drawing.waiting.size) planNext(FIGURES.includes(render) ? whenIdle : afterNextPicture);
}

/** What is drawn next: what takes long after all else, and after curves that are about to come. */
function nextPart() {
  const waiting = [...liveState.drawing.waiting];
  const quick = waiting.find((one) => !ONLY_IN_SIGHT.has(one));
  return quick ?? (liveState.asked.size ? undefined : waiting[0]);
}

/**
 * Call a function once the browser has shown what is on the page by now.
 * @param {() => void} call
 */
export function afterNextPicture(call) {
  requestAnimationFrame(() => setTimeout(call));
}

/**
 * Call a function once the browser has shown what is on the page by now, and has nothing else to do.
 * @param {() => void} call
 */
function whenIdle(call) {
  requestAnimationFrame(() => {
    if ("requestIdleCallback" in globalThis) requestIdleCallback(call, { timeout: LONGEST_BUSY });
    else setTimeout(call);
  });
}

/** Load what draws plots, once, and draw them. */
export function loadFigures() {
  if (liveState.plotly) return;
  loadPlotly().then(
    () => changed("figures"),
    (error) => showProblem(error.message),
  );
}

/** On the first view: load what draws plots, and draw one that nobody sees, which makes the next one quicker. */
export function prepareFigures() {
  loadFigures();
  loadPlotly().then(
    () => whenIdle(rehearsePlot),
    () => {}, // reported where it was loaded first
  );
}

function rehearsePlot() {
  if (liveState.drawing.isRehearsed || isExperimentOpen()) return;
  liveState.drawing.isRehearsed = true;
  const plot = element("div", { "aria-hidden": "true", style: "position: absolute; visibility: hidden" });
  document.body.append(plot);
  const line = { type: "scatter", mode: "lines", x: [0, 1], y: [0, 1] };
  const layout = { ...plotLayout(), width: 600, height: 300, xaxis: plotAxis(), yaxis: plotAxis() };
  Plotly.newPlot(plot, [line, line], layout, plotOptions()).finally(() => {
    Plotly.purge(plot);
    plot.remove();
  });
}

/**
 * Whether a part that takes long to draw is near what the user sees.
 * @param {Render} render
 */
function isInSight(render) {
  const section = ONLY_IN_SIGHT.get(render);
  if (!section) return true;
  const { top, bottom } = byId(section).getBoundingClientRect();
  return bottom > -NEAR && top < innerHeight + NEAR;
}

/** Draw what was left out once the user comes near it, or prints the page. */
export function listenToSight() {
  const draw = (/** @type {Render} */ render) => {
    if (liveState.drawing.unseen.delete(render)) inTurn(render)();
  };
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries)
        for (const [render, section] of ONLY_IN_SIGHT)
          if (isIntersecting && target.id === section) draw(render);
    },
    { rootMargin: `${NEAR}px` },
  );
  for (const section of ONLY_IN_SIGHT.values()) observer.observe(byId(section));
  addEventListener("beforeprint", () => {
    for (const render of [...liveState.drawing.unseen]) render();
  });
}
