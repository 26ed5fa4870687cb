// Tables as files, and the address of what is shown.

import { state } from "./state.js";
import { byId, element, fill, messageOf } from "./values.js";

const FORMATS = [
  ["csv", "CSV"],
  ["latex", "LaTeX"],
  ["markdown", "Markdown"],
];
/** @type {Record<string, string>} */
const ENDINGS = { csv: "csv", latex: "tex", markdown: "md" };

/**
 * Comma-separated values, as RFC 4180 has them.
 * @param {{headers: Cell[], rows: Cell[][]}} content
 */
export function csvText({ headers, rows }) {
  const cell = (/** @type {Cell} */ value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [headers, ...rows].map((row) => `${row.map(cell).join(",")}\n`).join("");
}

/**
 * A menu that saves a table.
 * @param {() => string} name gives that of the file, without its ending
 * @param {(format: string) => Table} content
 *   gives exact values for CSV, and texts for the other formats
 * @param {((format: string, table: any) => Promise<string>) | undefined} write the server's writers, where there is one
 */
export function downloadMenu(name, content, write) {
  const said = element("span", { class: "faint", role: "status" });
  const save = async (/** @type {string} */ format) => {
    try {
      const table = withInfinity(content(format));
      const file = `${name()}.${ENDINGS[format]}`;
      saveText(file, write ? await write(format, table) : csvText(table));
      said.textContent = `${file} is saved`;
    } catch (error) {
      said.textContent = messageOf(error);
    }
  };
  const formats = write ? FORMATS : FORMATS.slice(0, 1);
  return element(
    "details",
    { class: "menu download" },
    element("summary", {}, "Download"),
    element(
      "div",
      { class: "sheet" },
      ...formats.map(([format, title]) =>
        element("button", { type: "button", "data-format": format, click: () => save(format) }, title),
      ),
      element(
        "button",
        { type: "button", "data-format": "link", click: () => copyLink(said) },
        "Copy the link",
      ),
      said,
    ),
  );
}

/**
 * A table with infinity as a text, since JSON has no number for it.
 * @param {Table} table
 * @returns {Table}
 */
function withInfinity({ rows, ...rest }) {
  const cell = (/** @type {Cell} */ value) => (Math.abs(Number(value)) === Infinity ? String(value) : value);
  return { ...rest, rows: rows.map((row) => row.map(cell)) };
}

/**
 * Make a menu where it is not yet.
 * @param {string} id
 * @param {() => Child} made
 */
export function ensureMenu(id, made) {
  if (!byId(id).firstChild) fill(byId(id), made());
}

/** @param {Element} said */
async function copyLink(said) {
  try {
    await navigator.clipboard.writeText(location.href);
    said.textContent = "The link is copied";
  } catch {
    said.textContent = location.href;
  }
}

/** @param {string} name @param {string} text */
function saveText(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

/**
 * A table below the menu that saves it.
 * @param {string} label
 * @param {HTMLTableElement} table
 * @param {() => Table} [exact] with exact numbers, where the table has some
 */
export function savedTable(label, table, exact) {
  const content = (/** @type {string} */ format) => (exact && format === "csv" ? exact() : textsOf(table));
  return element(
    "div",
    {},
    element(
      "div",
      { class: "tools" },
      downloadMenu(() => fileName(label), content, state.report.writeTable),
    ),
    element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, table),
  );
}

/**
 * The name of a table's file.
 * @param {string} label
 */
export function fileName(label) {
  return `legm-${label.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-")}`.replace(/-$/, "");
}

/**
 * The texts of a table that is on the page.
 * @param {HTMLTableElement} table
 */
export function textsOf(table) {
  const texts = (/** @type {HTMLTableRowElement} */ row) =>
    [...row.cells].flatMap((cell) => [
      cell.textContent.replace(/\s+/g, " ").trim(),
      ...Array(cell.colSpan - 1).fill(""),
    ]);
  const [head, ...rows] = [...table.rows];
  return { headers: texts(head), rows: rows.map(texts) };
}
