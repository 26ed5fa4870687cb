// Tags and notes of all runs of a row, edited where they are shown.

import { renderTable } from "./leaderboard.js";
import { liveState } from "./live_state.js";
import { showProblem } from "./problems.js";
import { send } from "./server.js";
import { experiment } from "./state.js";
import { element, firstElement, messageOf } from "./values.js";

/**
 * The button that opens the editor of a row; null where nothing may be changed.
 * @param {number} row
 */
export function marksButton(row) {
  if (liveState.readOnly) return null;
  const label = `Edit the tags and the note of ${experiment().label(row)}`;
  return element(
    "button",
    { type: "button", class: "quiet edit", "aria-label": label, title: label, click: () => openEditor(row) },
    "✎",
  );
}

/**
 * The editor of a row while it is open; the same one each time, so that what was typed stays.
 * @param {number} row
 */
export function marksEditor(row) {
  const { editor } = liveState;
  return editor?.id === experiment().id(row) ? editor.element : null;
}

/** @param {number} row */
function openEditor(row) {
  const { every_tag: tags = [], notes = [] } = experiment().rows[row];
  liveState.editor = { id: experiment().id(row), element: editorOf(row, tags, notes) };
  renderTable();
  firstElement("#table .row-marks input").focus();
}

function closeEditor() {
  const { id } = liveState.editor;
  liveState.editor = null;
  renderTable();
  firstElement(`#table tr[data-id="${CSS.escape(id)}"] button.edit`)?.focus();
}

/** @param {number} row @param {string[]} tags @param {string[]} notes */
function editorOf(row, tags, notes) {
  const chosen = experiment();
  const { description } = chosen.rows[row];
  const { fingerprint } = chosen.configuration(row);
  const isOneNote = new Set(notes).size <= 1;
  const before = isOneNote ? (notes[0] ?? "") : "";
  const tagField = element("input", {
    "aria-label": "Tags of all runs of this row",
    placeholder: "tags",
    value: tags.join(" "),
  });
  const noteField = element("input", {
    "aria-label": "Note about all runs of this row",
    placeholder: isOneNote ? "a note" : "each run has a note of its own: see its page",
    value: before,
    disabled: !isOneNote,
  });
  const save = async () => {
    const wanted = tagField.value.split(/[\s,]+/).filter(Boolean);
    try {
      await send("api/marks", {
        experiment: chosen.name,
        fingerprint,
        description,
        add: wanted.filter((/** @type {string} */ tag) => !tags.includes(tag)),
        remove: tags.filter((tag) => !wanted.includes(tag)),
        note: noteField.value === before ? null : noteField.value,
      });
      showProblem("");
      closeEditor();
    } catch (error) {
      showProblem(messageOf(error));
    }
  };
  const keydown = (/** @type {any} */ event) => {
    if (event.key === "Enter" && event.target.matches("input")) save();
    if (event.key === "Escape") closeEditor();
  };
  return element(
    "span",
    { class: "row-marks", role: "group", "aria-label": "Tags and note", keydown },
    tagField,
    noteField,
    element("button", { type: "button", click: save }, "Save"),
    element("button", { type: "button", class: "quiet", click: closeEditor }, "Cancel"),
  );
}
