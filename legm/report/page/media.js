// The pictures, sounds, tables and the like of the ticked configurations, side by side at one step.

import { LONGEST_CHIP } from "./controls.js";
import { plotOptions } from "./plot_style.js";
import { changed } from "./redraw.js";
import { sortedTable } from "./sorted_table.js";
import { experiment, look, state } from "./state.js";
import { breakable, byId, counted, distinct, element, fill, short } from "./values.js";

const HISTOGRAM = { width: 300, height: 120 };

export function renderMedia() {
  const { mediaNames } = experiment();
  byId("media").hidden = !mediaNames.length;
  if (!mediaNames.length) return;
  const name = state.medium ?? mediaNames[0];
  const rows = state.shown.filter((row) => mediumOf(row, name));
  const steps = mediaSteps(rows, name);
  const at = mediaStepIndex(steps);
  fill(byId("media-names"), ...mediaChips(mediaNames, name));
  byId("media-steps").hidden = steps.length < 2;
  Object.assign(byId("media-step"), { max: Math.max(steps.length - 1, 0), value: at });
  byId("media-step-text").textContent = steps.length ? steps[at].toLocaleString("en") : "";
  byId("media-empty").hidden = rows.length > 0;
  byId("media-empty").textContent = state.shown.length
    ? "None of the ticked configurations has any of this name."
    : "Tick configurations in the leaderboard to see theirs here.";
  byId("media-note").textContent = rows.length ? mediaNote(rows, name) : "";
  for (const old of document.querySelectorAll("#media-cards .figure")) Plotly.purge(old);
  fill(byId("media-cards"), ...rows.map((row) => mediaCard(row, name, steps[at])));
  drawFigures(byId("media-cards"));
}

/**
 * Draw the figures of Plotly's that runs have logged.
 * @param {Element} parent
 */
export function drawFigures(parent) {
  for (const made of parent.querySelectorAll(".figure")) drawFigure(made);
}

/** @param {number} row @param {string} name */
function mediumOf(row, name) {
  const own = experiment().loaded(row);
  const names = own?.of.rows[own.row].media.names;
  return names && Object.hasOwn(names, name) ? names[name] : null;
}

/**
 * The steps at which any of the rows has something on this page.
 * @param {number[]} rows
 * @param {string} name
 */
function mediaSteps(rows, name) {
  const steps = rows.flatMap((row) => mediumOf(row, name)?.shown.map((one) => one.step) ?? []);
  return [...new Set(steps)].sort((a, b) => a - b);
}

/**
 * The chosen step, or the last one before it; by default the last one.
 * @param {number[]} steps
 */
function mediaStepIndex(steps) {
  const { step: wanted } = state;
  const before = wanted === null ? steps.length : steps.filter((step) => step <= wanted).length;
  return Math.max(before - 1, 0);
}

/** @param {number} index */
export function chooseMediaStep(index) {
  const name = state.medium ?? experiment().mediaNames[0];
  const rows = state.shown.filter((row) => mediumOf(row, name));
  const steps = mediaSteps(rows, name);
  state.step = index === steps.length - 1 ? null : steps[index];
  changed("media");
}

/** @param {string[]} names @param {string} chosen */
function mediaChips(names, chosen) {
  const brief = distinct(names, LONGEST_CHIP);
  return names.map((name, i) =>
    element(
      "button",
      {
        type: "button",
        class: "chip",
        "aria-pressed": String(name === chosen),
        title: name,
        click: () => {
          Object.assign(state, { medium: name === names[0] ? null : name, step: null });
          changed("media");
        },
      },
      brief[i],
    ),
  );
}

/** @param {number[]} rows @param {string} name */
function mediaNote(rows, name) {
  const notes = ["of one run each, the newest completed one that has any"];
  const every = rows.map((row) => mediumOf(row, name)).filter((one) => one !== null);
  const fewer = every.filter((one) => one.shown.length < one.steps);
  if (fewer.length) {
    const [most] = fewer.sort((a, b) => b.steps - a.steps);
    notes.push(`at ${most.shown.length} of up to ${counted(most.steps, "step")}`);
  }
  return notes.join("; ");
}

/** @param {number} row @param {string} name @param {number} step */
function mediaCard(row, name, step) {
  const own = /** @type {any} */ (experiment().loaded(row)); // only what is loaded has media
  const swatch = element("span", { class: "swatch" });
  swatch.style.background = look(row).color;
  const media = own.of.rows[own.row].media;
  const made = mediaArticle(experiment().brief(row), swatch, media, name, step);
  made.querySelector("h3").title = experiment().label(row);
  return made;
}

/**
 * The media with a name of a run at a step, or the last ones before it.
 * @param {string} title
 * @param {Child} swatch
 * @param {RowMedia} content
 * @param {string} name
 * @param {number} step
 */
export function mediaArticle(title, swatch, { run, status, names }, name, step) {
  const { shown } = names[name];
  const before = shown.filter((one) => one.step <= step);
  const medium = before.at(-1);
  const facts = [`run ${run.slice(-6)}${status === "completed" ? "" : `, ${status}`}`];
  if (medium) facts.push(`step ${medium.step.toLocaleString("en")}`);
  const files = medium ? medium.files.map((file) => mediaFile(file)) : [];
  if (!medium) files.push(element("p", { class: "faint" }, `Nothing up to step ${step}.`));
  if (medium?.left) files.push(element("p", { class: "faint" }, `and ${counted(medium.left, "file")} more`));
  return element(
    "article",
    { class: "card" },
    element("h3", {}, swatch, swatch ? " " : null, breakable(title)),
    element("p", { class: "faint", title: run }, facts.join(" · ")),
    element("div", { class: "files" }, ...files),
  );
}

/** @param {any} file */
function mediaFile(file) {
  const content = file.digest ? state.report.media[file.digest] : null;
  const caption = file.caption ?? "";
  return element(
    "figure",
    {},
    content ? mediaContent(content, caption) : element("p", { class: "faint" }, file.why),
    caption ? element("figcaption", {}, caption) : null,
  );
}

/** @param {any} content @param {string} caption */
function mediaContent(content, caption) {
  if (content.picture) return pictureOf(content, caption);
  if (content.plotly) return element("div", { class: "figure", "data-figure": content.plotly });
  if (content.audio) return element("audio", { controls: true, preload: "metadata", src: content.audio });
  if (content.video) return element("video", { controls: true, preload: "metadata", src: content.video });
  if (content.edges) return histogramOf(content);
  if (content.columns) return tableOf(content);
  const rest = content.left ? `… and ${counted(content.left, "letter")} more` : "";
  return element("pre", {}, content.text, rest);
}

/**
 * A picture; small ones are enlarged without blurring.
 * @param {{picture: string, width: number, height: number}} content
 * @param {string} caption
 */
function pictureOf({ picture, width, height }, caption) {
  const made = element("img", {
    src: picture,
    alt: caption,
    title: `${width} × ${height} pixels`,
    class: Math.max(width, height) <= 128 ? "pixels" : null,
  });
  made.style.aspectRatio = `${width} / ${height}`;
  return made;
}

/** @param {{edges: number[], counts: number[]}} content */
function histogramOf({ edges, counts }) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const [low, high] = [edges[0], edges[edges.length - 1]];
  const most = counts.reduce((a, b) => Math.max(a, b), 0) || 1;
  const { width, height } = HISTOGRAM;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("role", "img");
  counts.forEach((count, i) => {
    const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const left = ((edges[i] - low) / (high - low || 1)) * width;
    const right = ((edges[i + 1] - low) / (high - low || 1)) * width;
    const size = (count / most) * height;
    for (const [key, value] of Object.entries({
      x: left,
      y: height - size,
      width: right - left,
      height: size,
    }))
      bar.setAttribute(key, String(value));
    svg.append(bar);
  });
  const total = counts.reduce((a, b) => a + b, 0);
  return element(
    "div",
    { class: "histogram" },
    svg,
    element(
      "div",
      { class: "faint" },
      element("span", {}, short(low)),
      element("span", {}, counted(total, "value")),
      element("span", {}, short(high)),
    ),
  );
}

/** @param {{columns: string[], rows: string[][], count: number}} content */
function tableOf({ columns, rows, count }) {
  const rest = count - rows.length;
  return element(
    "div",
    {},
    sortedTable(columns, rows, { label: "Table", cell: (text) => text }),
    rest > 0 ? element("p", { class: "faint" }, `and ${counted(rest, "row")} more`) : null,
  );
}

/**
 * Draw a figure of Plotly's that a run logged; one that Plotly does not accept is said.
 * @param {any} made
 */
function drawFigure(made) {
  const failed = () => fill(made, element("p", { class: "faint" }, "Plotly cannot draw this figure."));
  try {
    const { data, layout } = JSON.parse(made.dataset.figure);
    const margin = { l: 44, r: 12, t: layout?.title ? 46 : 30, b: 40 };
    const size = { autosize: true, width: undefined, height: 300, margin };
    Plotly.newPlot(made, data, { ...layout, ...size }, plotOptions()).catch(failed);
  } catch {
    failed();
  }
}
