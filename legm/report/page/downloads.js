// Tables as files, and the address of what is shown.

import { tableText } from "./table_texts.js";
import { byId, element, fill } from "./values.js";

const FORMATS = [
  ["csv", "CSV"],
  ["latex", "LaTeX"],
  ["markdown", "Markdown"],
];
/** @type {Record<string, string>} */
const ENDINGS = { csv: "csv", latex: "tex", markdown: "md" };

/**
 * A menu that saves a table.
 * @param {() => string} name gives that of the file, without its ending
 * @param {(format: string) => Table} content
 *   gives exact values for CSV, and texts for the other formats
 */
export function downloadMenu(name, content) {
  const said = element("span", { class: "faint", role: "status" });
  const save = (/** @type {string} */ format) => {
    const file = `${name()}.${ENDINGS[format]}`;
    saveText(file, tableText(format, content(format)));
    said.textContent = `${file} is saved`;
  };
  return element(
    "details",
    { class: "menu download" },
    element("summary", {}, "Download"),
    element(
      "div",
      { class: "sheet" },
      ...FORMATS.map(([format, title]) =>
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
      downloadMenu(() => fileName(label), content),
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
