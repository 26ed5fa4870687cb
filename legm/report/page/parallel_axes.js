// The handles of the axes of the parallel coordinates: they are dragged, turned round, and brushed.

import { inOrder, LEFT_OF_AXES, widthOfAxes } from "./parallel_scales.js";
import { changed } from "./redraw.js";
import { state } from "./state.js";
import { arrowWithAlt, byId, element, fill, moved } from "./values.js";

const SIDES = 12; // pixels left and right of the plot together
const BRUSH_WIDTH = 26; // pixels
const SHORTEST_BRUSH = 5; // pixels that the pointer has to go
const DRAGGED = "text/x-legm-axis";

/**
 * Put the handles over the plot, whose y axis goes from `low` to `high` below `top` pixels of titles.
 * @param {Scale[]} scales
 * @param {AxesGeometry} content
 */
export function renderHandles(scales, { top, height, bottom, low, high }) {
  const geometry = { top, length: height - top - bottom, low, high };
  const width = widthOfAxes(scales.length);
  const handles = scales.flatMap((scale, i) => {
    const left = (/** @type {number} */ share) =>
      `calc(${SIDES / 2}px + (100% - ${SIDES}px) * ${(i + LEFT_OF_AXES + share) / width})`;
    const title = titleHandle(scale, scales);
    Object.assign(title.style, { left: left(-0.5), height: `${top}px` });
    title.style.width = `calc((100% - ${SIDES}px) / ${width})`;
    const zone = brushZone(scale, geometry);
    Object.assign(zone.style, { left: left(0), top: `${top}px`, height: `${geometry.length}px` });
    return [title, zone];
  });
  fill(byId("parallel-handles"), ...handles);
}

/**
 * A click turns an axis round; a drag, or Alt with an arrow, moves it. The metric's stays the last one.
 * @param {Scale} scale
 * @param {Scale[]} scales
 */
function titleHandle(scale, scales) {
  const isReversed = state.reversed.includes(scale.id);
  const moves = scale.isMetric ? "" : "; a drag or Alt with ← and → moves it";
  const button = element("button", {
    type: "button",
    class: "axis-handle",
    "data-axis-handle": scale.id,
    "aria-pressed": String(isReversed),
    "aria-label": `Axis ${scale.title}, upside down`,
    title: `${scale.title}: a click turns it round${moves}`,
    click: () => {
      state.reversed = isReversed
        ? state.reversed.filter((one) => one !== scale.id)
        : [...state.reversed, scale.id];
      redraw(scale.id);
    },
  });
  if (scale.isMetric) return button;
  const names = scales.filter((one) => !one.isMetric).map((one) => one.id);
  const moveTo = (/** @type {string} */ name, /** @type {number} */ to) => {
    const from = names.indexOf(name);
    if (from < 0 || to < 0) return;
    state.axes = moved(names, from, to);
    redraw(name);
  };
  button.draggable = true;
  button.addEventListener("keydown", (/** @type {any} */ event) => {
    const by = arrowWithAlt(event);
    if (!by) return;
    event.preventDefault();
    moveTo(scale.id, Math.max(names.indexOf(scale.id) + by, 0));
  });
  button.addEventListener("dragstart", (/** @type {any} */ event) =>
    event.dataTransfer.setData(DRAGGED, scale.id),
  );
  button.addEventListener("dragover", (/** @type {any} */ event) => {
    if (event.dataTransfer.types.includes(DRAGGED)) event.preventDefault();
  });
  button.addEventListener("drop", (/** @type {any} */ event) => {
    event.preventDefault();
    moveTo(event.dataTransfer.getData(DRAGGED), names.indexOf(scale.id));
  });
  return button;
}

/** @param {string} name */
function redraw(name) {
  changed("axes");
  const again = [...byId("parallel-handles").children].find((one) => one.dataset.axisHandle === name);
  again?.focus({ preventScroll: true });
}

/**
 * Where a drag along an axis selects values, and a click selects all again.
 * @param {Scale} scale
 * @param {{length: number, low: number, high: number}} content
 */
function brushZone(scale, { length, low, high }) {
  const heightAt = (/** @type {number} */ pixels) =>
    high - (Math.min(Math.max(pixels, 0), length) / length) * (high - low);
  const pixelsAt = (/** @type {number} */ height) => ((high - height) / (high - low)) * length;
  const mark = element("div", { class: "brush", hidden: true });
  const show = (/** @type {number} */ one, /** @type {number} */ other) => {
    mark.hidden = false;
    mark.style.top = `${Math.min(one, other)}px`;
    mark.style.height = `${Math.max(Math.abs(one - other), 2)}px`;
  };
  const zone = element("div", { class: "brush-zone", title: "Drag along the axis to select values" }, mark);
  zone.style.width = `${BRUSH_WIDTH}px`;
  const known = state.brushes[scale.id] && scale.extent(state.brushes[scale.id]);
  if (known) show(pixelsAt(known[0]), pixelsAt(known[1]));
  zone.addEventListener("pointerdown", (/** @type {any} */ event) => {
    event.preventDefault();
    zone.setPointerCapture(event.pointerId);
    const start = event.offsetY;
    const top = event.clientY - start;
    const move = (/** @type {any} */ now) => show(start, Math.min(Math.max(now.clientY - top, 0), length));
    const end = (/** @type {any} */ now) => {
      zone.removeEventListener("pointermove", move);
      const last = now.clientY - top;
      const { [scale.id]: _, ...rest } = state.brushes;
      const range = inOrder(heightAt(start), heightAt(last));
      const isBrush = Math.abs(last - start) >= SHORTEST_BRUSH;
      state.brushes = isBrush ? { ...rest, [scale.id]: scale.brush(range) } : rest;
      changed("axes");
    };
    zone.addEventListener("pointermove", move);
    zone.addEventListener("pointerup", end, { once: true });
  });
  return zone;
}

/**
 * The metric's axis, which stays in view where the axes are wider than the page.
 * @param {Scale} scale
 * @param {AxesGeometry} content
 */
export function renderMetricAxis(scale, { top, height, bottom, low, high }) {
  const frame = byId("parallel-frame");
  const part = byId("parallel-metric");
  part.hidden = frame.scrollWidth <= frame.clientWidth + 1;
  if (part.hidden) return;
  const length = height - top - bottom;
  const labels = scale.ticks.map((tick) => {
    const label = element("span", {}, tick.text);
    label.style.top = `${top + ((high - tick.at) / (high - low)) * length}px`;
    return label;
  });
  fill(part, element("strong", {}, scale.title), ...labels);
}
