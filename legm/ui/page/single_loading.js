// The curves of every run, asked for where the user wants each by itself.

import { renderCurves } from "./curves.js";
import { liveState } from "./live_state.js";
import { curveDetail } from "./loading.js";
import { showProblem } from "./problems.js";
import { ask } from "./server.js";
import { experiment, state } from "./state.js";
import { decoded, messageOf } from "./values.js";

/**
 * By row and metric, the curves of the runs; the last ones until newer ones are there, null without any.
 * @param {number[]} rows
 * @param {string[]} metrics
 */
export function singleCurves(rows, metrics) {
  const chosen = experiment();
  const { version } = chosen.content;
  const view = [state.x, state.zoom, state.smoothing];
  const key = JSON.stringify([chosen.name, version, rows, metrics, view, liveState.singles.growth]);
  if (liveState.singles.key !== key) {
    liveState.singles.key = key;
    load(chosen, key, rows, metrics);
  }
  return liveState.singles.of === chosen ? liveState.singles.curves : null;
}

/** Ask again, since running runs have new values. */
export function growSingleCurves() {
  liveState.singles.growth += 1;
}

/** @param {Experiment} chosen @param {string} key @param {number[]} rows @param {string[]} metrics */
async function load(chosen, key, rows, metrics) {
  try {
    const found = await ask("api/single-curves", {
      experiment: chosen.name,
      fingerprint: [...new Set(rows.map((row) => chosen.configuration(row).fingerprint))],
      metric: metrics,
      x: state.x,
      ...curveDetail(),
    });
    if (liveState.singles.key !== key || experiment() !== chosen) return;
    const curves = new Map();
    for (const one of found) {
      const name = `${chosen.rowOf(one.fingerprint, one.description)} ${one.metric}`;
      const numbers = (/** @type {string | undefined} */ text) => text && Array.from(decoded(text));
      const curve = { ...one, x: numbers(one.x), y: numbers(one.y), smoothed: numbers(one.smoothed) };
      curves.set(name, [...(curves.get(name) ?? []), curve]);
    }
    Object.assign(liveState.singles, { of: chosen, curves });
    if (globalThis.Plotly) renderCurves();
  } catch (error) {
    showProblem(messageOf(error));
  }
}
