// The view of one experiment: what is redrawn after which change, and its controls.

import { columns, renderColumnChoice } from "./columns.js";
import { renderCompare } from "./compare.js";
import { renderFilters, renderHead, renderTheme } from "./controls.js";
import { renderCurves, renderCurveTools } from "./curves.js";
import { renderGroups } from "./groups.js";
import { choosePair, renderConstant, renderTable, sortedRows } from "./leaderboard.js";
import { chooseMediaStep, renderMedia } from "./media.js";
import { renderParallel } from "./parallel.js";
import { changed } from "./redraw.js";
import {
  begin,
  chooseBest,
  defaultCurves,
  hasCurves,
  higherBetter,
  isDark,
  metric,
  MOST_CURVES,
  PAGE,
  state,
} from "./state.js";
import { renderUnfinished } from "./unfinished.js";
import { byId, everyElement } from "./values.js";

export const PARTS = {
  experiment: [
    renderHead,
    renderFilters,
    renderColumnChoice,
    renderConstant,
    renderGroups,
    renderTable,
    renderCurves,
    renderParallel,
    renderCompare,
    renderMedia,
    renderUnfinished,
  ],
  ranking: [
    renderHead,
    renderColumnChoice,
    renderGroups,
    renderTable,
    renderCurves,
    renderParallel,
    renderCompare,
    renderMedia,
    renderUnfinished,
  ],
  rows: [renderTable, renderCurveTools, renderParallel],
  table: [renderTable],
  shown: [renderTable, renderCurves, renderParallel, renderMedia],
  curves: [renderCurves],
  axes: [renderParallel],
  pair: [renderTable, renderCompare],
  media: [renderMedia],
  theme: [renderTheme, renderTable, renderCurves, renderParallel, renderMedia],
};

/** Let the controls change the state. */
export function listen() {
  const on = (id, event, action) => byId(id).addEventListener(event, action);
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
    state.theme = isDark() ? "light" : "dark";
    changed("theme");
  });
  let waiting;
  on("search", "input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      state.search = byId("search").value;
      changed("rows");
    }, 120);
  });
  on("more", "click", () => {
    state.limit += PAGE;
    changed("table");
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
  on("equal-too", "change", () => {
    state.equalToo = byId("equal-too").checked;
    renderCompare();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => changed("theme"));
  addEventListener("beforeprint", () => {
    for (const part of everyElement("details.error")) part.open = true;
  });
}

function turn(higher) {
  if (!metric() || higherBetter() === higher) return;
  state.higher[state.metric] = higher;
  chooseBest();
  changed("ranking");
}

function show(rows) {
  Object.assign(state, { shown: rows, picked: true });
  changed("shown");
}

/** Show what the address says. */
export function showAddress() {
  byId("search").value = state.search;
  changed("experiment");
}
