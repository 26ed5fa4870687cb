// The order of the cells of a column: numbers by value, texts naturally, versions part by part.

import { byCell, byText, isMissing } from "./values.js";

const VERSION = /^"?v?(\d+(?:\.\d+)*)(.*)$/is; // a text that looks like a number is shown in quotes
const BEFORE_RELEASE = /^[-_.]?(?:a|b|c|rc|alpha|beta|pre|preview|dev)\d*/i;

/**
 * The order of the cells of a column; `reversed` for the other way round, in which missing cells stay the last.
 * @param {unknown[]} cells
 * @returns {(a: unknown, b: unknown, reversed?: boolean) => number}
 */
export function orderOfCells(cells) {
  return areVersions(cells) ? byVersionCell : byCell;
}

/**
 * Whether texts are versions: all begin with a number, and one is written as no number is: it has three parts, or
 * ends with a zero that the others do not have for the sake of equally many decimals, as 3.10 beside 3.9.
 * @param {unknown[]} cells
 */
function areVersions(cells) {
  const texts = cells.filter((one) => !isMissing(one));
  const parts = texts.map((one) => (typeof one === "string" ? partsOf(one) : null));
  if (!texts.length || parts.includes(null)) return false;
  const decimals = new Set(parts.map((one) => one?.[1]?.length ?? 0));
  return parts.some((one) => one && (one.length > 2 || (decimals.size > 1 && /^\d+0$/.test(one[1] ?? ""))));
}

/**
 * The numbers of a version; null if a text is none.
 * @param {string} text
 */
function partsOf(text) {
  return VERSION.exec(text.trim())?.[1].split(".") ?? null;
}

/** @param {unknown} a @param {unknown} b */
function byVersionCell(a, b, reversed = false) {
  if (isMissing(a) || isMissing(b)) return byCell(a, b, reversed);
  const order = byVersion(String(a).trim(), String(b).trim());
  return reversed ? -order : order;
}

/** @param {string} a @param {string} b */
function byVersion(a, b) {
  const [x, y] = [partsOf(a) ?? [], partsOf(b) ?? []];
  for (let i = 0; i < Math.max(x.length, y.length); i++) {
    const order = Number(x[i] ?? 0) - Number(y[i] ?? 0);
    if (order) return order;
  }
  const [p, q] = [a, b].map((one) => VERSION.exec(one)?.[2] ?? "");
  const order = Number(BEFORE_RELEASE.test(q)) - Number(BEFORE_RELEASE.test(p));
  return order || byText(p, q) || byText(a, b);
}
