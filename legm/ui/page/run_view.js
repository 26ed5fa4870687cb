// The view of one run: what it set, where it comes from, its files, and what it prints.

import { experimentAddress } from "./addresses.js";
import { mark } from "./controls.js";
import { liveState } from "./live_state.js";
import { showProblem } from "./problems.js";
import { growRunCurves, loadRunCurves, runCurvesSection } from "./run_curves.js";
import { doneText, lastValues } from "./running.js";
import { ask, queryOf, send } from "./server.js";
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
  moment,
  short,
} from "./values.js";

const CONSOLE_PAUSE = 1000; // ms between two looks at the console of a running run
const KEPT_LINES = 5000; // of a console on the page
const CHANGING_LINES = 120; // at its end, which may still change

let consoleWait = null;

/** Open the view of the run that the address names. */
export async function openRun(address) {
  const run = {
    experiment: address.get("experiment"),
    fingerprint: address.get("of") ?? "",
    run: address.get("run") ?? "",
  };
  liveState.run = { ...run, lines: [], first: 0, isFollowing: true, draft: null, isSaved: false };
  await loadRun();
}

async function loadRun() {
  const { experiment: name, fingerprint, run } = liveState.run;
  const answer = await ask("/api/run", { experiment: name, fingerprint, run });
  if (liveState.run?.run !== run) return;
  liveState.run.answer = answer;
  renderRun(answer);
  followConsole();
  await loadRunCurves();
}

/** Values of runs have come: show those of this one. */
export function runHasChanged(runs) {
  const own = liveState.run && runs[liveState.run.run];
  if (!own) return;
  renderLiveFacts();
  growRunCurves();
}

/** Runs of experiments have begun, ended or changed. */
export function runsExperimentHasChanged(versions) {
  if (liveState.run && liveState.run.experiment in versions)
    loadRun().catch((error) => showProblem(error.message));
}

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
        element("h2", { id: "run-title" }, breakable(run.configuration), ` · ${run.id.slice(-6)}`),
        element("span", { class: `status ${run.status}` }, mark(run.status), run.status),
      ),
      run.error ? element("pre", { class: "error" }, run.error) : null,
      ...run.notes.map((note) => element("p", { class: "faint" }, note)),
      element(
        "dl",
        { class: "values", id: "run-facts" },
        ...facts(run).map(([name, text]) => fact(name, text)),
      ),
      element("div", { id: "run-live" }),
      marksEditor(run),
    ),
    element(
      "div",
      { class: "pair" },
      valueRows(run).length ? tableSection("Values", ["metric", "best", "test"], valueRows(run)) : null,
      tableSection("Parameters", ["parameter", "value", ""], run.parameters),
    ),
    runCurvesSection(),
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
            plainTable(["package", "version"], run.versions),
          ),
        )
      : null,
  );
  renderLiveFacts();
}

function facts(run) {
  const ended = run.ended === null ? [] : [["took", duration(run.ended - run.started)]];
  return [
    ["run", run.id],
    ["description", run.description],
    ["began", moment(run.started)],
    ...ended,
    ["last step", run.last_step === null ? "" : run.last_step.toLocaleString("en")],
    ["best step", run.best_step === null ? "" : run.best_step.toLocaleString("en")],
    ["folder", run.folder ?? ""],
  ].filter(([, text]) => text);
}

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

function valueRows(run) {
  const tests = new Map(run.test[0].map((name, i) => [name, decoded(run.test[1])[i]]));
  const best = new Map(run.best[0].map((name, i) => [name, decoded(run.best[1])[i]]));
  const text = (value) => (value === undefined ? "–" : short(value));
  return [...new Set([...best.keys(), ...tests.keys()])]
    .sort(byText)
    .map((name) => [name, text(best.get(name)), text(tests.get(name))]);
}

function tableSection(title, head, rows, ...more) {
  return element(
    "section",
    {},
    element("div", { class: "head" }, element("h2", {}, title), ...more),
    rows.length ? plainTable(head, rows) : element("p", { class: "empty" }, "Nothing was recorded."),
  );
}

function plainTable(head, rows) {
  const cells = (tag, row) => element("tr", {}, ...row.map((text) => element(tag, {}, breakable(text))));
  return element(
    "div",
    { class: "scroll", tabindex: 0 },
    element(
      "table",
      { class: "plain wide" },
      element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
      element("tbody", {}, ...rows.map((row) => cells("td", row))),
    ),
  );
}

// -- tags and note

function marksEditor(run) {
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
      await send("/api/marks", {
        experiment: run.experiment,
        fingerprint: run.fingerprint,
        run: run.id,
        add: wanted.filter((tag) => !tags.includes(tag)),
        remove: tags.filter((tag) => !wanted.includes(tag)),
        note: area.value === note ? null : area.value,
      });
      Object.assign(own, { draft: null, isSaved: true });
      showProblem("");
      await loadRun();
    } catch (error) {
      showProblem(error.message);
    }
  };
  const button = element("button", { type: "button", id: "run-save", click: save }, "Save");
  return element("div", { class: "marks" }, input, area, button, saved);
}

// -- the console

function consoleSection(run) {
  if (!run.has_console) return null;
  const follow = element("input", {
    type: "checkbox",
    checked: liveState.run.isFollowing,
    change: () => {
      liveState.run.isFollowing = follow.checked;
    },
  });
  return element(
    "section",
    {},
    element(
      "div",
      { class: "head" },
      element("h2", {}, "Console"),
      element("span", { class: "space" }),
      element("label", { class: "check" }, follow, " follow"),
    ),
    element("pre", { id: "console", tabindex: 0, "aria-label": "What the run printed" }),
  );
}

/** Get the lines that are new, and while the run is running, look again soon. */
async function followConsole() {
  clearTimeout(consoleWait);
  const own = liveState.run;
  const shown = byId("console");
  if (!shown || !own?.answer?.has_console) return;
  const { experiment: name, fingerprint, run } = own;
  const after = Math.max(0, own.first + own.lines.length - CHANGING_LINES);
  try {
    const answer = await ask("/api/console", { experiment: name, fingerprint, run, after });
    if (liveState.run !== own) return;
    const kept =
      answer.first <= own.first + own.lines.length ? own.lines.slice(0, answer.first - own.first) : [];
    own.lines = [...kept, ...answer.lines].slice(-KEPT_LINES);
    own.first = answer.total - own.lines.length;
    const text = own.lines.join("\n");
    if (byId("console").textContent !== text) byId("console").textContent = text;
    if (own.isFollowing) byId("console").scrollTop = byId("console").scrollHeight;
  } catch (error) {
    showProblem(error.message);
  }
  if (document.body.dataset.view === "run" && own.answer.status === "running")
    consoleWait = setTimeout(followConsole, CONSOLE_PAUSE);
}

// -- files, code, commands

function filesSection(run) {
  if (!run.files.length) return null;
  const address = (name) =>
    `/api/artifact?${queryOf({ experiment: run.experiment, fingerprint: run.fingerprint, run: run.id, name })}`;
  const items = run.files.map((file) =>
    element(
      "li",
      {},
      file.kind === "picture"
        ? element("img", { src: address(file.name), alt: file.name, loading: "lazy" })
        : null,
      element("a", { href: address(file.name), download: file.name.split("/").pop() }, file.name),
      element("span", { class: "faint" }, ` ${file.size.toLocaleString("en")} bytes`),
    ),
  );
  return element("section", {}, element("h2", {}, "Files"), element("ul", { class: "files" }, ...items));
}

function patchButton(run) {
  if (!run.has_patch) return null;
  const show = async () => {
    try {
      const parameters = { experiment: run.experiment, fingerprint: run.fingerprint, run: run.id };
      const { text } = await ask("/api/patch", parameters);
      button.replaceWith(element("pre", { id: "patch", tabindex: 0 }, ...text.split("\n").map(patchLine)));
    } catch (error) {
      showProblem(error.message);
    }
  };
  const button = element("button", { type: "button", click: show }, "Show the uncommitted changes");
  return button;
}

function patchLine(line) {
  const kind = line.startsWith("+") ? "added" : line.startsWith("-") ? "removed" : null;
  return element("span", { class: kind }, `${line}\n`);
}

function reproduceSection(run) {
  if (!run.reproduce.length) return null;
  return element(
    "section",
    {},
    element("h2", {}, "Run it again"),
    element("pre", { id: "reproduce", tabindex: 0 }, run.reproduce.join("\n")),
  );
}
