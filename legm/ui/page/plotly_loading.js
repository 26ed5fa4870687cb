// Loads what draws the plots, after the first view is on the page: it takes the browser longer than all else.

import { liveState } from "./live_state.js";
import { element } from "./values.js";

/** Load it, once; resolves when plots can be drawn. */
export function loadPlotly() {
  liveState.plotly ??= new Promise((resolve, reject) => {
    const script = element("script", { src: "page/plotly.js", id: "plotly", load: resolve });
    script.addEventListener("error", () => {
      liveState.plotly = null; // so that the next one tries again
      script.remove();
      reject(new Error("The server does not give plotly.js: reload the page for the plots"));
    });
    document.head.append(script);
  });
  return liveState.plotly;
}
