// Redraws the parts of the page that a change of the state concerns.

import { writeAddress } from "./address.js";
import { giveColours } from "./state.js";

let renderersByChange = {};
let isShown = (_render) => true;
let afterwards = () => {};

/** Set which functions redraw the page after which change, which are to be seen, and what is called after that. */
export function redrawBy(renderers, isInView, after = () => {}) {
  renderersByChange = renderers;
  isShown = isInView;
  afterwards = after;
}

/** Redraw the page after a change of the state. */
export function changed(what) {
  giveColours();
  for (const render of renderersByChange[what] ?? []) if (isShown(render)) render();
  writeAddress();
  afterwards();
}
