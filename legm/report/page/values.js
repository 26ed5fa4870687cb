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

/** Decode the numbers in "<type>:<base64>". */
function decoded(text) {
  const binary = atob(text.slice(3));
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return new ARRAYS[text.slice(0, 2)](bytes.buffer);
}

const SUPERSCRIPTS = {
  "-": "⁻",
  0: "⁰",
  1: "¹",
  2: "²",
  3: "³",
  4: "⁴",
  5: "⁵",
  6: "⁶",
  7: "⁷",
  8: "⁸",
  9: "⁹",
};

function withMinus(text) {
  return text.replace("-", "−");
}

/** A number with a number of decimals, or in scientific notation if these do not suit. */
function fixed(value, decimals) {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (value !== 0 && (size >= 1e7 || size < 0.5 * 10 ** -Math.min(decimals, 6))) return power(value, 3);
  return withMinus(value.toFixed(Math.min(decimals, 12)));
}

function power(value, digits) {
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  const raised = exponent.replace("+", "").replace(/./g, (c) => SUPERSCRIPTS[c]);
  return `${withMinus(mantissa)}×10${raised}`;
}

/** A number with four significant digits. */
function short(value) {
  if (!Number.isFinite(value)) return fixed(value, 0);
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return withMinus(String(value));
  const size = Math.abs(value);
  if (size >= 1e7 || size < 1e-4) return power(value, 4);
  return withMinus(value.toFixed(Math.max(0, 3 - Math.floor(Math.log10(size)))));
}

/** A number with at most four significant digits, without trailing zeros. */
function compact(value) {
  const [mantissa, exponent] = value.toPrecision(4).split("e");
  const rounded = Number(`${mantissa}e${exponent ?? 0}`);
  const size = Math.abs(rounded);
  if (rounded !== 0 && (size >= 1e6 || size < 1e-3))
    return power(rounded, 4)
      .replace(/\.?0+(?=×)/, "")
      .replace(/^(−?)1×/, "$1");
  return withMinus(String(rounded));
}

/** The decimals that show two digits of the typical deviation, or of the values without one. */
function decimalsOf(means, deviations) {
  const usual = median(deviations.filter((d) => Number.isFinite(d) && d > 0));
  const sizes = means.filter((m) => Number.isFinite(m) && m !== 0).map(Math.abs);
  const scale = usual ?? (sizes.length ? median(sizes) / 100 : 1);
  return Math.min(Math.max(1 - Math.floor(Math.log10(scale) + 1e-9), 0), 10);
}

function median(numbers) {
  if (!numbers.length) return undefined;
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

function moment(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  const date = new Date(seconds * 1000);
  const two = (n) => String(n).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

function duration(seconds) {
  if (!Number.isFinite(seconds) || seconds < 0) return "–";
  if (seconds < 60) return `${seconds < 9.95 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function counted(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

/** A text with "…" in its middle if it is too long. */
function cut(text, width) {
  const letters = [...text];
  if (letters.length <= width) return text;
  const tail = Math.floor((width - 1) / 2);
  return `${letters.slice(0, width - 1 - tail).join("")}…${letters.slice(letters.length - tail).join("")}`;
}

/** Text for Plotly, escaped since Plotly interprets some HTML. */
function plotText(text) {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/\s+/g, " ");
}

const NUMBER = /(\d+(?:\.\d+)?(?:e[-+]?\d+)?)/i;
const byLetters = new Intl.Collator("en").compare;

/** The order of two texts; numbers in them are ordered by value. */
function byText(a, b) {
  const [x, y] = [a.split(NUMBER), b.split(NUMBER)];
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const order = i % 2 ? Number(x[i]) - Number(y[i]) : byLetters(x[i], y[i]);
    if (order) return order;
  }
  return x.length - y.length || byLetters(a, b);
}

function byId(id) {
  return document.getElementById(id);
}

/** Create an element. Functions become listeners; children are elements or literal text. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function fill(parent, ...children) {
  parent.replaceChildren(...children.filter((child) => child !== null && child !== undefined));
}
