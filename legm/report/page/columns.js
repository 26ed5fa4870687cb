// The leaderboard's columns: what each shows, how it sorts, and which are visible.

import { statesOf } from "./controls.js";
import { renderTable } from "./leaderboard.js";
import { changed } from "./redraw.js";
import { experiment, higherBetter, metric, ranked, state } from "./state.js";
import { breakable, byId, decimalsOf, element, fill, firstElement, fixed } from "./values.js";

const FEW_METRICS = 4;
const MANY_PARAMETERS = 12;

/** The optional columns, by id: all except the name, the runs and the selected metric. */
function optionalColumns() {
  const { metrics, varying } = experiment();
  const others = metrics.filter((one) => one !== metric());
  return [
    ...others.map((one) => metricColumn(`m:${one.key}`, one)),
    ...varying.map((one) => parameterColumn(one)),
  ];
}

function metricColumn(id, one) {
  const decimals = decimalsOf(Array.from(one.mean), Array.from(one.std));
  return {
    id,
    metric: one,
    title: one.label,
    kind: "number",
    value: (row) => (one.has(row) ? one.mean[row] : NaN),
    descendsFirst: higherBetter(one),
    cell: (row) => meanCell(one, row, decimals),
  };
}

function parameterColumn(one) {
  const states = new Set(one.active.length ? statesOf(one) : []);
  const numeric = [...states].every((state) => !state || one.number(state) !== null);
  const value = (row) => {
    const own = experiment().state(one, row);
    return own ? (one.number(own) ?? one.text(own)) : undefined;
  };
  return {
    id: `p:${one.name}`,
    title: one.name,
    kind: numeric ? "number" : "text",
    value,
    descendsFirst: false,
    cell: (row) => parameterCell(one, row),
  };
}

function parameterCell(one, row) {
  const own = experiment().state(one, row);
  if (!own) return element("span", { class: "faint" }, one.note(experiment().configurationIndex(row)));
  const [text, brief] = [one.text(own), one.brief(own)];
  return element("span", { title: brief === text ? null : text }, brief);
}

export function meanCell(one, row, decimals) {
  if (!one.has(row)) return element("span", { class: "faint" }, "–");
  const [mean, std, n, nan] = [one.mean[row], one.std[row], one.n[row], one.nan[row]];
  const size = Math.max(Math.abs(mean), std);
  const spread =
    n > 1 || std > 0 ? element("span", { class: "std" }, ` ± ${fixed(std, decimals, size)}`) : null;
  const badge = nan ? element("span", { class: "badge warning" }, `${nan} NaN`) : null;
  return element(
    "span",
    { title: `${mean} ± ${std}, n = ${n}` },
    element("span", { class: "mean" }, fixed(mean, decimals, size)),
    spread,
    badge && " ",
    badge,
  );
}

/** The ids of the visible columns. */
export function shownColumns() {
  if (state.columns) return state.columns;
  const { metrics, varying } = experiment();
  const chosen = metric();
  const few = metrics.length <= FEW_METRICS;
  const others = metrics.filter(
    (one) => one !== chosen && (few || one.name === chosen.name) && one.split !== "pooled",
  );
  const parameters = varying.slice(0, MANY_PARAMETERS);
  return [...others.map((one) => `m:${one.key}`), ...parameters.map((one) => `p:${one.name}`)];
}

export function columns() {
  const wanted = new Set(shownColumns());
  const name = {
    id: "name",
    title: "Configuration",
    kind: "name",
    value: (row) => experiment().label(row),
    descendsFirst: false,
    cell: nameCell,
  };
  const runs = {
    id: "runs",
    title: "Runs",
    kind: "number",
    value: (row) => experiment().counts.completed[row],
    descendsFirst: true,
    cell: runsCell,
  };
  const first = metric() && {
    ...metricColumn("metric", metric()),
    kind: "number chosen",
    cell: chosenCell(metric(), ranked()),
  };
  return [name, first, runs, ...optionalColumns().filter((one) => wanted.has(one.id))].filter(Boolean);
}

function nameCell(row) {
  const { description, tags, notes } = experiment().rows[row];
  const open = state.open.has(row);
  const button = element(
    "button",
    {
      type: "button",
      class: "open",
      "aria-expanded": String(open),
      "data-row": row,
      title: experiment().label(row),
      click: () => toggleOpen(row),
    },
    element("span", { class: "name" }, breakable(experiment().briefName(row))),
  );
  const tag = description ? element("span", { class: "tag" }, description) : null;
  const noted = tags || notes?.length ? element("span", { class: "tag" }, tags || "note") : null;
  if (noted && notes?.length) noted.title = notes.join("\n");
  return element("span", { class: "named" }, button, tag, noted);
}

function toggleOpen(row) {
  if (!state.open.delete(row)) state.open.add(row);
  renderTable();
  firstElement(`#table .open[data-row="${row}"]`)?.focus();
}

function runsCell(row) {
  const { counts } = experiment();
  const badges = ["failed", "interrupted", "pruned", "running"]
    .filter((status) => counts[status][row])
    .map((status) => element("span", { class: `badge ${status}` }, `${counts[status][row]} ${status}`));
  const { repeated, code } = experiment().rows[row];
  if (repeated) badges.push(element("span", { class: "badge warning" }, `${repeated} with a repeated seed`));
  if (code) badges.push(element("span", { class: "badge warning", title: code }, "different code"));
  return element("span", { class: "runs" }, ...badges, element("span", {}, String(counts.completed[row])));
}

/** The selected metric with a bar: the mean and its spread, on a common scale for the rows. */
export function chosenCell(one, rows) {
  const decimals = decimalsOf(Array.from(one.mean), Array.from(one.std));
  const scale = barScale(one, rows);
  return (row) => {
    if (!scale || !Number.isFinite(one.mean[row])) return meanCell(one, row, decimals);
    const bar = element("span", { class: "bar-frame", "aria-hidden": "true" });
    const [low, at, high] = [one.mean[row] - one.std[row], one.mean[row], one.mean[row] + one.std[row]].map(
      scale,
    );
    const spread = element("span", { class: "spread" });
    const dot = element("span", { class: "dot" });
    spread.style.left = `${low}%`;
    spread.style.width = `${Math.max(high - low, 0)}%`;
    dot.style.left = `${at}%`;
    bar.append(spread, dot);
    return element("span", { class: "chosen-value" }, bar, meanCell(one, row, decimals));
  };
}

/** The position of a value in percent; outliers are clipped to the ends. */
function barScale(one, rows) {
  const values = rows
    .flatMap((row) => (one.has(row) ? [one.mean[row] - one.std[row], one.mean[row] + one.std[row]] : []))
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  if (!values.length) return null;
  const at = (share) => values[Math.round(share * (values.length - 1))];
  const [low, high] = [at(0.02), at(0.98)];
  return (value) => (high > low ? Math.min(Math.max((value - low) / (high - low), 0), 1) * 100 : 50);
}

// -- column selection

export function renderColumnChoice() {
  const shown = new Set(shownColumns());
  const boxes = optionalColumns().map((one) => {
    const box = element("input", {
      type: "checkbox",
      checked: shown.has(one.id),
      "data-id": one.id,
      change: () => {
        const now = new Set(shownColumns());
        if (box.checked) now.add(one.id);
        else now.delete(one.id);
        state.columns = [...now];
        changed("table");
      },
    });
    return element("label", { class: "check" }, box, ` ${one.title}`);
  });
  byId("columns").hidden = !boxes.length;
  fill(byId("columns").querySelector(".sheet"), ...boxes);
}
