// The report: its content is in the page.

import { readAddress } from "./address.js";
import { isInView, listen, PARTS, showAddress } from "./board.js";
import { renderTheme } from "./controls.js";
import { redrawBy } from "./redraw.js";
import { experiment, experiments, installReport, isDark, report, state } from "./state.js";
import { byId, element, everyElement, fill, moment } from "./values.js";

function start() {
  redrawBy(PARTS, isInView);
  installReport(JSON.parse(byId("content").textContent));
  byId("bottom").textContent =
    `Made ${moment(report.made)} by legm ${report.legm} from the ${report.backend} backend. Drawn with plotly.js. This page needs no network.`;
  readAddress();
  if (!experiments.length) {
    byId("title").textContent = report.title;
    renderTheme();
    byId("theme").addEventListener("click", () => {
      state.theme = isDark() ? "light" : "dark";
      renderTheme();
    });
    for (const part of everyElement(".second, #experiment-field")) part.hidden = true;
    fill(
      document.querySelector("main"),
      element("section", { class: "empty" }, "There are no experiments to show yet."),
    );
    return;
  }
  const roomy = experiment().varying.length <= 6 && matchMedia("(min-width: 1000px)").matches;
  byId("filters").open = roomy || Object.keys(state.filters).length > 0;
  listen();
  addEventListener("hashchange", () => {
    readAddress();
    showAddress();
  });
  showAddress();
}

start();
