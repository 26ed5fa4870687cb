// The media of a run at one step, beside those of another run of its configuration.

import { drawFigures, mediaArticle } from "./media.js";
import { liveState } from "./live_state.js";
import { showProblem } from "./problems.js";
import { questionOf } from "./run_files.js";
import { ask } from "./server.js";
import { state } from "./state.js";
import { byId, byText, element, fill, messageOf } from "./values.js";

/** The section of the media, which are loaded after it is on the page. */
export function runMediaSection() {
  return element("section", { id: "run-media", hidden: true, "aria-label": "Pictures, sounds, tables" });
}

/** Load the media of the run, and of the one beside it. */
export async function loadRunMedia() {
  const own = liveState.run;
  if (!own?.answer) return;
  const runs = [own.run, ...(own.beside ? [own.beside] : [])];
  try {
    const answer = await ask("api/media", { ...questionOf(own.answer), run: runs });
    if (liveState.run !== own) return;
    Object.assign(state.report.media, answer.contents);
    own.media = answer.runs.filter((/** @type {any} */ one) => one.names);
    renderRunMedia();
  } catch (error) {
    showProblem(messageOf(error));
  }
}

function renderRunMedia() {
  const own = liveState.run;
  const section = byId("run-media");
  const names = [...new Set(own.media.flatMap((/** @type {any} */ one) => Object.keys(one.names)))].sort(
    byText,
  );
  section.hidden = !names.length;
  if (!names.length) return;
  if (!names.includes(own.medium)) own.medium = names[0];
  const shown = own.media.filter((/** @type {any} */ one) => Object.hasOwn(one.names, own.medium));
  const every = shown.flatMap((/** @type {any} */ one) =>
    one.names[own.medium].shown.map((/** @type {Medium} */ medium) => medium.step),
  );
  const steps = [...new Set(every)].sort((a, b) => a - b);
  const before = own.mediaStep === null ? steps.length : steps.filter((one) => one <= own.mediaStep).length;
  const at = Math.max(before - 1, 0);
  fill(
    section,
    element("div", { class: "head" }, element("h2", {}, "Pictures, sounds, tables")),
    element("div", { class: "tools" }, nameChips(names), besideChoice(own)),
    steps.length > 1 ? stepSlider(own, steps, at) : null,
    element(
      "div",
      { class: "media-cards" },
      ...shown.map((/** @type {any} */ one) =>
        mediaArticle(`run ${one.run.slice(-6)}`, null, one, own.medium, steps[at]),
      ),
    ),
  );
  drawFigures(section);
}

/** Keep what is chosen here in the address, so that it can be sent, and survives a reload. */
function keepInAddress() {
  const { run, beside, medium, mediaStep } = liveState.run;
  const address = new URLSearchParams(location.hash.slice(1));
  if (address.get("run") !== run) return; // another view is being opened
  for (const [name, value] of Object.entries({ beside, medium, step: mediaStep })) {
    if (value === "" || value === null) address.delete(name);
    else address.set(name, value);
  }
  history.replaceState(null, "", `#${address}`);
}

/** @param {string[]} names */
function nameChips(names) {
  return element(
    "div",
    { class: "chips", role: "group", "aria-label": "Names" },
    ...names.map((name) =>
      element(
        "button",
        {
          type: "button",
          class: "chip",
          "aria-pressed": String(name === liveState.run.medium),
          click: () => {
            Object.assign(liveState.run, { medium: name, mediaStep: null });
            keepInAddress();
            renderRunMedia();
          },
        },
        name,
      ),
    ),
  );
}

/** @param {any} own */
function besideChoice(own) {
  if (!own.answer.siblings.length) return null;
  const select = element(
    "select",
    {
      id: "run-beside",
      change: () => {
        own.beside = select.value;
        keepInAddress();
        loadRunMedia();
      },
    },
    element("option", { value: "" }, "none"),
    ...own.answer.siblings.map((/** @type {string[]} */ [id, status]) =>
      element("option", { value: id, selected: id === own.beside }, `${id.slice(-6)}, ${status}`),
    ),
  );
  return element("label", { class: "field inline" }, "Run beside it ", select);
}

/** @param {any} own @param {number[]} steps @param {number} at */
function stepSlider(own, steps, at) {
  const text = element("output", {}, steps[at].toLocaleString("en"));
  const slider = element("input", {
    type: "range",
    id: "run-media-step",
    min: 0,
    max: steps.length - 1,
    value: at,
    input: () => {
      const index = Number(slider.value);
      own.mediaStep = index === steps.length - 1 ? null : steps[index];
      keepInAddress();
      renderRunMedia();
      byId("run-media-step").focus();
    },
  });
  return element(
    "div",
    { class: "tools" },
    element("label", { class: "field inline" }, "Step ", slider),
    text,
  );
}
