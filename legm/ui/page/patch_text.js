// A patch as one reads it: what was added and removed is seen by colours too.

import { kindOfLine } from "./patch_lines.js";
import { element } from "./values.js";

/**
 * A patch to read.
 * @param {string[]} lines
 * @param {string} name
 */
export function patchText(lines, name) {
  const parts = lines.map((line) => element("span", { class: kindOfLine(line) }, `${line}\n`));
  return element("pre", { class: "patch", tabindex: 0, "aria-label": name }, ...parts);
}
