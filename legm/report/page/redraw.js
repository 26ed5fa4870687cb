// Redraws the parts of the page that a change of the state concerns.

import { giveColours, writeAddress } from "./state.js";

let renderersByChange = {};

/** Set which functions redraw the page after which change. */
export function redrawBy(renderers) {
  renderersByChange = renderers;
}

/** Redraw the page after a change of the state. */
export function changed(what) {
  giveColours();
  for (const render of renderersByChange[what]) render();
  writeAddress();
}
