// The axes of the parallel coordinates: the height of each row, the labels, and what a brush selects.

import { byValue } from "./controls.js";
import { chosenMetric, experiment, metricValue, state } from "./state.js";
import { compact, distinct } from "./values.js";

const FEW_VALUES = 10; // up to this many numbers are evenly spaced instead of on a scale
export const NOT_ACTIVE = -0.16; // the position of an inactive parameter,
const SPACE_BELOW = 0.1; // and the height over which its lines are spread

/**
 * Few values, or values that are not numbers, are evenly spaced; others are on a scale.
 * @param {Parameter} parameter
 * @param {number[]} rows
 * @returns {Scale}
 */
export function parameterScale(parameter, rows) {
  const own = new Map(rows.map((row) => [row, experiment().state(parameter, row)]));
  const states = [...new Set(own.values())].filter(Boolean).sort((a, b) => byValue(parameter, a, b));
  const numeric = states.every((one) => parameter.number(one) !== null);
  const scale =
    numeric && states.length > FEW_VALUES
      ? numberScale(states.map((one) => parameter.number(one) ?? NaN))
      : null;
  const heights = scale ? null : sideBySide(own, states, rows);
  const without = rows.filter((row) => !own.get(row)).reverse();
  const aside = new Map(
    without.map((row, k) => [
      row,
      NOT_ACTIVE + SPACE_BELOW * (without.length > 1 ? k / (without.length - 1) - 0.5 : 0),
    ]),
  );
  const ticks = scale ? scale.ticks : valueTicks(parameter, states);
  const inactive = without.length > 0;
  const texts = states.map((one) => parameter.text(one));
  const stateOf = (/** @type {number} */ row) => own.get(row) ?? 0;
  const numberOf = (/** @type {number} */ row) => (stateOf(row) ? parameter.number(stateOf(row)) : null);
  const textOf = (/** @type {number} */ row) => (stateOf(row) ? parameter.text(stateOf(row)) : null);
  const heightOf = (/** @type {number} */ row) => heights?.get(row) ?? scale?.at(numberOf(row) ?? NaN) ?? NaN;
  return {
    id: parameter.name,
    title: parameter.name,
    ...(scale ? numberBrush(scale, numberOf) : valueBrush(texts, textOf)),
    inactive,
    ticks: inactive ? [...ticks, { at: NOT_ACTIVE, text: "inactive" }] : ticks,
    at: (row) => (stateOf(row) ? heightOf(row) : (aside.get(row) ?? NaN)),
  };
}

/**
 * The lines of one value are ordered by the metric, so that they can be distinguished.
 * @param {Map<number, number>} own
 * @param {number[]} states
 * @param {number[]} rows
 */
function sideBySide(own, states, rows) {
  const heights = new Map();
  const room = 1 / states.length;
  const worstFirst = [...rows].reverse();
  states.forEach((one, i) => {
    const members = worstFirst.filter((row) => own.get(row) === one);
    const width = Math.min(0.62, members.length * 0.12) * room;
    members.forEach((row, k) =>
      heights.set(row, (i + 0.5) * room + (members.length > 1 ? k / (members.length - 1) - 0.5 : 0) * width),
    );
  });
  return heights;
}

const MOST_LABELS = 16;
const LONGEST_TICK = 13; // letters

/** The width left of the first axis, for its labels, and that of all together, in distances between two axes. */
export const LEFT_OF_AXES = 0.8;
export const widthOfAxes = (/** @type {number} */ number) => number - 0.5 + LEFT_OF_AXES;

/** @param {Parameter} parameter @param {number[]} states */
function valueTicks(parameter, states) {
  const every = Math.ceil(states.length / MOST_LABELS);
  const texts = distinct(
    states.map((one) => parameter.brief(one)),
    LONGEST_TICK,
  );
  return texts.map((text, i) => ({ at: (i + 0.5) / states.length, text })).filter((_, i) => i % every === 0);
}

/**
 * A linear scale, or a logarithmic one for positive numbers of very different magnitude.
 * @param {number[]} numbers
 * @returns {NumberScale}
 */
function numberScale(numbers) {
  const [low, high] = [numbers.reduce((a, b) => Math.min(a, b)), numbers.reduce((a, b) => Math.max(a, b))];
  if (low === high) return { at: () => 0.5, back: () => low, ticks: [{ at: 0.5, text: compact(low) }] };
  const logarithmic = low > 0 && high / low >= 100;
  const [way, back] = logarithmic
    ? [Math.log10, (/** @type {number} */ x) => 10 ** x]
    : [(/** @type {number} */ x) => x, (/** @type {number} */ x) => x];
  const at = (/** @type {number} */ number) => (way(number) - way(low)) / (way(high) - way(low));
  const marks = logarithmic ? powers(low, high) : roundNumbers(low, high);
  const decimals = Math.max(...marks.map((number) => (compact(number).split(".")[1] ?? "").length), 0);
  const text = (/** @type {number} */ number) =>
    logarithmic || compact(number).includes("e") ? compact(number) : number.toFixed(decimals);
  const ticks = marks.map((number) => ({ at: at(number), text: text(number) }));
  return {
    at,
    back: (height) => back(way(low) + height * (way(high) - way(low))),
    ticks:
      ticks.length > 1
        ? ticks
        : [0, 0.5, 1].map((share) => ({
            at: share,
            text: compact(back(way(low) + share * (way(high) - way(low)))),
          })),
  };
}

/** @param {number} low @param {number} high */
function powers(low, high) {
  const [from, to] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
  const every = Math.ceil((to - from + 1) / 7);
  const found = [];
  for (let exponent = from; exponent <= to; exponent += every) found.push(Number(`1e${exponent}`));
  return found;
}

/** @param {number} low @param {number} high */
function roundNumbers(low, high) {
  const rough = (high - low) / 5;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * unit).find((one) => one >= rough) ?? 10 * unit;
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++)
    found.push(Number((i * step).toPrecision(12)));
  return found;
}

/**
 * @param {number[]} rows
 * @returns {Scale}
 */
export function metricScale(rows) {
  const scale = numberScale(rows.map(metricValue));
  return {
    id: `metric ${state.metric}`,
    title: chosenMetric().label,
    ...numberBrush(scale, metricValue),
    ticks: scale.ticks,
    at: (row) => scale.at(metricValue(row)),
    isMetric: true,
  };
}

/**
 * A range between two heights.
 * @param {number} one
 * @param {number} other
 * @returns {HeightRange}
 */
export function inOrder(one, other) {
  return one < other ? [one, other] : [other, one];
}

/**
 * A scale that is upside down, where the user has turned it round; what is inactive stays below.
 * @param {Scale} scale
 * @returns {Scale}
 */
export function turned(scale) {
  if (!state.reversed.includes(scale.id)) return scale;
  const turn = (/** @type {number} */ height) => (height < 0 ? height : 1 - height);
  const turnRange = (/** @type {HeightRange} */ [low, high]) => inOrder(turn(low), turn(high));
  return {
    ...scale,
    ticks: scale.ticks.map((tick) => ({ ...tick, at: turn(tick.at) })),
    at: (row) => turn(scale.at(row)),
    brush: (range) => scale.brush(turnRange(range)),
    extent: (brush) => {
      const range = scale.extent(brush);
      return range && turnRange(range);
    },
  };
}

/** @param {number} height */
function within(height) {
  return Math.min(Math.max(height, 0), 1);
}

/**
 * Brushes of numbers on a scale.
 * @param {NumberScale} scale
 * @param {(row: number) => number|null} number
 * @returns {Pick<Scale, "brush" | "extent" | "isWithin">}
 */
function numberBrush(scale, number) {
  return {
    brush: ([low, high]) => ({ least: scale.back(low), most: scale.back(high) }),
    extent: ({ least, most }) =>
      least === undefined || most === undefined ? null : [within(scale.at(least)), within(scale.at(most))],
    isWithin: (row, { least = NaN, most = NaN }) => {
      const own = number(row);
      return own !== null && own >= least && own <= most;
    },
  };
}

/**
 * Brushes of values that are side by side on an axis; null is what is not active.
 * @param {string[]} texts
 * @param {(row: number) => string|null} textOf
 * @returns {Pick<Scale, "brush" | "extent" | "isWithin">}
 */
function valueBrush(texts, textOf) {
  const heightOf = (/** @type {string | null} */ text) =>
    text === null ? NOT_ACTIVE : (texts.indexOf(text) + 0.5) / texts.length;
  return {
    brush: ([low, high]) => ({
      texts: [...texts, null].filter((text) => heightOf(text) >= low && heightOf(text) <= high),
    }),
    extent: ({ texts: chosen }) => {
      const heights = chosen?.filter((text) => text === null || texts.includes(text)).map(heightOf) ?? [];
      if (!heights.length) return null;
      const half = 0.4 / texts.length;
      return [Math.min(...heights) - half, Math.max(...heights) + half];
    },
    isWithin: (row, { texts: chosen }) => chosen?.includes(textOf(row)) ?? true,
  };
}
