// Redraws the parts of the page that a change of the state concerns.

import { writeAddress } from "./address.js";
import { giveColours, state } from "./state.js";

/**
 * Set which functions redraw the page after which change, which are to be seen, and what is called after that.
 * @param {Record<string, Render[]>} renderers
 * @param {(render: Render) => boolean} isInView
 * @param {() => void} after
 */
export function redrawBy(renderers, isInView, after = () => {}) {
  state.redrawing = { renderers, isInView, after };
}

/**
 * Redraw the page after a change of the state.
 * @param {string} what
 */
export function changed(what) {
  const { renderers, isInView, after } = state.redrawing;
  giveColours();
  for (const render of renderers[what] ?? []) if (isInView(render)) render();
  writeAddress();
  after();
}
