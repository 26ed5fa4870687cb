// Loads an experiment and what is shown of its configurations, and loads it again when it has changed.

import { readAddress, writeAddress } from "./address.js";
import { runAddress } from "./addresses.js";
import { Experiment } from "./content.js";
import { isEachRun } from "./curve_traces.js";
import { liveState } from "./live_state.js";
import { showProblem } from "./problems.js";
import { changed } from "./redraw.js";
import { ask } from "./server.js";
import { growSingleCurves } from "./single_loading.js";
import { defaultCurves, experiment, installReport, renumberColours, state } from "./state.js";
import { byId, messageOf } from "./values.js";

const MOST_AT_ONCE = 20; // configurations in one question
const SHORTEST_PAUSE = 400; // ms between two loads of one experiment

/**
 * Load an experiment, and show it by the address; what was loaded of another one is forgotten.
 * @param {string} name
 * @param {string} where
 */
export async function openExperiment(name, where) {
  const content = await ask("api/experiment", askedBy(name, where));
  liveState.loading = { name, where, promise: null, isStale: false, last: performance.now() };
  liveState.stale.clear();
  liveState.asked.clear();
  installExperiment(content, where);
  if (isOutdated(content)) reloadExperiment();
}

/** @param {string} name @param {string} where */
function askedBy(name, where) {
  return { name, where: where ? [where] : [] };
}

/** What is selected of the experiment that is shown, as a question has it. */
export function selection() {
  return askedBy("", liveState.loading.where).where;
}

/** Load the runs that are not completed, where they are not loaded yet. */
export async function loadUnfinished() {
  const chosen = experiment();
  if (!chosen?.isPartial || chosen.content.runs || liveState.unfinishedOf === chosen) return;
  liveState.unfinishedOf = chosen;
  try {
    const { runs, version } = await ask(
      "api/unfinished",
      askedBy(liveState.loading.name, liveState.loading.where),
    );
    if (experiment() !== chosen) return;
    if (version !== chosen.content.version) {
      reloadExperiment();
      return;
    }
    chosen.replaceRuns(runs);
    changed("unfinished");
  } catch (error) {
    showProblem(messageOf(error));
  }
}

/**
 * Whether an experiment has changed since its content was made.
 * @param {any} content
 */
export function isOutdated(content) {
  return (liveState.versions[content.name] ?? 0) > content.version;
}

/** The name and the selection of the experiment that is shown. */
export function openedExperiment() {
  return liveState.loading;
}

/** Load the experiment again when it is opened next. */
export function forgetExperiment() {
  liveState.loading = { name: null, where: "", promise: null, isStale: false, last: 0 };
}

/** @param {any} content @param {string} where */
function installExperiment(content, where) {
  installReport({
    title: liveState.title,
    backend: liveState.backend,
    legm: liveState.legm,
    made: Date.now() / 1000,
    isLive: true,
    where: where || undefined,
    media: {},
    experiments: [content],
    runAddress: (/** @type {string} */ fingerprint, /** @type {string} */ id) =>
      runAddress({ experiment: content.name, fingerprint, id, baseline: baselineFingerprint() }),
    ...liveState.rowParts,
  });
}

/** The fingerprint of A, where the user has chosen it. */
function baselineFingerprint() {
  const [a] = state.pair;
  return state.paired && a !== null ? experiment().configuration(a).fingerprint : "";
}

/** Load the shown experiment again, soon, since something in it has changed. */
export function reloadExperiment() {
  if (liveState.loading.promise) {
    liveState.loading.isStale = true;
    return;
  }
  const wait = Math.max(0, SHORTEST_PAUSE - (performance.now() - liveState.loading.last));
  const { name, where } = liveState.loading;
  liveState.loading.promise = new Promise((resolve) => setTimeout(resolve, wait))
    .then(() =>
      Promise.all(["experiment", "unfinished"].map((one) => ask(`api/${one}`, askedBy(name, where)))),
    )
    .then(([content, unfinished]) => {
      if (unfinished.version === content.version) content.runs = unfinished.runs;
      if (name === liveState.loading.name && where === liveState.loading.where)
        replaceExperiment(content, where);
    })
    .catch((error) => showProblem(error.message))
    .finally(() => {
      if (name !== liveState.loading.name || where !== liveState.loading.where) return;
      const again = liveState.loading.isStale || isOutdated(experiment().content);
      Object.assign(liveState.loading, { promise: null, isStale: false, last: performance.now() });
      if (again) reloadExperiment();
    });
}

/**
 * Show newer content of the same experiment; choices, open rows and what was loaded stay.
 * @param {any} content
 * @param {string} where
 */
function replaceExperiment(content, where) {
  const before = experiment();
  const media = state.report.media;
  const kept = { unfinishedLimit: state.unfinishedLimit, equalToo: state.equalToo };
  const open = [...state.open].map((row) => before.id(row));
  writeAddress();
  installExperiment(content, where);
  Object.assign(state.report.media, media);
  experiment().parts = before.parts;
  experiment().replaceGroups(before.content.groups); // until the server has given newer ones
  for (const fingerprint of before.parts.keys()) liveState.stale.add(fingerprint);
  readAddress();
  Object.assign(state, kept);
  const rows = new Map(experiment().rows.map((_, row) => [experiment().id(row), row]));
  renumberColours((row) => rows.get(before.id(row)));
  state.open = new Set(open.map((id) => rows.get(id)).filter((row) => row !== undefined));
  changed("refreshed");
}

/** Load the configurations whose curves, runs or media are shown and not loaded yet. */
export async function loadShown() {
  const chosen = experiment();
  if (!chosen?.isPartial) return;
  const rows = [...state.shown, ...state.open, ...state.pair.filter((row) => row !== null)];
  const fingerprints = [...new Set(rows.map((row) => chosen.configuration(row).fingerprint))];
  const wanted = fingerprints
    .filter((one) => (!chosen.parts.has(one) || liveState.stale.has(one)) && !liveState.asked.has(one))
    .slice(0, MOST_AT_ONCE);
  if (!wanted.length) return;
  for (const one of wanted) {
    liveState.asked.add(one);
    liveState.stale.delete(one);
  }
  try {
    const parts = await ask("api/configurations", {
      experiment: chosen.name,
      fingerprint: wanted,
      ...curveDetail(),
    });
    if (experiment().name !== chosen.name) return;
    for (const part of parts) {
      experiment().parts.set(part.fingerprint, new Experiment(part.experiment));
      Object.assign(state.report.media, part.media);
    }
  } catch (error) {
    showProblem(messageOf(error));
    return;
  } finally {
    for (const one of wanted) liveState.asked.delete(one);
  }
  if (!state.curves.length) state.curves = defaultCurves();
  changed("loaded");
}

/** How much of each curve is wanted. */
export function curveDetail() {
  /** @type {Record<string, number>} */
  const detail = { buckets: Math.max(100, Math.round(byId("curves").clientWidth / 2)) };
  if (state.smoothing) detail.smoothing = state.smoothing;
  if (state.zoom) Object.assign(detail, { start: state.zoom[0], end: state.zoom[1] });
  return detail;
}

/** Load what is shown again, since another part of the curves is in view, or they are smoothed otherwise. */
export function reloadCurves() {
  for (const fingerprint of experiment().parts.keys()) liveState.stale.add(fingerprint);
  changed("curves");
}

/**
 * Get the curves of runs that have new values, where they are drawn.
 * @param {Iterable<string>} runIds
 */
export async function growCurves(runIds) {
  const chosen = experiment();
  const shown = new Map();
  for (const id of runIds) {
    const run = liveState.runs.get(id);
    const row = run && rowOfRun(chosen, run);
    if (row !== undefined && state.shown.includes(row)) shown.set(id, row);
  }
  if (!shown.size || !state.curves.length) return;
  if (isEachRun()) {
    growSingleCurves();
    changed("curves");
    return;
  }
  if (state.zoom || state.smoothing) {
    for (const row of shown.values()) liveState.stale.add(chosen.configuration(row).fingerprint);
    await loadShown();
    return;
  }
  const curves = await ask("api/live-curves", { run: [...shown.keys()], metric: state.curves });
  if (experiment() !== chosen) return;
  for (const curve of curves) {
    const loaded = chosen.loaded(shown.get(curve.id));
    loaded?.of.replaceUnfinished(loaded.row, { ...curve, status: "running" });
  }
  changed("curves");
}

/**
 * The row of a run; undefined if the leaderboard has none yet.
 * @param {Experiment|undefined} chosen
 * @param {RunningRun} run
 */
export function rowOfRun(chosen, run) {
  return run.experiment === chosen?.name ? chosen.rowOf(run.fingerprint, run.description) : undefined;
}
