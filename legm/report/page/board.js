// The view of one experiment: what is redrawn after which change, and its controls.

import { columns, renderColumnChoice } from "./columns.js";
import { boardAddress, viewAddress } from "./address.js";
import { renderCompare } from "./compare.js";
import { comparedRows, MOST_SIDE_BY_SIDE, renderCompared } from "./compared.js";
import { renderConfiguration } from "./configuration.js";
import { renderFilters, renderHead } from "./controls.js";
import { renderCurves, renderCurveTools } from "./curves.js";
import { renderGroups } from "./groups.js";
import { choosePair, renderConstant, renderTable, sortedRows } from "./leaderboard.js";
import { chooseMediaStep, renderMedia } from "./media.js";
import { filterByBrushes, renderParallel } from "./parallel.js";
import { changed } from "./redraw.js";
import {
  begin,
  chooseBest,
  defaultCurves,
  hasCurves,
  higherBetter,
  metric,
  MOST_CURVES,
  PAGE,
  state,
} from "./state.js";
import { listenToRelations, renderRelations } from "./relations.js";
import { renderTheme, turnTheme } from "./theme.js";
import { renderUnfinished } from "./unfinished.js";
import { byId, everyElement, firstElement } from "./values.js";

/** In which views what is drawn is to be seen; what is not named is in all of them. */
const VIEWS_OF = new Map(
  /** @type {[any, string[]][]} */ ([
    [renderCompared, ["compare"]],
    [renderConfiguration, ["configuration"]],
    ...[renderFilters, renderColumnChoice, renderConstant, renderGroups, renderTable].map(onlyOnBoard),
    ...[renderParallel, renderRelations, renderCompare, renderUnfinished].map(onlyOnBoard),
  ]),
);

/** @param {Render} render */
function onlyOnBoard(render) {
  return [render, ["board"]];
}

/**
 * Whether what a function draws is to be seen in the view of the experiment that is shown.
 * @param {Render} render
 */
export function isInView(render) {
  return VIEWS_OF.get(render)?.includes(state.view) ?? true;
}

/** The way back, and the way on to what is ticked. */
function renderWays() {
  document.body.dataset.view = state.view;
  firstElement("#back a").href = boardAddress();
  const rows = comparedRows();
  const link = byId("compare-ticked");
  link.hidden = rows.length < 2;
  link.href = viewAddress("compare", rows);
  const rest =
    state.shown.length > rows.length ? `first ${MOST_SIDE_BY_SIDE} ticked` : `${rows.length} ticked`;
  link.textContent = `Compare the ${rest}`;
}

export const PARTS = {
  experiment: [
    renderWays,
    renderHead,
    renderFilters,
    renderColumnChoice,
    renderConstant,
    renderGroups,
    renderTable,
    renderCompared,
    renderConfiguration,
    renderCurves,
    renderParallel,
    renderRelations,
    renderCompare,
    renderMedia,
    renderUnfinished,
  ],
  ranking: [
    renderWays,
    renderHead,
    renderColumnChoice,
    renderGroups,
    renderTable,
    renderCompared,
    renderConfiguration,
    renderCurves,
    renderParallel,
    renderRelations,
    renderCompare,
    renderMedia,
    renderUnfinished,
  ],
  rows: [renderTable, renderCurveTools, renderParallel, renderRelations],
  table: [renderTable, renderColumnChoice],
  groups: [renderGroups],
  beside: [renderCompared, renderConfiguration],
  shown: [renderWays, renderTable, renderCurves, renderParallel, renderRelations, renderMedia],
  curves: [renderCurves],
  axes: [renderParallel],
  relations: [renderRelations],
  pair: [renderColumnChoice, renderTable, renderCompare],
  media: [renderMedia],
  theme: [renderTheme, renderTable, renderCurves, renderParallel, renderRelations, renderMedia],
};

/** Let the controls change the state. */
export function listen() {
  listenToRelations();
  const on = (
    /** @type {string} */ id,
    /** @type {string} */ event,
    /** @type {(event: any) => void} */ action,
  ) => byId(id).addEventListener(event, action);
  on("experiment", "change", () => {
    begin(Number(byId("experiment").value));
    byId("search").value = "";
    changed("experiment");
  });
  on("metric", "change", () => {
    state.metric = byId("metric").value;
    state.curves = defaultCurves();
    chooseBest();
    changed("ranking");
  });
  on("higher", "click", () => turn(true));
  on("lower", "click", () => turn(false));
  on("description", "change", () => {
    const { value } = byId("description");
    state.description = value === "*" ? null : value.slice(1);
    chooseBest();
    changed("ranking");
  });
  on("theme", "click", () => {
    turnTheme();
    changed("theme");
  });
  /** @type {number | undefined} */
  let waiting;
  on("search", "input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      state.search = byId("search").value;
      changed("rows");
    }, 120);
  });
  on("groups-more", "click", () => {
    state.groupLimit += PAGE;
    renderGroups();
  });
  on("unfinished-more", "click", () => {
    state.unfinishedLimit += PAGE;
    renderUnfinished();
  });
  on("spread", "change", () => {
    state.spread = byId("spread").checked;
    changed("curves");
  });
  on("logarithmic", "change", () => {
    state.logarithmic = byId("logarithmic").checked;
    changed("curves");
  });
  on("logarithmic-steps", "change", () => {
    state.logarithmicSteps = byId("logarithmic-steps").checked;
    changed("curves");
  });
  on("brush-filter", "click", () => {
    filterByBrushes();
    renderFilters();
    changed("rows");
  });
  on("x-axis", "change", () => {
    Object.assign(state, { x: byId("x-axis").value, zoom: null });
    changed("curves");
  });
  on("each", "change", () => {
    state.each = byId("each").checked;
    changed("curves");
  });
  on("grid-columns", "change", () => {
    state.gridColumns = Number(byId("grid-columns").value) || null;
    changed("curves");
  });
  on("show-best", "click", () => {
    state.picked = false;
    chooseBest();
    changed("shown");
  });
  on("show-all", "click", () => show(sortedRows(columns()).filter(hasCurves).slice(0, MOST_CURVES)));
  on("show-none", "click", () => show([]));
  on("compare-a", "change", () => choosePair(0, Number(byId("compare-a").value)));
  on("compare-b", "change", () => choosePair(1, Number(byId("compare-b").value)));
  on("media-step", "input", () => chooseMediaStep(Number(byId("media-step").value)));
  for (const [id, part] of [
    ["equal-too", "pair"],
    ["compared-equal", "beside"],
    ["configuration-equal", "beside"],
  ])
    on(id, "change", () => {
      state.equalToo = byId(id).checked;
      changed(part);
    });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => changed("theme"));
  addEventListener("beforeprint", () => {
    for (const part of everyElement("details.error")) part.open = true;
  });
}

/** @param {boolean} higher */
function turn(higher) {
  if (state.metric === null || !metric() || higherBetter() === higher) return;
  state.higher[state.metric] = higher;
  chooseBest();
  changed("ranking");
}

/** @param {number[]} rows */
function show(rows) {
  Object.assign(state, { shown: rows, picked: true });
  changed("shown");
}

/** Show what the address says. */
export function showAddress() {
  byId("search").value = state.search;
  changed("experiment");
}
