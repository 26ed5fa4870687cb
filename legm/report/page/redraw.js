// Redraws the parts of the page that a change of the state concerns.

import { giveColours, writeAddress } from "./state.js";

let renderersByChange = {};
let afterwards = () => {};

/** Set which functions redraw the page after which change, and what is called after that. */
export function redrawBy(renderers, after = () => {}) {
  renderersByChange = renderers;
  afterwards = after;
}

/** Redraw the page after a change of the state. */
export function changed(what) {
  giveColours();
  for (const render of renderersByChange[what] ?? []) render();
  writeAddress();
  afterwards();
}
