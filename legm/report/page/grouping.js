// Groups of configurations with equal values of some parameters, by the rules of legm/analysis/grouping.py.

import { counted } from "./values.js";

/**
 * The groups of an experiment, in the form in which a server gives them.
 * @param {Experiment} chosen
 * @param {string[]} names of parameters
 */
export function groupedContent(chosen, names) {
  const parameters = names.map((name) => chosen.parameter(name)).filter((one) => one !== undefined);
  return {
    by: names,
    missing: [],
    metrics: Object.fromEntries(
      chosen.metrics.map((one) => [one.key, groupsByMetric(chosen, parameters, one)]),
    ),
  };
}

/** @param {Experiment} chosen @param {Parameter[]} parameters @param {Metric} metric */
function groupsByMetric(chosen, parameters, metric) {
  /** @type {Map<string, number[]>} */
  const groups = new Map(); // the rows of each
  chosen.rows.forEach(({ description }, row) => {
    if (!metric.has(row)) return;
    const key = JSON.stringify([description, ...parameters.map((one) => chosen.state(one, row))]);
    groups.set(key, [...(groups.get(key) ?? []), row]);
  });
  const every = [...groups.values()];
  const values = every.map((rows) => meanOfRows(rows.map((row) => metric.mean[row])));
  const descriptions = every.map(([row]) => chosen.rows[row].description);
  const ofDescription = (/** @type {string} */ text) => every.filter((_, i) => descriptions[i] === text);
  return {
    description: descriptions,
    first: every.map(([row]) => chosen.configurationIndex(row)),
    mean: values.map((one) => one.mean),
    std: values.map((one) => one.std),
    n: values.map((one) => one.n),
    nan: values.map((one, i) => every[i].length - one.n),
    configurations: every.map((rows) => rows.length),
    runs: every.map((rows) => rows.reduce((sum, row) => sum + metric.n[row], 0)),
    note: groupingNote(chosen, parameters, every),
    notes: Object.fromEntries(
      descriptions.map((text) => [text, groupingNote(chosen, parameters, ofDescription(text))]),
    ),
  };
}

/**
 * The mean of the numbers among some values, and their standard deviation.
 * @param {number[]} values
 */
function meanOfRows(values) {
  const numbers = values.filter((one) => !Number.isNaN(one));
  const n = numbers.length;
  const mean = n ? numbers.reduce((sum, one) => sum + one / n, 0) : NaN;
  const squares = numbers.reduce((sum, one) => sum + (one - mean) ** 2 / n, 0);
  return { mean, std: n ? Math.sqrt(squares) : NaN, n };
}

/**
 * What is averaged in groups.
 * @param {Experiment} chosen
 * @param {Parameter[]} parameters
 * @param {number[][]} groups
 */
function groupingNote(chosen, parameters, groups) {
  if (!groups.length) return "";
  const varies = (/** @type {Parameter} */ one) =>
    groups.some((rows) => new Set(rows.map((row) => chosen.state(one, row))).size > 1);
  const over = chosen.parameters.filter((one) => !parameters.includes(one) && varies(one));
  const names = over.map((one) => one.name).sort();
  const what = names.length ? `, which differ in ${names.join(", ")}` : "";
  const different = new Set(groups.flat().map((row) => chosen.configurationIndex(row))).size;
  return (
    `grouped by ${parameters.map((one) => one.name).join(", ")}: each value is the mean over the configurations ` +
    `of a group${what}, and their standard deviation; each of these is over its runs ` +
    `(${counted(different, "configuration")})`
  );
}
