// The view of one run: what it set, where it comes from, its files, and what it prints.

import { configurationAddress, experimentAddress } from "./addresses.js";
import { mark } from "./controls.js";
import { liveState } from "./live_state.js";
import { showProblem } from "./problems.js";
import { consoleSection, filesSection, followConsole, patchButton, reproduceSection } from "./run_files.js";
import { loadRunMedia, runMediaSection } from "./run_media.js";
import { growRunCurves, loadRunCurves, runCurvesSection } from "./run_curves.js";
import { doneText, lastValues } from "./running.js";
import { ask, send } from "./server.js";
import { sortedTable } from "./sorted_table.js";
import {
  breakable,
  byId,
  byText,
  counted,
  cut,
  decoded,
  duration,
  element,
  fill,
  messageOf,
  moment,
  short,
} from "./values.js";

/**
 * Open the view of the run that the address names.
 * @param {URLSearchParams} address
 */
export async function openRun(address) {
  const run = {
    experiment: address.get("experiment"),
    fingerprint: address.get("of") ?? "",
    run: address.get("run") ?? "",
  };
  const shown = { baseline: address.get("baseline") ?? "", beside: address.get("beside") ?? "" };
  const media = { media: [], medium: address.get("medium") ?? "", mediaStep: stepOf(address.get("step")) };
  const edited = { draft: null, isSaved: false };
  liveState.run = { ...run, ...shown, ...media, ...edited, lines: [], first: 0, isFollowing: true };
  await loadRun();
}

/** @param {string | null} text of an address */
function stepOf(text) {
  const step = Number.parseFloat(text ?? "");
  return Number.isFinite(step) ? step : null; // the last one
}

/** Load what the server says of the run that is shown, and show it where it is other than before. */
export async function loadRun() {
  const { experiment: name, fingerprint, run } = liveState.run;
  const best = liveState.cards.find((one) => one.name === name)?.best?.fingerprint ?? "";
  const baseline = liveState.run.baseline || best;
  const answer = await ask("api/run", { experiment: name, fingerprint, run, baseline });
  if (liveState.run?.run !== run) return;
  const isSame = JSON.stringify(answer) === JSON.stringify(liveState.run.answer);
  if (!isSame || !byId("run-title")) {
    const top = byId("console")?.scrollTop;
    liveState.run.answer = answer;
    renderRun(answer);
    if (top && byId("console")) byId("console").scrollTop = top;
  }
  followConsole();
  await Promise.all([loadRunCurves(), loadRunMedia()]);
}

/**
 * Values of runs have come: show those of this one.
 * @param {Record<string, RunningRun|null>} runs
 */
export function runHasChanged(runs) {
  const own = liveState.run && runs[liveState.run.run];
  if (!own) return;
  renderLiveFacts();
  growRunCurves();
}

/**
 * Runs of experiments have begun, ended or changed.
 * @param {Record<string, number>} versions
 */
export function runsExperimentHasChanged(versions) {
  if (liveState.run && liveState.run.experiment in versions)
    loadRun().catch((error) => showProblem(error.message));
}

/** @param {any} run */
function renderRun(run) {
  const board = experimentAddress(run.experiment);
  fill(
    byId("run"),
    element(
      "section",
      {},
      element("p", {}, element("a", { href: board }, `← ${cut(run.experiment, 60)}`)),
      element(
        "div",
        { class: "head" },
        element(
          "h2",
          { id: "run-title" },
          element("a", { href: configurationAddress(run) }, breakable(run.configuration)),
          ` · ${run.id.slice(-6)}`,
        ),
        element("span", { class: `status ${run.status}` }, mark(run.status), run.status),
      ),
      run.error ? element("pre", { class: "error" }, run.error) : null,
      ...run.notes.map((/** @type {string} */ note) => element("p", { class: "faint" }, note)),
      element(
        "dl",
        { class: "values", id: "run-facts" },
        ...facts(run).map(([name, text]) => fact(name, text)),
      ),
      element("div", { id: "run-live" }),
      runMarksEditor(run),
    ),
    element(
      "div",
      { class: "pair" },
      valueRows(run).length ? tableSection("Values", ["metric", "best", "test"], valueRows(run)) : null,
      tableSection("Parameters", ["parameter", "value", ""], run.parameters),
    ),
    differencesSection(run),
    runCurvesSection(),
    runMediaSection(),
    consoleSection(run),
    filesSection(run),
    tableSection("Where it comes from", ["what", "value"], run.origin, patchButton(run)),
    reproduceSection(run),
    run.versions.length
      ? element(
          "section",
          {},
          element(
            "details",
            {},
            element(
              "summary",
              {},
              counted(run.versions.length, "version of a package", "versions of packages"),
            ),
            sortedTable(["package", "version"], run.versions, { label: "Versions of packages" }),
          ),
        )
      : null,
  );
  renderLiveFacts();
}

/**
 * In which parameters the configuration differs from the baseline.
 * @param {any} run
 */
function differencesSection(run) {
  if (!run.differences) return null;
  const { baseline, parameters } = run.differences;
  const head = ["parameter", "this configuration", `baseline ${cut(baseline, 60)}`];
  const title = `Difference from the baseline: ${counted(parameters.length, "parameter")}`;
  return element(
    "section",
    { id: "run-differences" },
    element("h2", {}, title),
    parameters.length ? sortedTable(head, parameters, { label: "Difference from the baseline" }) : null,
  );
}

/** @param {any} run */
function facts(run) {
  const isRunning = run.status === "running"; // of which the last step is among what it does now
  const ended = run.ended === null ? [] : [["took", duration(run.ended - run.started)]];
  return [
    ["run", run.id],
    ["description", run.description],
    ["began", moment(run.started)],
    ...ended,
    ["last step", isRunning || run.last_step === null ? "" : run.last_step.toLocaleString("en")],
    ["best step", run.best_step === null ? "" : run.best_step.toLocaleString("en")],
    ["folder", run.folder ?? ""],
  ].filter(([, text]) => text);
}

/** @param {string} name @param {string} text */
function fact(name, text) {
  return element("div", {}, element("dt", {}, name), element("dd", {}, text));
}

function renderLiveFacts() {
  const part = byId("run-live");
  const run = liveState.runs.get(liveState.run?.run);
  if (!part) return;
  if (run?.status !== "running") {
    fill(part);
    return;
  }
  const values = lastValues(run).map(([metric, value]) => fact(metric, short(value)));
  fill(part, element("dl", { class: "values" }, fact("now", doneText(run)), ...values));
}

/** @param {any} run */
function valueRows(run) {
  const tests = new Map(
    run.test[0].map((/** @type {string} */ name, /** @type {number} */ i) => [name, decoded(run.test[1])[i]]),
  );
  const best = new Map(
    run.best[0].map((/** @type {string} */ name, /** @type {number} */ i) => [name, decoded(run.best[1])[i]]),
  );
  return [...new Set([...best.keys(), ...tests.keys()])]
    .sort(byText)
    .map((name) => [name, best.get(name) ?? null, tests.get(name) ?? null]);
}

/** @param {string} title @param {string[]} head @param {Cell[][]} rows @param {...Child} more */
function tableSection(title, head, rows, ...more) {
  return element(
    "section",
    {},
    element("div", { class: "head" }, element("h2", {}, title), ...more),
    rows.length
      ? sortedTable(head, rows, { label: title })
      : element("p", { class: "empty" }, "Nothing was recorded."),
  );
}

// -- tags and note

/** @param {any} run */
function runMarksEditor(run) {
  const { tags = [], note = "" } = run.marks;
  if (liveState.readOnly) {
    const text = [tags.join(", "), note].filter(Boolean).join(": ");
    return text ? element("p", { class: "marks" }, text) : null;
  }
  const own = liveState.run;
  const draft = own.draft ?? { tags: tags.join(" "), note };
  const keep = () => {
    own.draft = { tags: input.value, note: area.value }; // stays while the rest is drawn again
    own.isSaved = false;
    saved.textContent = "";
  };
  const input = element("input", {
    id: "run-tags",
    value: draft.tags,
    "aria-label": "Tags",
    placeholder: "tags",
    input: keep,
  });
  const area = element("textarea", {
    id: "run-note",
    rows: 2,
    "aria-label": "Note",
    placeholder: "A note",
    input: keep,
  });
  area.value = draft.note;
  const saved = element(
    "span",
    { id: "run-saved", role: "status", class: "faint" },
    own.isSaved ? "Saved" : "",
  );
  const save = async () => {
    const wanted = input.value.split(/[\s,]+/).filter(Boolean);
    try {
      await send("api/marks", {
        experiment: run.experiment,
        fingerprint: run.fingerprint,
        run: run.id,
        add: wanted.filter((/** @type {string} */ tag) => !tags.includes(tag)),
        remove: tags.filter((/** @type {string} */ tag) => !wanted.includes(tag)),
        note: area.value === note ? null : area.value,
      });
      Object.assign(own, { draft: null, isSaved: true });
      showProblem("");
      await loadRun();
      byId("run-saved").textContent = "Saved";
    } catch (error) {
      showProblem(messageOf(error));
    }
  };
  const button = element("button", { type: "button", id: "run-save", click: save }, "Save");
  return element("div", { class: "marks" }, input, area, button, saved);
}
