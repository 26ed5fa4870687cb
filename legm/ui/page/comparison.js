// What the server says of configurations side by side: differences by every metric, and where they come from.

import { runAddress } from "./addresses.js";
import { besideTable, renderCompared } from "./compared.js";
import { liveState } from "./live_state.js";
import { patchText } from "./patch_text.js";
import { selection } from "./loading.js";
import { showProblem } from "./problems.js";
import { ask } from "./server.js";
import { significanceOfRow } from "./known_differences.js";
import { experiment, higherBetter } from "./state.js";
import { breakable, counted, element, messageOf } from "./values.js";

/**
 * By metric and row, how sure the differences from the first row are; asked for where that is not known.
 * @param {number[]} rows
 */
export function comparisonOf(rows) {
  return answerFor(rows).significance;
}

/**
 * Where the newest run of each comes from, as far as they differ.
 * @param {number[]} rows
 */
export function codeTable(rows) {
  const { code } = answerFor(rows);
  if (!code) return null;
  const chosen = experiment();
  const runs = rows.map((row, i) => {
    const id = code.runs[i];
    if (!id) return element("td", { class: "faint" }, "no completed run");
    const address = { experiment: chosen.name, fingerprint: chosen.configuration(row).fingerprint, id };
    return element("td", {}, element("a", { href: runAddress(address) }, id.slice(-6)));
  });
  const facts = code.facts.map((/** @type {string[]} */ [name, ...values]) => {
    const isVersion = name.startsWith("distributions.");
    const isChanged = (/** @type {string} */ text) =>
      text !== values[0] && !(isVersion && (!text || !values[0]));
    return element(
      "tr",
      { class: "differs" },
      element("th", { scope: "row" }, breakable(name)),
      ...values.map((text) =>
        element(
          "td",
          { class: `value${isChanged(text) ? " changed" : ""}` },
          text || (isVersion ? "unknown" : "–"),
        ),
      ),
    );
  });
  const newest = element("tr", {}, element("th", { scope: "row" }, "newest run"), ...runs);
  return element(
    "div",
    { id: "compared-code" },
    element("h3", {}, "Code, command and machine"),
    besideTable("what", rows, [newest, ...facts]),
    code.facts.length
      ? null
      : element("p", { class: "faint" }, "The same code and environment, as far as they were recorded."),
    code.versions
      ? element(
          "p",
          { class: "faint", id: "unknown-versions" },
          `Imported by some of the runs only, so that the versions of the others are unknown: ${code.versions}.`,
        )
      : null,
    code.commands.length
      ? element(
          "pre",
          { tabindex: 0, "aria-label": "Commands that show the changes" },
          code.commands.join("\n"),
        )
      : null,
    ...code.changes.flatMap((/** @type {any} */ one) =>
      uncommittedDifferences(rows[0], rows[one.other], one),
    ),
  );
}

/**
 * How the uncommitted changes of two differ, as `legm diff` has them.
 * @param {number} first
 * @param {number} other
 * @param {{files: {name: string, changed_in: string, lines: string[], more: number}[], more: number,
 *   problems: string[]}} content
 */
function uncommittedDifferences(first, other, { files, more, problems }) {
  const names = [first, other].map((row) => experiment().brief(row));
  const only = new Map([
    ["a", `, changed only in ${names[0]}`],
    ["b", `, changed only in ${names[1]}`],
  ]);
  const notes = [
    ...problems,
    ...(more ? [`${counted(more, "other file")} with differences: legm diff`] : []),
  ];
  return [
    element("h3", {}, `Uncommitted changes: ${names[0]} (−) and ${names[1]} (+)`),
    ...files.map((file) =>
      element(
        "details",
        { class: "changes", open: files.length === 1 },
        element("summary", {}, file.name + (only.get(file.changed_in) ?? "")),
        patchText(
          file.more ? [...file.lines, `${counted(file.more, "more line")}: legm diff`] : file.lines,
          `Differences of ${file.name}`,
        ),
      ),
    ),
    ...notes.map((text) => element("p", { class: "faint" }, text)),
  ];
}

/** @param {number[]} rows */
function answerFor(rows) {
  const chosen = experiment();
  const key = JSON.stringify([chosen.name, chosen.content.version, rows, chosen.metrics.map(higherBetter)]);
  if (liveState.sideBySide?.key === key) return liveState.sideBySide;
  const made = { key, code: null, significance: { byKey: new Map(), note: "Comparing …" } };
  liveState.sideBySide = made;
  askFor(chosen, rows, made).then(() => {
    if (liveState.sideBySide === made && experiment() === chosen && document.body.dataset.view === "compare")
      renderCompared();
  });
  return made;
}

/** @param {Experiment} chosen @param {number[]} rows @param {SideBySide} made */
async function askFor(chosen, rows, made) {
  const fingerprints = rows.map((row) => chosen.configuration(row).fingerprint);
  const { description } = chosen.rows[rows[0]];
  const common = {
    experiment: chosen.name,
    baseline: fingerprints[0],
    other: fingerprints.slice(1),
    description,
  };
  const own = chosen.metrics.filter((one) => one.split !== "pooled" && one.n[rows[0]] > 0);
  try {
    const [found, code] = await Promise.all([
      ask("api/comparison", {
        ...common,
        metric: own.map((one) => one.key),
        higher: own.map((one) => (higherBetter(one) ? "1" : "0")),
        where: selection(),
      }),
      ask("api/code", common),
    ]);
    made.code = code;
    const notes = new Set();
    for (const { metric: name, differences, problems } of found) {
      const problem = problems[fingerprints[0]];
      if (problem) notes.add(problem);
      const of = new Map();
      for (const one of differences) {
        of.set(chosen.rowOf(one.fingerprint, description), significanceOfRow(one));
        notes.add(one.paired ? `runs with equal ${one.seeds.join(", ")} are paired` : "unpaired runs");
        for (const note of one.notes) notes.add(note);
      }
      made.significance.byKey.set(name, of);
    }
    const first = `differences from ${chosen.brief(rows[0])} with 95 % intervals; permutation tests`;
    made.significance.note = [first, "p-values of each metric corrected together (Holm)", ...notes].join(
      "; ",
    );
  } catch (error) {
    made.significance.note = "";
    showProblem(messageOf(error));
  }
}
