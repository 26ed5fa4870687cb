// What a run left: its files with previews, the uncommitted changes of its code, and how to run it again.

import { liveState } from "./live_state.js";
import { patchText } from "./patch_text.js";
import { showProblem } from "./problems.js";
import { ask, queryOf } from "./server.js";
import { element, fill, messageOf } from "./values.js";

/**
 * The parameters that name the run in a question.
 * @param {RunName} run
 */
export function questionOf(run) {
  return { experiment: run.experiment, fingerprint: run.fingerprint, run: run.id };
}

/**
 * The files: pictures, sounds and videos with their content, others with the beginning of it on demand.
 * @param {any} run
 */
export function filesSection(run) {
  if (!run.files.length) return null;
  const address = (/** @type {string} */ name) => `api/artifact?${queryOf({ ...questionOf(run), name })}`;
  const items = run.files.map((/** @type {RunFile} */ file) => {
    const shown = contentOf(file, address(file.name));
    return element(
      "li",
      {},
      shown,
      element("a", { href: address(file.name), download: file.name.split("/").pop() }, file.name),
      element("span", { class: "faint" }, ` ${file.size.toLocaleString("en")} bytes `),
      ...(shown ? [] : previewOf(run, file)),
    );
  });
  return element("section", {}, element("h2", {}, "Files"), element("ul", { class: "files" }, ...items));
}

/**
 * A picture, a sound or a video; null of any other file.
 * @param {RunFile} file
 * @param {string} src
 */
function contentOf(file, src) {
  if (file.kind === "image") return element("img", { src, alt: file.name, loading: "lazy" });
  if (file.kind !== "audio" && file.kind !== "video") return null;
  return element(file.kind, { src, controls: true, preload: "none", "aria-label": file.name }); // read when played
}

/** @param {any} run @param {RunFile} file */
function previewOf(run, file) {
  const part = element("div", { class: "preview" });
  const show = async () => {
    if (part.firstChild) {
      fill(part);
      button.setAttribute("aria-expanded", "false");
      return;
    }
    try {
      const { text, more } = await ask("api/preview", { ...questionOf(run), name: file.name });
      button.setAttribute("aria-expanded", "true");
      fill(
        part,
        text === null
          ? element("p", { class: "faint" }, "It is not text: download it.")
          : element("pre", { tabindex: 0, "aria-label": `Beginning of ${file.name}` }, text),
        more ? element("p", { class: "faint" }, "… and more: download it.") : null,
      );
    } catch (error) {
      showProblem(messageOf(error));
    }
  };
  const button = element(
    "button",
    { type: "button", "aria-expanded": "false", "aria-label": `Preview ${file.name}`, click: show },
    "Preview",
  );
  return [button, part];
}

/**
 * The button that shows the uncommitted changes; null where there are none.
 * @param {any} run
 */
export function patchButton(run) {
  if (!run.has_patch) return null;
  /** @type {Element | null} */
  let shown = null;
  const turn = (/** @type {Element | null} */ now) => {
    shown?.remove();
    shown = now;
    if (shown) button.closest(".head").after(shown);
    button.textContent = `${shown ? "Hide" : "Show"} the uncommitted changes`;
    button.setAttribute("aria-expanded", String(Boolean(shown)));
  };
  const click = async () => {
    if (shown) {
      turn(null);
      return;
    }
    try {
      const { text } = await ask("api/patch", questionOf(run));
      turn(patchText(text.replace(/\n$/, "").split("\n"), "Uncommitted changes"));
    } catch (error) {
      showProblem(messageOf(error));
    }
  };
  const button = element("button", { type: "button", click });
  turn(null);
  return button;
}

/**
 * The commands that run it again.
 * @param {any} run
 */
export function reproduceSection(run) {
  if (!run.reproduce.length) return null;
  const text = run.reproduce.join("\n");
  const copied = element("span", { class: "faint", role: "status" });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      copied.textContent = "Copied";
    } catch {
      copied.textContent = "The browser does not allow it: select the text.";
    }
  };
  return element(
    "section",
    {},
    element(
      "div",
      { class: "head" },
      element("h2", {}, "Run it again"),
      element("button", { type: "button", click: copy }, "Copy"),
      copied,
    ),
    element("pre", { id: "reproduce", tabindex: 0, "aria-label": "Commands that run it again" }, text),
  );
}

// -- the console

const CONSOLE_PAUSE = 1000; // ms between two looks at the console of a running run
const KEPT_LINES = 5000; // of a console on the page
const CHANGING_LINES = 120; // at its end, which may still change

/**
 * What the run printed, which is loaded after it is on the page.
 * @param {any} run
 */
export function consoleSection(run) {
  if (!run.has_console) return null;
  const follow = element("input", {
    type: "checkbox",
    checked: liveState.run.isFollowing,
    change: () => {
      liveState.run.isFollowing = follow.checked;
      if (follow.checked) shown.scrollTop = shown.scrollHeight;
    },
  });
  const shown = element("pre", {
    id: "console",
    tabindex: 0,
    "aria-label": "What the run printed",
    scroll: () => {
      const isAtEnd = shown.scrollTop + shown.clientHeight > shown.scrollHeight - 30;
      if (isAtEnd || !liveState.run?.isFollowing || !shown.scrollTop) return;
      liveState.run.isFollowing = false; // one who looks at something above is not taken away from it
      follow.checked = false;
    },
  });
  shown.textContent = liveState.run.lines.join("\n");
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
    shown,
  );
}

/** Get the lines that are new, and while the run is running, look again soon. */
export async function followConsole() {
  clearTimeout(liveState.waits.console);
  const own = liveState.run;
  const shown = document.getElementById("console");
  if (!shown || !own?.answer?.has_console) return;
  const after = Math.max(0, own.first + own.lines.length - CHANGING_LINES);
  try {
    const answer = await ask("api/console", { ...questionOf(own.answer), after });
    if (liveState.run !== own) return;
    const kept =
      answer.first <= own.first + own.lines.length ? own.lines.slice(0, answer.first - own.first) : [];
    own.lines = [...kept, ...answer.lines].slice(-KEPT_LINES);
    own.first = answer.total - own.lines.length;
    const text = own.lines.join("\n");
    if (shown.textContent !== text) shown.textContent = text;
    if (own.isFollowing) shown.scrollTop = shown.scrollHeight;
  } catch (error) {
    showProblem(messageOf(error));
  }
  const address = new URLSearchParams(location.hash.slice(1)); // the view itself is named when all of it is there
  if (address.get("view") === "run" && address.get("run") === own.run && own.answer.status === "running")
    liveState.waits.console = setTimeout(followConsole, CONSOLE_PAUSE);
}
