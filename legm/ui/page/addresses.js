// The addresses of the views.

import { queryOf } from "./server.js";

/**
 * The address of a run's view.
 * @param {RunName} run
 */
export function runAddress(run) {
  const { experiment: name, fingerprint, id, baseline } = run;
  const more = baseline && baseline !== fingerprint ? { baseline } : {};
  return `#${queryOf({ view: "run", experiment: name, of: fingerprint, run: id, ...more })}`;
}

/**
 * The address of the view of a run's configuration.
 * @param {any} run
 */
export function configurationAddress(run) {
  const id = `${run.fingerprint.split("-").pop().slice(0, 12)}.${run.description}`;
  const shown = JSON.stringify([id]);
  return `#${queryOf({ view: "configuration", experiment: run.experiment, shown })}`;
}

/**
 * The address of an experiment's view.
 * @param {string} name
 */
export function experimentAddress(name) {
  return `#${queryOf({ experiment: name })}`;
}
