// The live page: the views by their addresses, and what the server says has changed.

import { experimentAddress } from "./addresses.js";
import { listen, PARTS } from "./board.js";
import { renderCompare } from "./compare.js";
import { fillSelect, renderFilters, renderTheme } from "./controls.js";
import { renderCurves, zoomedSteps } from "./curves.js";
import { renderTable } from "./leaderboard.js";
import { liveState } from "./live_state.js";
import {
  forgetExperiment,
  growCurves,
  isOutdated,
  loadShown,
  openedExperiment,
  openExperiment,
  reloadCurves,
  reloadExperiment,
} from "./loading.js";
import { renderMedia } from "./media.js";
import { renderOverview } from "./overview.js";
import { renderParallel } from "./parallel.js";
import { showConnection, showProblem } from "./problems.js";
import { changed, redrawBy } from "./redraw.js";
import { openRun, runHasChanged, runsExperimentHasChanged } from "./run_view.js";
import { renderRunning } from "./running.js";
import { ask, listenToServer } from "./server.js";
import { renderSignificance } from "./significance.js";
import { experiment, readAddress, report, state } from "./state.js";
import { renderUnfinished } from "./unfinished.js";
import { byId, distinct, element } from "./values.js";

const GROWTH_PAUSE = 400; // ms between two looks at the curves of runs that have new values
const CARDS_PAUSE = 1000; // ms between two loads of the first view

let grown = new Set();
let growth = null;
let cardsWait = null;
let opening = 0; // counts the views that were opened, so that a slow answer does not replace a newer one

const FIGURES = [renderCurves, renderParallel, renderMedia];
const LATER = [...FIGURES, renderCompare, renderSignificance, renderUnfinished]; // drawn once the table is to be seen
const LIVE_PARTS = {
  ...PARTS,
  experiment: [...PARTS.experiment, renderSignificance, renderRunning],
  refreshed: [...PARTS.experiment.filter((one) => one !== renderFilters), renderSignificance, renderRunning],
  ranking: [...PARTS.ranking, renderSignificance],
  shown: [...PARTS.shown, renderSignificance],
  pair: [...PARTS.pair, renderSignificance],
  loaded: [renderTable, renderCurves, renderMedia],
  figures: FIGURES,
};
for (const [name, parts] of Object.entries(LIVE_PARTS)) LIVE_PARTS[name] = parts.map(inTurn);

const waiting = new Set();

/** A function that draws a part at once, or after the next picture of the page what takes longer. */
function inTurn(render) {
  if (render === renderTheme) return render;
  return () => {
    if (document.body.dataset.view !== "board") return;
    if (!LATER.includes(render)) {
      render();
      return;
    }
    if (!waiting.size) requestAnimationFrame(() => setTimeout(renderWaiting));
    waiting.add(render);
  };
}

function renderWaiting() {
  const parts = [...waiting];
  waiting.clear();
  if (document.body.dataset.view !== "board") return;
  for (const render of parts) if (globalThis.Plotly || !FIGURES.includes(render)) render();
}

/** Load what the first view needs, and what is known of running runs. */
async function loadCards() {
  const answer = await ask("/api/experiments");
  report.title = answer.title;
  const { title, backend, legm, read_only: readOnly, experiments: cards } = answer;
  Object.assign(liveState, { title, backend, legm, readOnly, cards });
  liveState.runs = new Map(Object.entries(answer.runs));
  byId("title").textContent = title;
  document.title = `${title} · legm`;
  byId("bottom").textContent = `legm ${legm}, ${backend} backend. Drawn with plotly.js.`;
  renderExperimentChoice();
}

function loadCardsSoon() {
  cardsWait ??= setTimeout(async () => {
    cardsWait = null;
    try {
      await loadCards();
      if (document.body.dataset.view === "overview") renderOverview();
    } catch (error) {
      showProblem(error.message);
    }
  }, CARDS_PAUSE);
}

/** Show the view that the address names. */
async function openView() {
  const address = new URLSearchParams(location.hash.slice(1));
  const turn = ++opening;
  const name = address.get("experiment");
  const view = name === null ? "overview" : address.get("view") === "run" ? "run" : "board";
  showProblem("");
  try {
    if (view === "overview") renderOverview();
    else if (view === "run") await openRun(address);
    else await openBoard(name, address.get("where") ?? "", () => turn === opening);
  } catch (error) {
    if (turn !== opening) return;
    showProblem(error.message);
    if (view === "board") failBoard(name, address.get("where") ?? "");
    return;
  }
  if (turn === opening) showView(view);
}

function showView(view) {
  document.body.dataset.view = view;
  if (view === "board") changed("experiment"); // figures need their width
  scrollTo({ top: 0 });
}

async function openBoard(name, where, isWanted) {
  const known = openedExperiment();
  if (known.name !== name || known.where !== where) await openExperiment(name, where);
  if (!isWanted()) return;
  document.body.dataset.view = "board";
  readAddress();
  byId("search").value = state.search;
  byId("where").value = where;
  byId("live-experiment").value = name;
}

/** A selection that leaves nothing, or is not one: the whole experiment stays, with the message. */
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
    keydown: (event) => {
      if (event.key === "Enter") select(where.value.trim());
    },
    search: () => select(where.value.trim()),
  });
  byId("search").before(where);
}

/** Let a zoom and the smoothing ask the server for what they show. */
function listenToCurves() {
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
    plot.on("plotly_relayout", (event) => {
      const steps = zoomedSteps(event);
      if (steps === undefined || JSON.stringify(steps) === JSON.stringify(state.zoom)) return;
      state.zoom = steps;
      reloadCurves();
    });
  });
  listenOnce.observe(plot, { childList: true });
}

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

function takeRuns(runs) {
  for (const [id, run] of Object.entries(runs)) {
    if (run) liveState.runs.set(id, run);
    else liveState.runs.delete(id);
    grown.add(id);
  }
  if (document.body.dataset.view === "board") {
    renderRunning();
    growth ??= setTimeout(() => {
      const ids = grown;
      grown = new Set();
      growth = null;
      growCurves(ids).catch((error) => showProblem(error.message));
    }, GROWTH_PAUSE);
  } else if (document.body.dataset.view === "run") runHasChanged(runs);
}

function takeExperiments(versions) {
  const { view } = document.body.dataset;
  const { name } = openedExperiment();
  Object.assign(liveState.versions, versions);
  if (name !== null && name in versions) {
    if (view === "board") reloadExperiment();
    else forgetExperiment();
  }
  if (view === "run") runsExperimentHasChanged(versions);
  loadCardsSoon();
}

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
  redrawBy(LIVE_PARTS, () => loadShown());
  listenToCurves();
  listen();
  state.theme = new URLSearchParams(location.hash.slice(1)).get("theme") ?? "auto";
  renderTheme();
  addEventListener("hashchange", openView); // also while the first view is loaded
  byId("plotly").addEventListener("load", () => changed("figures"));
  try {
    const cards = loadCards();
    if (new URLSearchParams(location.hash.slice(1)).has("experiment")) await openView();
    await cards;
    if (["", "overview"].includes(document.body.dataset.view)) await openView();
    renderExperimentChoice();
    if (document.body.dataset.view === "board") changed("refreshed");
  } catch (error) {
    showProblem(error.message);
  }
  listenToServer({
    events: { hello: takeHello, runs: takeRuns, experiments: takeExperiments },
    lost: () => showConnection(false),
  });
}

startLivePage();
