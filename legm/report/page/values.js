// Decoding and formatting of numbers, and creation of elements.

const ARRAYS = {
  u1: Uint8Array,
  i2: Int16Array,
  u2: Uint16Array,
  i4: Int32Array,
  u4: Uint32Array,
  f4: Float32Array,
  f8: Float64Array,
};

/**
 * Decode the numbers in "<type>:<base64>".
 * @param {string} text
 * @returns {Numbers}
 */
export function decoded(text) {
  const binary = atob(text.slice(3));
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return new ARRAYS[/** @type {keyof typeof ARRAYS} */ (text.slice(0, 2))](bytes.buffer);
}

const MOST_DECIMALS = 7; // more of them are an exponent,
const MOST_CLOSE = 12; // but not of numbers that are not small: 0.99990000 ± 0.00000082
const SMALL = 1e-4; // below here
const WHOLE = 1e7; // from here on numbers are written with an exponent, as in the command line and the plots
const MANTISSA = 3; // digits behind the point of a number with an exponent, where more would tell nothing
const ROUNDING = 1e-12; // of a number: a smaller spread is an error of rounding

/**
 * A number with a number of decimals; very large or small ones, or those of another such size, with an exponent.
 * @param {number} value
 * @param {number} decimals - a negative one counts digits before the point
 * @param {number} size
 */
export function fixed(value, decimals, size = Math.abs(value)) {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf"; // as in the command line
  const digits = exponentDigits(decimals, size);
  if (digits === null) return value.toFixed(Math.max(decimals, 0));
  return value === 0 ? "0" : power(value.toExponential(digits));
}

/**
 * How many digits are behind the point of a number with an exponent; null for one without.
 * @param {number} decimals
 * @param {number} size
 */
function exponentDigits(decimals, size) {
  const most = Math.max(decimals, 0);
  if (!Number.isFinite(size) || (size === 0 && most <= MOST_DECIMALS)) return null;
  const isClose = most <= MOST_CLOSE && size >= SMALL;
  if (size < WHOLE && (most <= MOST_DECIMALS ? size >= 10 ** -most : isClose)) return null;
  const digits = decimals + (size ? Math.floor(Math.log10(size)) : 0);
  return digits >= MANTISSA && digits < MOST_CLOSE ? digits : MANTISSA;
}

/**
 * A mean and its deviation, with as many decimals as a column has. Where the deviation would be shown as zero,
 * they have as many as show two digits of it.
 * @param {number} mean
 * @param {number} std
 * @param {number} decimals - of the column, see decimalsOf
 * @returns {[string, string]}
 */
export function meanAndSpread(mean, std, decimals) {
  const size = Number.isNaN(std) ? Math.abs(mean) : Math.max(Math.abs(mean), std);
  const isHidden = std > ROUNDING * size && std < 0.5 * 10 ** -Math.max(decimals, 0);
  const shown = isHidden ? decimalsOf([], [std]) : decimals;
  const hasExponent = exponentDigits(shown, size) !== null;
  const spread =
    hasExponent && std > 0 && Number.isFinite(std)
      ? power(std.toExponential(MANTISSA))
      : fixed(std, shown, size);
  return [fixed(mean, shown, size), spread];
}

/** @param {string} number - as toExponential() writes it */
function power(number) {
  const [mantissa, exponent] = number.split("e");
  return `${mantissa}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

/**
 * Whether a number has no more than four significant digits.
 * @param {number} value
 */
function isShort(value) {
  return Number(value.toPrecision(4)) === value;
}

/**
 * A number with four significant digits, or fewer if it has no more; whole numbers are whole.
 * @param {number} value
 */
export function short(value) {
  if (!Number.isFinite(value)) return fixed(value, 0);
  const size = Math.abs(value);
  if (size >= WHOLE || (size !== 0 && size < SMALL))
    return power(value.toExponential(isShort(value) ? undefined : MANTISSA));
  if (Number.isInteger(value) || isShort(value)) return String(value);
  return value.toFixed(Math.max(0, 3 - Math.floor(Math.log10(size))));
}

/**
 * The same without trailing zeros, for axes.
 * @param {number} value
 */
export function compact(value) {
  return short(value)
    .replace(/(\.\d*?)0+(?=e|$)/, "$1")
    .replace(/\.(?=e|$)/, "");
}

/**
 * The decimals that show two digits of the typical deviation, or four of the values without one.
 * @param {number[]} means
 * @param {number[]} deviations
 */
export function decimalsOf(means, deviations) {
  const positive = (/** @type {number[]} */ numbers) =>
    numbers.filter((/** @type {number} */ one) => Number.isFinite(one) && one > 0);
  const usual = median(positive(deviations.filter((std, i) => !(std <= ROUNDING * Math.abs(means[i] ?? 0)))));
  const size = usual ?? median(positive(means.map(Math.abs)));
  if (size === undefined) return 4;
  return (usual ? 1 : 3) - Math.floor(Math.log10(size) + 1e-9);
}

/** @param {number[]} numbers */
function median(numbers) {
  if (!numbers.length) return undefined;
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** @param {number} seconds */
export function moment(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  const date = new Date(seconds * 1000);
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** @param {number} seconds */
export function duration(seconds) {
  if (!Number.isFinite(seconds) || seconds < 0) return "–";
  if (seconds < 60) return `${seconds < 9.95 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** @param {number} number @param {string} one @param {string} many */
export function counted(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

const LONGEST_IN_NAME = 12; // letters of a value in a name that is too long

/**
 * A text with "…" in its middle if it is too long.
 * @param {string} text
 * @param {number} width
 */
export function cut(text, width) {
  const letters = [...text];
  if (letters.length <= width) return text;
  const tail = Math.floor((width - 1) / 2);
  return `${letters.slice(0, width - 1 - tail).join("")}…${letters.slice(letters.length - tail).join("")}`;
}

/**
 * Names cut to a width so that different names stay different, by the rule of legm/core/texts.py.
 * @param {string[]} names
 * @param {number} width
 */
export function distinct(names, width) {
  const brief = new Map(names.map((name) => [name, cut(name, width)]));
  const alike = groupsOfEquals(brief).flat();
  const shortenEqualOnes = (/** @type {(names: string[]) => string[]} */ shorten) => {
    for (const same of groupsOfEquals(brief))
      shorten(same).forEach((rest, i) => brief.set(same[i], cut(rest, width)));
  };
  shortenEqualOnes(withoutCommonParts);
  if (groupsOfEquals(brief).length) {
    const values = differingValues(alike).map((one) => cut(one, width));
    const isAlike = new Set(alike);
    const taken = [...brief].flatMap(([name, text]) => (isAlike.has(name) ? [] : [text]));
    if (new Set([...values, ...taken]).size === brief.size)
      alike.forEach((name, i) => brief.set(name, values[i]));
  }
  shortenEqualOnes(withoutCommonEnds);
  groupsOfEquals(brief)
    .flat()
    .forEach((name, i) => brief.set(name, `${cut(name, width - 3 - String(i + 1).length)} (${i + 1})`));
  return names.map((name) => brief.get(name) ?? name);
}

/**
 * The groups of names with equal short forms.
 * @param {Map<string, string>} brief
 */
function groupsOfEquals(brief) {
  const groups = new Map();
  for (const [name, text] of brief) groups.set(text, [...(groups.get(text) ?? []), name]);
  return [...groups.values()].filter((names) => names.length > 1);
}

/**
 * The names with "…" for the parts that are equal in all of them, if all have equally many.
 * @param {string[]} names
 */
function withoutCommonParts(names) {
  const parts = names.map((name) => name.split(/([,/])/));
  if (new Set(parts.map((one) => one.length)).size > 1) return names;
  const common = parts[0].map((part, i) => parts.every((one) => one[i] === part));
  return parts.map((one) =>
    one
      .map((part, i) => (common[i] ? "…" : part))
      .join("")
      .replace(/…{2,}/g, "…"),
  );
}

/**
 * The values alone of assignments that differ, long ones shortened; the names where some parts are none.
 * @param {string[]} names
 */
function differingValues(names) {
  if (!names.length) return names;
  const parts = names.map((name) => name.split(","));
  if (new Set(parts.map((one) => one.length)).size > 1) return names;
  const differ = parts[0].map((_, i) => i).filter((i) => parts.some((one) => one[i] !== parts[0][i]));
  if (!parts.every((one) => differ.every((i) => one[i].includes("=")))) return names;
  const value = (/** @type {string} */ part) =>
    cut(part.slice(part.lastIndexOf("=") + 1).trim(), LONGEST_IN_NAME);
  return parts.map((one) => differ.map((i) => value(one[i])).join(", "));
}

/**
 * The names with "…" for most of their common start and end.
 * @param {string[]} names
 */
function withoutCommonEnds(names) {
  const start = commonStart(names);
  const end = commonStart(names.map((name) => [...name.slice(start)].reverse().join("")));
  const [before, after] = [Math.max(start - 8, 0), Math.max(end - 8, 0)];
  return names.map(
    (name) => `${before ? "…" : ""}${name.slice(before, name.length - after)}${after ? "…" : ""}`,
  );
}

/** @param {string[]} names */
function commonStart(names) {
  const [first, last] = [names.reduce((a, b) => (a < b ? a : b)), names.reduce((a, b) => (a > b ? a : b))];
  let length = 0;
  while (length < first.length && first[length] === last[length]) length += 1;
  return length;
}

const BREAKS = /(?<=[/_,:= ])|(?<=\.)(?!\d)|(?<=(?<!e)[+-])/; // after a separator, never within a number

/**
 * A name in lines of a number of letters, broken after its separators where possible.
 * @param {string} name
 * @param {number} width
 */
export function inLines(name, width) {
  const lines = [""];
  for (const part of name.split(BREAKS)) {
    for (const piece of inPieces(part, width)) {
      const last = lines[lines.length - 1];
      if (last && last.length + piece.length > width) lines.push("");
      lines[lines.length - 1] += piece;
    }
  }
  return lines;
}

/** @param {string} text @param {number} width */
export function inPieces(text, width) {
  return text.match(new RegExp(`.{1,${width}}`, "gsu")) ?? [];
}

/**
 * A name that may be broken after its separators.
 * @param {string} name
 */
export function breakable(name) {
  const pieces = name.split(BREAKS);
  return element("span", {}, ...pieces.flatMap((piece, i) => (i ? [element("wbr"), piece] : [piece])));
}

/**
 * Text for Plotly, escaped since Plotly interprets some HTML.
 * @param {string} text
 */
export function plotText(text) {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/\s+/g, " ");
}

const DIGITS = String.raw`(?:(?<!\.)\d+\.\d+(?!\.?\d)|\d+)(?:e[-+−]?\d+)?`; // a version has no decimals
const NUMBER = new RegExp(`((?<![\\p{L}\\d_.)\\]−-])[-−]${DIGITS}|${DIGITS})`, "iu");
const WHOLE_NUMBER = /^[-+−]?(?:(?:\d+\.?\d*|\.\d+)(?:e[-+−]?\d+)?|∞|inf(?:inity)?)$/i;
const NO_VALUE = new Set(["", "–", "nan"]);
const byLetters = new Intl.Collator("en").compare;

/**
 * The order of two texts; numbers in them are ordered by value. A minus is a sign where nothing is joined by it.
 * @param {string} a
 * @param {string} b
 */
export function byText(a, b) {
  const [x, y] = [a.split(NUMBER), b.split(NUMBER)];
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const order = i % 2 ? byNumber(numberOf(x[i]), numberOf(y[i])) : byLetters(x[i], y[i]);
    if (order) return order;
  }
  return x.length - y.length || byLetters(a, b);
}

/**
 * The order of two cells of a table: numbers by value, then texts, then what is no value (NaN, "–", nothing);
 * `reversed` for the other way round, in which the last ones stay the last.
 * @param {unknown} a
 * @param {unknown} b
 */
export function byCell(a, b, reversed = false) {
  if (Number.isFinite(a) && Number.isFinite(b))
    return reversed ? Number(b) - Number(a) : Number(a) - Number(b);
  const [x, y] = [cellOrder(a), cellOrder(b)];
  if (x.isMissing || y.isMissing) return byFact(x.isMissing, y.isMissing);
  const order =
    x.number === null || y.number === null
      ? byFact(x.number === null, y.number === null) || byText(x.text, y.text)
      : byNumber(x.number, y.number);
  return reversed ? -order : order;
}

/** @param {unknown} value */
function cellOrder(value) {
  const text = String(value ?? "").trim();
  const isNumber = typeof value === "number" || WHOLE_NUMBER.test(text);
  return {
    text,
    number: isNumber ? numberOf(text) : null,
    isMissing: isMissing(text),
  };
}

/**
 * Whether a cell has no value: NaN, "–", nothing.
 * @param {unknown} value
 */
export function isMissing(value) {
  return NO_VALUE.has(
    String(value ?? "")
      .trim()
      .toLowerCase(),
  );
}

/**
 * The number that a text is, with whichever minus; infinity as Python or a person writes it.
 * @param {string} text
 */
function numberOf(text) {
  const number = Number(text);
  if (!Number.isNaN(number)) return number;
  return Number(text.replaceAll("−", "-").replace(/∞|inf(?:inity)?/i, "Infinity"));
}

/** @param {number} x @param {number} y */
function byNumber(x, y) {
  return x < y ? -1 : x > y ? 1 : 0;
}

/**
 * A text as it is searched: in small letters, with the minus that a keyboard has.
 * @param {string} text
 */
export function searchable(text) {
  return text.toLowerCase().replaceAll("−", "-");
}

/**
 * The words of a search.
 * @param {string} search
 */
export function wordsOf(search) {
  return searchable(search).split(/\s+/).filter(Boolean);
}

/**
 * The element with an id, of whatever kind it is.
 * @param {string} id
 * @returns {any}
 */
export function byId(id) {
  return document.getElementById(id);
}

/**
 * The first element that a selector finds, of whatever kind it is; null without one.
 * @param {string} selector
 * @returns {any}
 */
export function firstElement(selector) {
  return document.querySelector(selector);
}

/**
 * Every element that a selector finds.
 * @param {string} selector
 * @returns {any[]}
 */
export function everyElement(selector) {
  return [...document.querySelectorAll(selector)];
}

/**
 * What an error says.
 * @param {unknown} error
 */
export function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Where Alt with an arrow moves something: -1 to the left, 1 to the right, 0 for any other key.
 * @param {KeyboardEvent} event
 */
export function arrowWithAlt(event) {
  if (!event.altKey) return 0;
  return event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0;
}

/**
 * A list in which one entry is elsewhere.
 * @template T
 * @param {T[]} list
 * @param {number} from
 * @param {number} to
 */
export function moved(list, from, to) {
  const rest = list.filter((_, i) => i !== from);
  rest.splice(Math.min(Math.max(to, 0), rest.length), 0, list[from]);
  return rest;
}

/**
 * How two facts are ordered: what is so comes last.
 * @param {unknown} a
 * @param {unknown} b
 */
export function byFact(a, b) {
  return Number(a) - Number(b);
}

/**
 * Create an element. Functions become listeners; children are elements or literal text.
 * @param {string} tag
 * @param {Record<string, any>} attributes
 * @param {...Child} children
 * @returns {any}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/**
 * Give an element other children; what has the focus in it has it again if there is such a one among them.
 * @param {Element} parent
 * @param {...Child} children
 */
export function fill(parent, ...children) {
  const focused = document.activeElement;
  const name = focused && focused !== parent && parent.contains(focused) ? focusName(focused) : "";
  parent.replaceChildren(...children.filter((child) => child !== null && child !== undefined));
  if (!focused || !name || parent.contains(document.activeElement)) return;
  const again = [...parent.querySelectorAll(focused.tagName)].find((one) => focusName(one) === name);
  if (again instanceof HTMLElement) again.focus({ preventScroll: true });
}

/**
 * By what an element is known when it is made again; "" for one without an identifier.
 * @param {Element} one
 */
function focusName(one) {
  if (!(one instanceof HTMLElement) || !(one.id || Object.keys(one.dataset).length)) return "";
  return JSON.stringify([one.id, { ...one.dataset }]);
}
