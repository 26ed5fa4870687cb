// The live page: the views by their addresses, and what the server says has changed.

import { EXPERIMENT_VIEWS, openAddress } from "./address.js";
import { experimentAddress } from "./addresses.js";
import { listen, PARTS } from "./board.js";
import { codeTable, comparisonOf } from "./comparison.js";
import { renderConfiguration } from "./configuration.js";
import { fillSelect, renderFilters } from "./controls.js";
import { renderCurves, zoomedSteps } from "./curves.js";
import {
  afterNextPicture,
  FIGURES,
  inTurn,
  isExperimentOpen,
  listenToSight,
  loadFigures,
  prepareFigures,
} from "./drawing_turns.js";
import { loadGroups } from "./group_loading.js";
import { renderGroups } from "./groups.js";
import { renderTable } from "./leaderboard.js";
import { liveState } from "./live_state.js";
import {
  forgetExperiment,
  growCurves,
  isOutdated,
  loadShown,
  loadUnfinished,
  openedExperiment,
  openExperiment,
  reloadCurves,
  reloadExperiment,
} from "./loading.js";
import { renderMedia } from "./media.js";
import { renderOverview } from "./overview.js";
import { showConnection, showProblem } from "./problems.js";
import { changed, redrawBy } from "./redraw.js";
import { loadRun, openRun, runHasChanged, runsExperimentHasChanged } from "./run_view.js";
import { marksButton, marksEditor } from "./row_marks.js";
import { renderRunning } from "./running.js";
import { ask, listenToServer } from "./server.js";
import { differenceNote, renderSignificance, significanceOf } from "./significance.js";
import { singleCurves } from "./single_loading.js";
import { experiment, state } from "./state.js";
import { renderTheme, themeAtFirst } from "./theme.js";
import { renderUnfinished } from "./unfinished.js";
import { byId, distinct, element, messageOf } from "./values.js";

const GROWTH_PAUSE = 400; // ms between two looks at the curves of runs that have new values
const CARDS_PAUSE = 1000; // ms between two loads of the first view
const PATIENCE = 1000; // ms of waiting for the server, from which on the browser has time for what draws plots

/** @type {Record<string, Render[]>} */
const LIVE_PARTS = {
  ...PARTS,
  experiment: [...PARTS.experiment, renderSignificance, renderRunning],
  refreshed: [...PARTS.experiment.filter((one) => one !== renderFilters), renderSignificance, renderRunning],
  ranking: [...PARTS.ranking, renderSignificance],
  shown: [...PARTS.shown, renderSignificance],
  pair: [...PARTS.pair, renderSignificance],
  loaded: [renderTable, renderConfiguration, renderCurves, renderMedia],
  figures: FIGURES,
  grouped: [renderGroups],
  unfinished: [renderUnfinished],
};
for (const [name, parts] of Object.entries(LIVE_PARTS)) LIVE_PARTS[name] = parts.map(inTurn);

/** Load what the first view needs, and what is known of running runs. */
async function loadCards() {
  const answer = await ask("api/experiments");
  state.report.title = answer.title;
  const { title, backend, legm, read_only: readOnly, experiments: cards } = answer;
  Object.assign(liveState, { title, backend, legm, readOnly, cards });
  liveState.runs = new Map(Object.entries(answer.runs));
  byId("title").textContent = title;
  document.title = `${title} · legm`;
  byId("bottom").textContent = `legm ${legm}, ${backend} backend. Drawn with plotly.js.`;
  renderExperimentChoice();
}

function loadCardsSoon() {
  liveState.waits.cards ??= setTimeout(async () => {
    liveState.waits.cards = null;
    try {
      await loadCards();
      if (document.body.dataset.view === "overview") renderOverview();
    } catch (error) {
      showProblem(messageOf(error));
    }
  }, CARDS_PAUSE);
}

/** Show the view that the address names. */
async function openView() {
  const address = new URLSearchParams(location.hash.slice(1));
  const turn = ++liveState.opening;
  const name = address.get("experiment") ?? "";
  const view = viewOf(address);
  showProblem("");
  try {
    if (view === "overview") renderOverview();
    else if (view === "run") await openRun(address);
    else await openBoard(view, name, address.get("where") ?? "", () => turn === liveState.opening);
  } catch (error) {
    if (turn !== liveState.opening) return;
    showProblem(messageOf(error));
    if (view !== "overview" && view !== "run") failBoard(name, address.get("where") ?? "");
    return;
  }
  if (turn !== liveState.opening) return;
  showView(view);
  if (view === "overview") afterNextPicture(prepareFigures);
}

/** @param {URLSearchParams} address */
function viewOf(address) {
  if (!address.has("experiment")) return "overview";
  const view = address.get("view") ?? "";
  return view === "run" || EXPERIMENT_VIEWS.includes(view) ? view : "board";
}

/** @param {string} view */
function showView(view) {
  document.body.dataset.view = view;
  if (isExperimentOpen()) changed("experiment"); // figures need their width
  scrollTo({ top: 0 });
}

/** @param {string} view @param {string} name @param {string} where @param {() => boolean} isWanted */
async function openBoard(view, name, where, isWanted) {
  const known = openedExperiment();
  if (known.name !== name || known.where !== where) {
    const early = setTimeout(loadFigures, PATIENCE);
    try {
      await openExperiment(name, where);
    } finally {
      clearTimeout(early);
    }
  }
  if (!isWanted()) return;
  document.body.dataset.view = view;
  openAddress();
  byId("search").value = state.search;
  byId("where").value = where;
  byId("live-experiment").value = name;
  loadShown(); // the server reads it while the table is drawn
}

/**
 * A selection that leaves nothing, or is not one: the whole experiment stays, with the message.
 * @param {string} name
 * @param {string} where
 */
function failBoard(name, where) {
  byId("where").value = where;
  if (openedExperiment().name !== name) {
    document.body.dataset.view = "overview";
    renderOverview();
  }
}

// -- controls that the report does not have

function addControls() {
  document.body.append(byId("bottom"));
  const home = element("a", { id: "home", href: "#" }, "Experiments");
  const choice = element("select", {
    id: "live-experiment",
    "aria-label": "Experiment",
    change: () => {
      location.hash = experimentAddress(choice.value);
    },
  });
  byId("experiment-field").before(home, choice);
  byId("experiment-field").hidden = true; // it is of a report with several experiments
  const where = element("input", {
    id: "where",
    type: "search",
    "aria-label": "Select configurations and runs, as --where does",
    placeholder: "Select: lr<0.1 and not tag:broken",
    title: "The selection language of --where: lr<0.1, optimizer=adam,sgd, status:failed, tag:good, …",
    keydown: (/** @type {any} */ event) => {
      if (event.key === "Enter") select(where.value.trim());
    },
    search: () => select(where.value.trim()),
  });
  byId("search").before(where);
}

/** Let a zoom and the smoothing ask the server for what they show. */
function listenToCurves() {
  /** @type {number | undefined} */
  let wait;
  byId("smoothing").addEventListener("input", () => {
    state.smoothing = Number(byId("smoothing").value);
    clearTimeout(wait);
    wait = setTimeout(reloadCurves, 150);
  });
  const plot = byId("curves-plot");
  const listenOnce = new MutationObserver(() => {
    if (!plot.on) return; // plotly has not drawn it yet
    listenOnce.disconnect();
    plot.on("plotly_relayout", (/** @type {any} */ event) => {
      const steps = zoomedSteps(event);
      if (steps === undefined || JSON.stringify(steps) === JSON.stringify(state.zoom)) return;
      state.zoom = steps;
      reloadCurves();
    });
  });
  listenOnce.observe(plot, { childList: true });
}

/** @param {string} where */
function select(where) {
  if (where === openedExperiment().where) return;
  const address = new URLSearchParams(location.hash.slice(1));
  address.delete("where");
  if (where) address.set("where", where);
  location.hash = String(address);
}

function renderExperimentChoice() {
  const names = liveState.cards.map((one) => one.name);
  const shown = distinct(names, 60);
  const { value } = byId("live-experiment");
  fillSelect(
    byId("live-experiment"),
    names.map((name, i) => [name, shown[i]]),
    openedExperiment().name ?? value,
  );
}

// -- what the server says

/** @param {Record<string, RunningRun|null>} runs */
function takeRuns(runs) {
  for (const [id, run] of Object.entries(runs)) {
    if (run) liveState.runs.set(id, run);
    else liveState.runs.delete(id);
    liveState.grown.add(id);
  }
  if (isExperimentOpen()) {
    if (state.view === "board") renderRunning();
    liveState.waits.growth ??= setTimeout(() => {
      const ids = liveState.grown;
      liveState.grown = new Set();
      liveState.waits.growth = null;
      growCurves(ids).catch((error) => showProblem(error.message));
    }, GROWTH_PAUSE);
  } else if (document.body.dataset.view === "run") runHasChanged(runs);
}

/** @param {Record<string, number>} versions */
function takeExperiments(versions) {
  const { name } = openedExperiment();
  Object.assign(liveState.versions, versions);
  if (name !== null && name in versions) {
    if (isExperimentOpen()) reloadExperiment();
    else forgetExperiment();
  }
  if (document.body.dataset.view === "run") runsExperimentHasChanged(versions);
  loadCardsSoon();
}

/** @param {{instance: string, versions: Record<string, number>}} content */
async function takeHello({ instance, versions }) {
  showConnection(true);
  liveState.versions = versions;
  if (liveState.instance !== null && liveState.instance !== instance) {
    forgetExperiment();
    await loadCards();
    await openView();
  }
  liveState.instance = instance;
  if (openedExperiment().name !== null && isOutdated(experiment().content)) reloadExperiment();
}

async function startLivePage() {
  addControls();
  liveState.rowParts = {
    marksButton,
    marksEditor,
    significance: significanceOf,
    differenceNote,
    comparison: comparisonOf,
    codeTable,
    singleCurves,
  };
  redrawBy(
    LIVE_PARTS,
    () => true,
    () => {
      loadShown();
      loadUnfinished();
      loadGroups();
    },
  );
  listenToCurves();
  listenToSight();
  listen();
  state.theme = themeAtFirst(new URLSearchParams(location.hash.slice(1)).get("theme"));
  renderTheme();
  addEventListener("hashchange", openView); // also while the first view is loaded
  try {
    const cards = loadCards().then(() => isExperimentOpen());
    if (new URLSearchParams(location.hash.slice(1)).has("experiment")) await openView();
    const isDrawnWithout = await cards;
    if (["", "overview"].includes(document.body.dataset.view ?? "")) await openView();
    renderExperimentChoice();
    if (document.body.dataset.view === "run") await loadRun(); // its baseline is on a card
    if (isDrawnWithout && (liveState.runs.size || liveState.readOnly)) changed("refreshed");
  } catch (error) {
    showProblem(messageOf(error));
  }
  listenToServer({
    events: { hello: takeHello, runs: takeRuns, experiments: takeExperiments },
    lost: () => showConnection(false),
  });
}

startLivePage();
