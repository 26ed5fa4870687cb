// The rows of a long table that are on the page: those in view, and some around them.

import { element, fill } from "./values.js";

const USUAL_HEIGHT = 41; // pixels of a row that was not drawn yet,
const TALLEST_VIEW = 640; // and at least so many are drawn
const AROUND = 14; // rows that are drawn above and below those in view
const FEW_ROWS = 60; // up to so many are all drawn, so that the browser finds texts in them

/**
 * The rows from `first` to before `end` that are in view, with some around them, and the pixels above and below.
 * @param {number[]} heights
 * @param {number} top
 * @param {number} bottom
 * @param {number} around
 */
export function rowsBetween(heights, top, bottom, around = AROUND) {
  let first = 0;
  let above = 0;
  while (first < heights.length - 1 && above + heights[first] <= top) above += heights[first++];
  let end = first;
  let reached = above;
  while (end < heights.length && reached < bottom) reached += heights[end++];
  for (let i = 0; i < around && first > 0; i++) above -= heights[--first];
  for (let i = 0; i < around && end < heights.length; i++) reached += heights[end++];
  const below = heights.slice(end).reduce((sum, height) => sum + height, 0);
  return { first, end, above, below };
}

/** The body of a table in a frame that scrolls. */
export class VirtualRows {
  /** @param {HTMLElement} frame @param {HTMLElement} table */
  constructor(frame, table) {
    this.frame = frame;
    this.table = table;
    /** @type {number[]} */
    this.keys = []; // of all rows, in order
    /** @type {Map<number, number>} */
    this.heights = new Map(); // by key, of rows that were drawn
    /** @type {Map<number, HTMLElement[]>} */
    this.drawn = new Map(); // by key, the elements that are on the page
    /** @type {any} */
    this.head = null;
    /** @type {number | undefined} */
    this.width = undefined; // of the frame
    /** @type {(key: number) => any[]} */
    this.draw = (/** @type {number} */ _key) => [];
    /** @type {number[]} */
    this.widths = [];
    this.isAll = false;
    /** @type {HTMLElement} */
    this.rows = element("tbody", {});
    this.spaces = [spaceBody(), spaceBody()];
    let isWaiting = false;
    frame.addEventListener("scroll", () => {
      if (isWaiting) return;
      isWaiting = true;
      requestAnimationFrame(() => {
        isWaiting = false;
        this.update();
      });
    });
    new ResizeObserver(() => this.forgetWidths()).observe(frame);
    addEventListener("beforeprint", () => this.drawAll(true));
    addEventListener("afterprint", () => this.drawAll(false));
  }

  /**
   * Show other rows: `draw` gives the elements of one by its key.
   * @param {HTMLElement} head
   * @param {number[]} keys
   * @param {(key: number) => HTMLElement[]} draw
   */
  show(head, keys, draw) {
    const titles = (/** @type {any} */ one) => one?.textContent ?? "";
    if (titles(head) !== titles(this.head)) this.widths = [];
    Object.assign(this, { head, keys, draw });
    this.drawn.clear();
    fill(this.rows);
    fill(this.table, head, this.spaces[0], this.rows, this.spaces[1]);
    this.table.setAttribute("aria-rowcount", String(keys.length + 1));
    this.update();
  }

  /** Draw the rows that came into view, and remove those that left it. */
  update() {
    const heights = this.keys.map((key) => this.heights.get(key) ?? USUAL_HEIGHT);
    const top = this.frame.scrollTop;
    const bottom =
      this.isAll || this.keys.length <= FEW_ROWS
        ? Infinity
        : top + Math.max(this.frame.clientHeight, TALLEST_VIEW);
    const from = bottom === Infinity ? 0 : top;
    const { first, end, above, below } = rowsBetween(heights, from, bottom);
    const wanted = this.keys.slice(first, end);
    this.replaceRows(wanted, first);
    this.keepWidths(above + below > 0);
    const change = this.measure(wanted, heights.slice(first, end), above, top);
    setSpace(this.spaces[0], above);
    setSpace(this.spaces[1], below);
    if (change) this.frame.scrollTop = top + change;
  }

  /** @param {number[]} wanted @param {number} first */
  replaceRows(wanted, first) {
    const stays = new Set(wanted);
    for (const [key, elements] of this.drawn) {
      if (stays.has(key)) continue;
      for (const one of elements) one.remove();
      this.drawn.delete(key);
    }
    /** @type {ChildNode | null} */
    let at = this.rows.firstChild;
    wanted.forEach((key, i) => {
      const known = this.drawn.get(key);
      const elements = known ?? this.draw(key);
      if (!known) this.drawn.set(key, elements);
      elements[0].setAttribute("aria-rowindex", String(first + i + 2));
      for (const one of elements) {
        if (one === at) at = one.nextSibling;
        else this.rows.insertBefore(one, at);
      }
    });
  }

  /**
   * Note how high the rows are; returns how much higher those above the view are than was thought.
   * @param {number[]} keys
   * @param {number[]} guesses
   * @param {number} above
   * @param {number} top
   */
  measure(keys, guesses, above, top) {
    let reached = above;
    let change = 0;
    keys.forEach((key, i) => {
      const height = (this.drawn.get(key) ?? []).reduce(
        (/** @type {number} */ sum, /** @type {any} */ one) => sum + one.offsetHeight,
        0,
      );
      if (!height) return; // the table is not to be seen
      if (reached + guesses[i] <= top) change += height - guesses[i];
      reached += guesses[i];
      this.heights.set(key, height);
    });
    return change;
  }

  /**
   * A column never becomes narrower while one scrolls.
   * @param {boolean} isLong
   */
  keepWidths(isLong) {
    if (!isLong) return;
    const titles = [...this.head.querySelectorAll("th")];
    const widths = titles.map((one) => one.offsetWidth);
    titles.forEach((one, i) => {
      this.widths[i] = Math.max(this.widths[i] ?? 0, widths[i]);
      one.style.minWidth = `${this.widths[i]}px`;
    });
  }

  forgetWidths() {
    const isNarrower = this.width !== undefined && this.frame.clientWidth !== this.width;
    this.width = this.frame.clientWidth;
    if (!isNarrower) return;
    this.widths = [];
    for (const one of this.head?.querySelectorAll("th") ?? []) one.style.minWidth = "";
    this.heights.clear();
    this.update();
  }

  /** @param {boolean} isAll */
  drawAll(isAll) {
    this.isAll = isAll;
    this.update();
  }

  /**
   * Scroll until a row is in view.
   * @param {number} key
   */
  scrollTo(key) {
    const before = this.keys.slice(0, Math.max(this.keys.indexOf(key), 0));
    const above = before.reduce((sum, one) => sum + (this.heights.get(one) ?? USUAL_HEIGHT), 0);
    this.frame.scrollTop = Math.max(0, above - this.frame.clientHeight / 3);
    this.update();
  }
}

function spaceBody() {
  return element("tbody", { class: "space", "aria-hidden": "true" }, element("tr", {}, element("td", {})));
}

/** @param {any} body @param {number} height */
function setSpace(body, height) {
  body.hidden = height <= 0;
  body.firstChild.firstChild.style.height = `${Math.max(height, 0)}px`;
}
