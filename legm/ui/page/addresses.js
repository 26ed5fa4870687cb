// The addresses of the views.

import { queryOf } from "./server.js";

/** The address of a run's view. */
export function runAddress(run) {
  const { experiment: name, fingerprint, id } = run;
  return `#${queryOf({ view: "run", experiment: name, of: fingerprint, run: id })}`;
}

/** The address of an experiment's view. */
export function experimentAddress(name) {
  return `#${queryOf({ experiment: name })}`;
}
