// The page's controls: experiment, metric, direction and description; filters.

import { changed } from "./redraw.js";
import { chosenMetric, experiment, higherBetter, isDescribed, state } from "./state.js";
import { renderTheme } from "./theme.js";
import { breakable, byCell, byFact, byId, compact, counted, distinct, element, fill } from "./values.js";

export function renderHead() {
  const chosen = experiment();
  byId("title").textContent = state.report.title;
  byId("experiment-field").hidden = state.experiments.length < 2;
  fillSelect(
    byId("experiment"),
    state.experiments.map((one, i) => [i, one.name]),
    state.experiment,
  );
  renderTheme();
  renderMetricChoice(chosen);
  const descriptions = chosen.descriptions.map((text) => [text, text || "(none)"]);
  byId("description-field").hidden = descriptions.length < 2;
  const every = [["*", "all"], ...descriptions.map(([text, shown]) => [`=${text}`, shown])];
  fillSelect(byId("description"), every, state.description === null ? "*" : `=${state.description}`);
  renderCounts(chosen);
  byId("selected").hidden = !chosen.content.selected;
  byId("selected").textContent = `Only runs and configurations with ${chosen.content.selected}`;
  fill(
    byId("problems"),
    ...chosen.content.problems.map((/** @type {string} */ text) =>
      element("p", {}, `Could not be read: ${text}`),
    ),
  );
}

/** @param {Element} select @param {Cell[][]} options @param {Cell} chosen */
export function fillSelect(select, options, chosen) {
  fill(
    select,
    ...options.map(([value, text]) =>
      element("option", { value, selected: String(value) === String(chosen) }, String(text)),
    ),
  );
}

const SPLITS = [
  ["dev", "Dev"],
  ["test", "Test"],
  ["pooled", "Over all values"],
];

/** @param {Experiment} chosen */
function renderMetricChoice(chosen) {
  const select = byId("metric");
  fill(
    select,
    ...SPLITS.map(([split, label]) => {
      const members = chosen.metrics.filter((one) => one.split === split);
      if (!members.length) return null;
      const options = members.map((one) =>
        element("option", { value: one.key, selected: one.key === state.metric }, one.label),
      );
      return element("optgroup", { label }, ...options);
    }),
  );
  const none = !chosen.metrics.length;
  if (none) fill(select, element("option", {}, "no metric yet"));
  for (const one of [select, byId("higher"), byId("lower")]) one.disabled = none;
  byId("higher").setAttribute("aria-pressed", String(!none && higherBetter()));
  byId("lower").setAttribute("aria-pressed", String(!none && !higherBetter()));
  byId("because").textContent = none ? "" : directionReason();
}

function directionReason() {
  if (String(state.metric) in state.higher) return "as you chose";
  const { because, conflicts, direction } = chosenMetric();
  /** @type {Record<string, string>} */
  const reasons = {
    asked: "as asked for",
    rule: "as the runs chose their best step",
    name: "guessed from the name",
    default: "as no run and no word in the name says otherwise",
  };
  return conflicts ? direction : reasons[because];
}

/** @type {Record<string, string>} */
export const STATUSES = { completed: "✓", failed: "✕", interrupted: "‖", pruned: "✂", running: "▸" };

/** @param {Experiment} chosen */
function renderCounts(chosen) {
  const rows = chosen.rows.map((_, row) => row).filter(isDescribed);
  const configurations = new Set(rows.map((row) => chosen.configurationIndex(row)));
  const items = Object.keys(STATUSES).map((status) => {
    const number = rows.reduce((sum, row) => sum + chosen.counts[status][row], 0);
    const text = `${number.toLocaleString("en")} ${status}`;
    const inside =
      status === "completed" || !number
        ? element("span", {}, text)
        : element("a", { href: "#unfinished", click: goTo }, text);
    return element("li", { class: `status ${status}${number ? "" : " zero"}` }, mark(status), inside);
  });
  fill(
    byId("counts"),
    element("li", { class: "total" }, counted(configurations.size, "configuration")),
    ...items,
  );
}

/** @param {string} status */
export function mark(status) {
  return element("span", { class: "mark", "aria-hidden": "true" }, STATUSES[status]);
}

/**
 * Scroll to a section; the URL keeps the state.
 * @param {any} event
 */
function goTo(event) {
  event.preventDefault();
  const section = document.querySelector(event.currentTarget.getAttribute("href"));
  section.scrollIntoView({ block: "start" });
}

/** @param {string} name */
export function colourOf(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// -- filters

const FEW = 12; // values in a list of checkboxes
export const LONGEST_CHIP = 36; // letters of a name on a button

export function renderFilters() {
  const { varying } = experiment();
  const names = distinct(
    varying.map((one) => one.name),
    LONGEST_CHIP,
  );
  const fields = varying.map((parameter, i) => filterField(parameter, names[i]));
  fill(byId("filter-fields"), ...fields, clearButton());
  byId("filters").hidden = !fields.length;
  renderFilterTitle();
}

function renderFilterTitle() {
  const active = Object.keys(state.filters);
  byId("filters-title").textContent = active.length
    ? `Filter by parameter (${active.length} set)`
    : "Filter by parameter";
  const button = byId("clear-filters");
  if (button) button.hidden = !active.length;
}

function clearButton() {
  return element(
    "button",
    {
      type: "button",
      id: "clear-filters",
      class: "quiet",
      click: () => {
        state.filters = {};
        renderFilters();
        changed("rows");
      },
    },
    "Clear filters",
  );
}

/**
 * The states of a parameter in all configurations: its values in order, and 0 if inactive.
 * @param {Parameter} parameter
 */
export function statesOf(parameter) {
  const states = experiment().content.configurations.map(
    (/** @type {unknown} */ _, /** @type {number} */ index) => parameter.state(index),
  );
  return [...new Set(states)].sort((a, b) => byFact(a === 0, b === 0) || byValue(parameter, a, b));
}

/** @param {Parameter} parameter @param {number} a @param {number} b */
export function byValue(parameter, a, b) {
  const [x, y] = [parameter.number(a), parameter.number(b)];
  if (x !== null && y !== null) return byCell(x, y);
  return byFact(x === null, y === null) || parameter.textOrder(parameter.text(a), parameter.text(b));
}

/** @param {Parameter} parameter @param {number[]} states */
function isRange(parameter, states) {
  return states.length > FEW && states.every((one) => !one || parameter.number(one) !== null);
}

/**
 * The filter that leaves one value of a parameter; 0 if inactive.
 * @param {Parameter} parameter
 * @param {number} own
 * @returns {Filter}
 */
export function filterOf(parameter, own) {
  if (!own || !isRange(parameter, statesOf(parameter))) return { state: own };
  const number = parameter.number(own) ?? undefined;
  return { least: number, most: number };
}

/** @param {Parameter} parameter @param {string} name */
function filterField(parameter, name) {
  const states = statesOf(parameter);
  const inside = isRange(parameter, states)
    ? rangeInputs(parameter, states)
    : [valueChoice(parameter, states)];
  const title = element("span", { class: "name", title: parameter.name }, breakable(name));
  return element("div", { class: "field" }, title, ...inside);
}

/** @param {Parameter} parameter @param {number[]} states */
function valueChoice(parameter, states) {
  const chosen = state.filters[parameter.name]?.state;
  const select = element("select", {
    "aria-label": parameter.name,
    "data-parameter": parameter.name,
    change: () => {
      setFilter(parameter, select.value === "" ? null : { state: Number(select.value) });
    },
  });
  const options = states.map((one) => [one, one ? parameter.brief(one) : "inactive"]);
  fillSelect(select, [["", "any"], ...options], chosen ?? "");
  return select;
}

/** @param {Parameter} parameter @param {number[]} states */
function rangeInputs(parameter, states) {
  const numbers = states.filter(Boolean).map((one) => parameter.number(one) ?? NaN);
  /** @type {["least" | "most", number, string][]} */
  const ends = [
    ["least", Math.min(...numbers), "from"],
    ["most", Math.max(...numbers), "to"],
  ];
  return ends.map(([end, usual, word]) => {
    const input = element("input", {
      type: "number",
      step: "any",
      placeholder: compact(usual),
      "aria-label": `${parameter.name} ${word}`,
      "data-parameter": parameter.name,
      value: state.filters[parameter.name]?.[end] ?? "",
      input: () => {
        const value = input.value === "" ? undefined : Number(input.value);
        const filter = { ...state.filters[parameter.name], [end]: value };
        setFilter(parameter, filter.least === undefined && filter.most === undefined ? null : filter);
      },
    });
    return input;
  });
}

/** @param {Parameter} parameter @param {Filter|null} filter */
function setFilter(parameter, filter) {
  if (filter) state.filters[parameter.name] = filter;
  else delete state.filters[parameter.name];
  renderFilterTitle();
  changed("rows");
}
