// Groups of configurations that have equal values of some parameters, ranked by the chosen metric.

import { chosenCell } from "./columns.js";
import { filterOf, renderFilters } from "./controls.js";
import { downloadMenu, ensureMenu, textsOf } from "./downloads.js";
import { groupedContent } from "./grouping.js";
import { changed } from "./redraw.js";
import { chosenMetric, experiment, higherBetter, PAGE, state } from "./state.js";
import { breakable, byFact, byId, counted, element, fill, firstElement } from "./values.js";

export function renderGroups() {
  ensureMenu("groups-download", () =>
    downloadMenu(
      () => "legm-groups",
      (format) => (format === "csv" ? exactGroups() : shownGroups()),
    ),
  );
  if (!state.report.isLive) groupHere();
  renderGroupChoice();
  const stored = experiment().content.groups;
  byId("groups").hidden = !stored;
  if (!stored) return;
  const groups = experiment().groupsBy(state.metric);
  const shown = groups ? rankedGroups(groups) : [];
  byId("groups-note").textContent = groups && shown.length ? groupNote(groups) : "";
  byId("groups-empty").hidden = shown.length > 0;
  byId("groups-empty").textContent = stored.missing.length
    ? `No configuration of this experiment has an active parameter ${stored.missing.join(", ")}.`
    : "No completed run has a value yet.";
  byId("groups-frame").hidden = !shown.length;
  const visible = shown.slice(0, state.groupLimit);
  fill(byId("groups-table"), ...(groups && shown.length ? groupTable(groups, shown, visible) : []));
  const rest = shown.length - visible.length;
  byId("groups-more").hidden = rest <= 0;
  byId("groups-more").textContent = `Show ${Math.min(rest, PAGE)} more of ${rest}`;
}

/** The groups as they are shown, without the buttons. */
function shownGroups() {
  const { headers, rows } = textsOf(byId("groups-table"));
  return { headers: headers.slice(0, -1), rows: rows.map((row) => row.slice(0, -1)) };
}

/**
 * All groups with exact numbers, best first.
 * @returns {Table}
 */
function exactGroups() {
  const groups = experiment().groupsBy(state.metric);
  if (!groups) return { headers: [], rows: [] };
  const parameters = groupParameters();
  return {
    headers: [
      ...parameters.map((one) => one.name),
      "description",
      `${state.metric}_mean`,
      `${state.metric}_std`,
      "configurations",
      "runs",
    ],
    rows: rankedGroups(groups).map((group) => [
      ...parameters.map((one) => one.text(one.state(groups.first[group])) ?? ""),
      groups.descriptionOf[group],
      groups.mean[group],
      groups.std[group],
      groups.configurations[group],
      groups.runs[group],
    ]),
  };
}

/** @returns {Parameter[]} */
function groupParameters() {
  return experiment().content.groups.by.map((/** @type {string} */ name) => experiment().parameter(name));
}

/** Group what a report has, which asks no server; the groups that it was built with are the first ones. */
function groupHere() {
  const chosen = experiment();
  const { by, missing } = chosen.content.groups ?? { by: [], missing: [] };
  const isThere = JSON.stringify(by) === JSON.stringify(state.groupBy);
  if (isThere || (missing.length && !state.groupBy.length)) return;
  chosen.replaceGroups(state.groupBy.length ? groupedContent(chosen, state.groupBy) : null);
}

/** The parameters by which one can group, in the order in which they were ticked. */
function renderGroupChoice() {
  const { varying } = experiment();
  byId("group-by").hidden = !varying.length;
  if (byId("group-by").hidden) return;
  const summary = state.groupBy.length
    ? `Grouped by ${counted(state.groupBy.length, "parameter")}`
    : "Group by";
  byId("group-by").querySelector("summary").textContent = summary;
  const boxes = varying.map((one) => {
    const box = element("input", {
      type: "checkbox",
      checked: state.groupBy.includes(one.name),
      "data-group-by": one.name,
      change: () => {
        const rest = state.groupBy.filter((name) => name !== one.name);
        state.groupBy = box.checked ? [...rest, one.name] : rest;
        changed("groups");
        firstElement(`[data-group-by="${CSS.escape(one.name)}"]`)?.focus();
      },
    });
    return element("label", { class: "check" }, box, ` ${one.name}`);
  });
  fill(byId("group-by").querySelector(".sheet"), ...boxes);
}

/**
 * What is averaged, in the groups that are shown.
 * @param {Groups} groups
 */
function groupNote(groups) {
  return state.description === null ? groups.note : (groups.notes[state.description] ?? "");
}

/**
 * The groups of the chosen description, best first; those without a number come last.
 * @param {Groups} groups
 */
function rankedGroups(groups) {
  const sign = higherBetter() ? -1 : 1;
  const value = (/** @type {number} */ group) => sign * groups.mean[group];
  return groups.descriptionOf
    .map((_, group) => group)
    .filter((group) => state.description === null || groups.descriptionOf[group] === state.description)
    .sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (Number.isNaN(x) || Number.isNaN(y)) return byFact(Number.isNaN(x), Number.isNaN(y)) || a - b;
      return x < y ? -1 : x > y ? 1 : a - b;
    });
}

/** @param {Groups} groups @param {number[]} shown @param {number[]} visible */
function groupTable(groups, shown, visible) {
  const parameters = groupParameters();
  const described = state.description === null && experiment().descriptions.length > 1;
  const value = chosenCell(groups, shown);
  const head = [
    ["#", "number rank"],
    ...parameters.map((/** @type {Parameter} */ one) => [one.name, "text"]),
    ...(described ? [["Description", "text"]] : []),
    [`mean ${chosenMetric().label}`, "number chosen"],
    ["Configurations", "number"],
    ["Runs", "number"],
    ["", null],
  ];
  const titles = head.map(([title, kind]) =>
    element("th", { scope: "col", class: kind }, title ? breakable(title) : hidden("Filter")),
  );
  const rows = visible.map((group, i) =>
    element(
      "tr",
      { "data-group": group },
      element("td", { class: "number rank" }, Number.isNaN(groups.mean[group]) ? "–" : String(i + 1)),
      ...parameters.map((/** @type {Parameter} */ one) =>
        element("td", { class: "text" }, groupValue(one, groups.first[group])),
      ),
      described ? element("td", { class: "text" }, groups.descriptionOf[group] || "(none)") : null,
      element("td", { class: "number chosen" }, value(group)),
      element("td", { class: "number" }, counted(groups.configurations[group], "", "").trim()),
      element("td", { class: "number" }, counted(groups.runs[group], "", "").trim()),
      element("td", {}, groupButton(parameters, groups, group)),
    ),
  );
  return [element("thead", {}, element("tr", {}, ...titles)), element("tbody", {}, ...rows)];
}

/** @param {string} text */
function hidden(text) {
  return element("span", { class: "hidden" }, text);
}

/** @param {Parameter} parameter @param {number} index */
function groupValue(parameter, index) {
  const own = parameter.state(index);
  if (!own) return element("span", { class: "faint" }, parameter.note(index));
  const [text, brief] = [parameter.text(own), parameter.brief(own)];
  return element("span", { title: brief === text ? null : text }, brief);
}

/**
 * A button that leaves only the configurations of a group in the leaderboard.
 * @param {Parameter[]} parameters
 * @param {Groups} groups
 * @param {number} group
 */
function groupButton(parameters, groups, group) {
  const label = parameters
    .map((one) => `${one.name}=${one.text(one.state(groups.first[group])) ?? "inactive"}`)
    .join(", ");
  return element(
    "button",
    {
      type: "button",
      class: "show-group",
      "aria-label": `Show the configurations with ${label} in the leaderboard`,
      click: () => {
        for (const one of parameters) {
          if (experiment().varying.includes(one))
            state.filters[one.name] = filterOf(one, one.state(groups.first[group]));
        }
        byId("filters").open = true;
        renderFilters();
        changed("rows");
        byId("leaderboard").scrollIntoView({ block: "start" });
      },
    },
    "Show",
  );
}
