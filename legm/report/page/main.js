// The report: its content is in the page.

import { openAddress } from "./address.js";
import { isInView, listen, PARTS, showAddress } from "./board.js";
import { knownDifferenceNote, knownSignificance } from "./known_differences.js";
import { redrawBy } from "./redraw.js";
import { experiment, installReport, state } from "./state.js";
import { renderTheme, turnTheme } from "./theme.js";
import { byId, element, everyElement, fill, firstElement, moment } from "./values.js";

function start() {
  redrawBy(PARTS, isInView);
  const content = JSON.parse(byId("content").textContent);
  installReport({ ...content, significance: knownSignificance, differenceNote: knownDifferenceNote });
  byId("bottom").textContent =
    `Made ${moment(state.report.made)} by legm ${state.report.legm} from the ${state.report.backend} backend. Drawn with plotly.js. This page needs no network.`;
  openAddress();
  if (!state.experiments.length) {
    byId("title").textContent = state.report.title;
    renderTheme();
    byId("theme").addEventListener("click", () => {
      turnTheme();
      renderTheme();
    });
    for (const part of everyElement(".second, #experiment-field")) part.hidden = true;
    fill(
      firstElement("main"),
      element("section", { class: "empty" }, "There are no experiments to show yet."),
    );
    return;
  }
  const roomy = experiment().varying.length <= 6 && matchMedia("(min-width: 1000px)").matches;
  byId("filters").open = roomy || Object.keys(state.filters).length > 0;
  listen();
  addEventListener("hashchange", () => {
    openAddress();
    showAddress();
  });
  showAddress();
}

start();
