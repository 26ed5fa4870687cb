// What went wrong between the page and the server, where the user sees it.

import { byId, element, fill } from "./values.js";

/**
 * Show a problem above everything else; "" for none.
 * @param {string} text
 */
export function showProblem(text) {
  const known = byId("problem");
  if (!text) {
    known?.remove();
    return;
  }
  const shown = known ?? element("div", { id: "problem", role: "alert" });
  fill(
    shown,
    element("span", {}, text),
    element("button", { type: "button", class: "quiet", click: () => shown.remove() }, "Close"),
  );
  if (!known) document.body.prepend(shown);
}

/**
 * Show whether the server answers.
 * @param {boolean} isConnected
 */
export function showConnection(isConnected) {
  const known = byId("connection");
  if (isConnected) {
    known?.remove();
    return;
  }
  if (known) return;
  document.body.prepend(
    element(
      "div",
      { id: "connection", role: "status" },
      "The server does not answer. What is shown may be old; the page connects again by itself. ",
      "If legm ui was ended, start it again.",
    ),
  );
}
