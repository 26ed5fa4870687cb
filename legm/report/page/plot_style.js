// What all plots have in common: their colours, axes and buttons.

import { colourOf } from "./controls.js";

export function plotLayout() {
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    autosize: true,
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: colourOf("ink") },
    hoverlabel: {
      bgcolor: colourOf("raised"),
      bordercolor: colourOf("line"),
      font: { color: colourOf("ink"), size: 12 },
      namelength: -1,
      align: "left",
    },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colourOf("faint"), activecolor: colourOf("accent") },
  };
}

export function plotAxis() {
  const line = colourOf("line");
  return {
    gridcolor: line,
    zeroline: false,
    linecolor: line,
    showline: true,
    tickcolor: line,
    ticks: "outside",
    ticklen: 4,
    tickfont: { color: colourOf("faint"), size: 12 },
    automargin: true,
  };
}

/**
 * Let a plot fill its element, whose width may be another one than when it was drawn.
 * @param {any} plot
 */
export function fitPlot(plot) {
  if (plot.clientWidth && plot._fullLayout && Math.abs(plot._fullLayout.width - plot.clientWidth) > 1)
    Plotly.Plots.resize(plot);
}

const ARROW = { width: 24, height: 24, path: "M11 2h2v10h4l-5 6-5-6h4zM4 20h16v2H4z" };
const PICTURES = ["svg", "png"].map((format) => ({
  name: `Download as ${format.toUpperCase()}`,
  icon: ARROW,
  click: (/** @type {any} */ plot) => savePicture(plot, format),
}));
const BUTTONS = [PICTURES, ["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]];

/** @param {any} plot @param {string} format */
function savePicture(plot, format) {
  const { clientWidth: width, clientHeight: height } = plot;
  const filename = `legm-${plot.dataset.metric ?? plot.id.replace(/-plot$/, "")}`.replace(/[^\w.-]+/g, "-");
  Plotly.downloadImage(plot, { format, scale: format === "png" ? 2 : 1, width, height, filename });
}

/** The options of every plot; always the same ones, since Plotly forgets a zoom when they change. */
export function plotOptions() {
  return {
    responsive: true,
    displaylogo: false,
    plotlyServerURL: "", // nothing is sent anywhere
    modeBarButtons: BUTTONS,
  };
}
