// Tables as CSV, LaTeX and Markdown, written as legm/tables/table_markup.py writes them.

/** @type {Record<string, string>} */
const LATEX = {
  "\\": "\\textbackslash{}",
  "~": "\\textasciitilde{}",
  "^": "\\textasciicircum{}",
  "<": "\\textless{}",
  ">": "\\textgreater{}",
  "|": "\\textbar{}",
  '"': "\\textquotedbl{}",
  "[": "{[}", // after the end of a row it would begin an option of \\
  "]": "{]}",
  "*": "{*}",
  "±": "$\\pm$",
  "−": "$-$",
  "∞": "$\\infty$",
  "↑": "$\\uparrow$",
  "↓": "$\\downarrow$",
  ...Object.fromEntries([..."{}$&#_%"].map((one) => [one, `\\${one}`])),
};

const NUMBERS = /^(?:[-+\d.e±,[\] ]|inf)+$/; // one, or one with its spread

/**
 * A table in a format.
 * @param {string} format csv, latex or markdown
 * @param {Table} table
 */
export function tableText(format, table) {
  if (format === "csv") return csvText(table);
  return format === "latex" ? latexText(table) : markdownText(table);
}

/**
 * Comma-separated values, as RFC 4180 has them, with numbers in full precision.
 * @param {Table} table
 */
function csvText({ headers, rows }) {
  const cell = (/** @type {Cell} */ value) => {
    const text = exactText(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const line = (/** @type {Cell[]} */ cells) => cells.map(cell).join(",") || '""'; // an empty line is no row
  return [headers, ...rows].map((row) => `${line(row)}\n`).join("");
}

/**
 * What is not finite is as in Python, and nothing where there is none.
 * @param {Cell} value
 */
function exactText(value) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "number" || Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

/**
 * A `tabular` that needs the package booktabs.
 * @param {Table} table
 */
function latexText({ headers, rows, numbers = [], notes = [] }) {
  const escaped = (/** @type {string} */ text) => [...text].map((one) => LATEX[one] ?? one).join("");
  const line = (/** @type {string[]} */ cells) => `${cells.map(escaped).join(" & ")} \\\\`;
  const typeset = (/** @type {Cell[]} */ row) =>
    row.map(oneLine).map((text, i) => (numbers[i] && NUMBERS.test(text) ? typographic(text) : text));
  return [
    "% \\usepackage{booktabs}",
    ...notes.map((note) => `% ${oneLine(note)}`),
    `\\begin{tabular}{${headers.map((_, i) => (numbers[i] ? "r" : "l")).join("")}}`,
    "\\toprule",
    line(headers.map(oneLine)),
    "\\midrule",
    ...rows.map((row) => line(typeset(row))),
    "\\bottomrule",
    "\\end{tabular}",
    "",
  ].join("\n");
}

/**
 * Numbers as they are typeset, which only LaTeX and pictures are.
 * @param {string} numbers
 */
function typographic(numbers) {
  return numbers.replaceAll("-", "−").replaceAll("inf", "∞");
}

/**
 * A table in GitHub's Markdown; its columns are aligned in the text too.
 * @param {Table} table
 */
function markdownText({ headers, rows, numbers = [], notes = [] }) {
  const escaped = (/** @type {Cell} */ cell) => oneLine(cell).replace(/[\\`*_{}[\]<>#|~]/g, "\\$&");
  const [head, ...body] = [headers, ...rows].map((row) => row.map(escaped));
  const letters = (/** @type {string} */ text) => [...text].length;
  const widths = head.map((_, i) => Math.max(3, ...[head, ...body].map((row) => letters(row[i]))));
  const aligned = (/** @type {string[]} */ row) =>
    row.map((text, i) => {
      const space = " ".repeat(widths[i] - letters(text));
      return numbers[i] ? space + text : text + space;
    });
  const rule = widths.map((width, i) => (numbers[i] ? `${"-".repeat(width - 1)}:` : "-".repeat(width)));
  const lines = [aligned(head), rule, ...body.map(aligned)].map((row) => `| ${row.join(" | ")} |\n`);
  return [...lines, ...notes.map((note) => `\n${escaped(note)}\n`)].join("");
}

/**
 * The text on one line, with escapes for what cannot be seen or changes the direction of reading.
 * @param {Cell} cell
 */
function oneLine(cell) {
  return exactText(cell).replace(/\s+/g, " ").trim().replace(/\p{C}/gu, codeOf);
}

/**
 * A character as Python escapes it.
 * @param {string} character
 */
function codeOf(character) {
  const code = character.codePointAt(0) ?? 0;
  const digits = code < 0x100 ? 2 : code < 0x10000 ? 4 : 8;
  return `\\${{ 2: "x", 4: "u", 8: "U" }[digits]}${code.toString(16).padStart(digits, "0")}`;
}
