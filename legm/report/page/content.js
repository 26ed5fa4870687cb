// The content of one experiment, for the panels. A row is a configuration and description.

import { byText, decoded, distinct } from "./values.js";

const LONGEST_NAME = 40; // letters of a configuration's name,
const LONGEST_VALUE = 28; // and of a parameter's value

class Parameter {
  constructor(content) {
    this.name = content.name;
    this.texts = content.values.map(([text]) => text);
    this.numbers = content.values.map(([, number]) => number);
    this.rounded = content.values.map(([text, , brief]) => brief ?? text);
    this.briefs = null; // found on first use
    this.of = decoded(content.of);
    this.active = decoded(content.active);
  }

  /** The number of the value, from 1; 0 if the parameter is inactive or absent. */
  state(index) {
    return this.active[index] ? this.of[index] : 0;
  }

  text(state) {
    return this.texts[state - 1];
  }

  /** The text of a value for a table or an axis: numbers are rounded, long texts cut. */
  brief(state) {
    this.briefs ??= distinct(this.rounded, LONGEST_VALUE);
    return this.briefs[state - 1];
  }

  number(state) {
    return this.numbers[state - 1];
  }

  /** Why it is not active. */
  note(index) {
    return this.of[index] ? "inactive" : "absent";
  }
}

class Metric {
  constructor(content) {
    this.title = content.title;
    this.mean = this.std = this.n = this.nan = null; // by row
    Object.assign(this, content);
    for (const column of ["mean", "std", "n", "nan"]) this[column] = decoded(content[column]);
  }

  has(row) {
    return this.n[row] + this.nan[row] > 0;
  }

  get label() {
    return this.title;
  }
}

/** The groups of configurations by a metric: like a metric, with a row for each group. */
class Groups extends Metric {
  constructor(content) {
    super(content);
    for (const column of ["configurations", "runs"]) this[column] = decoded(content[column]);
  }
}

export class Experiment {
  constructor(content) {
    this.content = content;
    this.groups = this.briefs = this.briefNames = this.decodedRuns = this.runsByRow = null; // found on first use
    this.name = content.name;
    this.rows = content.rows;
    this.metrics = content.metrics.map((one) => new Metric(one));
    this.byKey = new Map(this.metrics.map((one) => [one.key, one]));
    this.parameters = content.parameters.map((one) => new Parameter(one));
    this.varying = this.parameters.filter((one) => this.varies(one));
    this.counts = Object.fromEntries(
      Object.entries(content.counts).map(([status, text]) => [status, decoded(text)]),
    );
    this.descriptions = [...new Set(this.rows.map((row) => row.description))].sort(byText);
    this.lines = new Map();
    this.grids = [];
    this.parts = new Map(); // by fingerprint, what was loaded of a configuration
  }

  /** Whether runs, curves and media are loaded one configuration at a time. */
  get isPartial() {
    return Boolean(this.content.partial);
  }

  /** A row where its runs, curves and media are; null while they are not loaded. */
  loaded(row) {
    if (!this.isPartial) return { of: this, row };
    const part = this.parts.get(this.configuration(row).fingerprint);
    const own = part?.rows.findIndex((one) => one.description === this.rows[row].description) ?? -1;
    return own < 0 ? null : { of: part, row: own };
  }

  get curveMetrics() {
    const names = (one) => [...Object.keys(one.curves), ...one.unfinished.map((curve) => curve.metric)];
    const found = this.isPartial
      ? [...this.content.curve_metrics, ...[...this.parts.values()].flatMap((part) => part.curveMetrics)]
      : this.rows.flatMap(names);
    return [...new Set(found)].sort(byText);
  }

  get mediaNames() {
    const found = this.isPartial
      ? [...this.parts.values()].flatMap((part) => part.mediaNames)
      : this.rows.flatMap((row) => Object.keys(row.media.names ?? {}));
    return [...new Set(found)].sort(byText);
  }

  /** Whether a row has curves, or may have some that are not loaded yet. */
  mayHaveCurves(row) {
    if (this.isPartial) return Object.values(this.counts).some((of) => of[row] > 0);
    const { curves, unfinished } = this.rows[row];
    return Object.keys(curves).length + unfinished.length > 0;
  }

  varies(parameter) {
    const configurations = this.content.configurations;
    return configurations.some((_, index) => parameter.state(index) !== parameter.state(0));
  }

  configuration(row) {
    return this.content.configurations[this.configurationIndex(row)];
  }

  configurationIndex(row) {
    return this.rows[row].configuration;
  }

  /** The row of a configuration's runs with a description; undefined if there is none. */
  rowOf(fingerprint, description) {
    const row = this.rows.findIndex(
      (one, i) => one.description === description && this.configuration(i).fingerprint === fingerprint,
    );
    return row < 0 ? undefined : row;
  }

  state(parameter, row) {
    return parameter.state(this.configurationIndex(row));
  }

  parameter(name) {
    return this.parameters.find((one) => one.name === name);
  }

  /** Have other runs. */
  replaceRuns(runs) {
    this.content.runs = runs;
    this.decodedRuns = this.runsByRow = null;
  }

  /** Have other groups. */
  replaceGroups(groups) {
    this.content.groups = groups;
    this.groups = null;
  }

  /** The groups by a metric; undefined if there are none. */
  groupsBy(key) {
    this.groups ??= new Map(
      Object.entries(this.content.groups?.metrics ?? {}).map(([one, content]) => [one, new Groups(content)]),
    );
    return this.groups.get(key);
  }

  /** The name of a row, with its description if there are several. */
  label(row) {
    const { description } = this.rows[row];
    const { name } = this.configuration(row);
    return description && this.descriptions.length > 1 ? `${name} · ${description}` : name;
  }

  /** The label, cut if it is long; different rows stay different everywhere on the page. */
  brief(row) {
    this.briefs ??= distinct(
      this.rows.map((_, one) => this.label(one)),
      LONGEST_NAME,
    );
    return this.briefs[row];
  }

  /** The name of the row's configuration, cut if it is long. */
  briefName(row) {
    this.briefNames ??= distinct(
      this.content.configurations.map((one) => one.name),
      LONGEST_NAME,
    );
    return this.briefNames[this.configurationIndex(row)];
  }

  /** The identifier of a row, which is the same in every report of the same runs. */
  id(row) {
    return `${this.configuration(row).fingerprint.split("-").pop().slice(0, 12)}.${this.rows[row].description}`;
  }

  /** The decoded curve of a dev metric; undefined if the row has none. */
  line(row, metric) {
    if (this.isPartial) {
      const own = this.loaded(row);
      return own?.of.line(own.row, metric);
    }
    const key = `${row} ${metric}`;
    if (!this.lines.has(key)) {
      const stored = this.rows[row].curves[metric];
      this.lines.set(key, stored && this.decodedLine(stored));
    }
    return this.lines.get(key);
  }

  /** The decoded curves of a dev metric of a row's runs that are not completed, each with id and status. */
  unfinishedLines(row, metric) {
    if (this.isPartial) {
      const own = this.loaded(row);
      return own?.of.unfinishedLines(own.row, metric) ?? [];
    }
    const key = `${row} ${metric} unfinished`;
    if (!this.lines.has(key)) {
      const stored = this.rows[row].unfinished.filter((one) => one.metric === metric);
      this.lines.set(
        key,
        stored.map((one) => ({ id: one.id, status: this.statusOf(one.id), ...this.decodedLine(one) })),
      );
    }
    return this.lines.get(key);
  }

  /** The status of a run by its id; undefined if it is not known. */
  statusOf(id) {
    const { ids, status } = this.runs;
    return Object.keys(this.content.counts)[status[ids.indexOf(id)]];
  }

  /** Put a longer curve in the stead of that of a run that is still running. */
  replaceUnfinished(row, curve) {
    const { unfinished } = this.rows[row];
    const at = unfinished.findIndex((one) => one.id === curve.id && one.metric === curve.metric);
    if (at < 0) unfinished.push(curve);
    else unfinished[at] = curve;
    this.lines.delete(`${row} ${curve.metric} unfinished`);
  }

  /** Whether a row has anything to draw of a dev metric. */
  hasCurve(row, metric) {
    return Boolean(this.line(row, metric) || this.unfinishedLines(row, metric).length);
  }

  decodedLine(stored) {
    const line = {
      steps: this.decodedSteps(stored.steps),
      runs: stored.runs,
      fewer: stored.fewer,
      above: [],
      below: [],
    };
    for (const name of ["center", "lower", "upper", "smoothed", "above", "below"]) {
      if (stored[name]) line[name] = Array.from(decoded(stored[name]));
    }
    return line;
  }

  /** The steps of a curve, which are encoded by themselves or those of a number of curves. */
  decodedSteps(stored) {
    if (typeof stored === "string") return Array.from(decoded(stored));
    this.grids[stored] ??= Array.from(decoded(this.content.grids[stored]));
    return this.grids[stored];
  }

  /**
   * The columns of all runs, decoded on first use.
   * @returns {any}
   */
  get runs() {
    if (!this.content.runs) return NO_RUNS;
    if (!this.decodedRuns) {
      const { row, status, started, ended, way, best_step, last_step, points, ...rest } = this.content.runs;
      const columns = { row, status, started, ended, way, best_step, last_step, points };
      this.decodedRuns = {
        ...Object.fromEntries(Object.entries(columns).map(([name, text]) => [name, decoded(text)])),
        ids: rest.id,
        ways: rest.ways,
        errors: rest.errors,
        tags: rest.tags,
        notes: rest.notes,
        parameters: rest.parameters.map((one) => new Parameter(one)),
        values: new Map(Object.entries(rest.values).map(([key, of]) => [key, runValues(of)])),
      };
    }
    return this.decodedRuns;
  }

  /** The runs of a row. */
  runsOf(row) {
    if (!this.runsByRow) {
      this.runsByRow = this.rows.map(() => []);
      this.runs.row.forEach((of, run) => this.runsByRow[of].push(run));
    }
    return this.runsByRow[row];
  }
}

/** The runs of an experiment of which they are not loaded. */
const NO_RUNS = {
  ...{ row: [], status: [], started: [], ended: [], way: [], best_step: [], last_step: [], points: [] },
  ...{ ids: [], ways: [], errors: {}, tags: {}, notes: {}, parameters: [], values: new Map() },
};

/** The values of a metric, by run. */
function runValues({ runs, values }) {
  const numbers = decoded(values);
  return runs
    ? new Map(Array.from(decoded(runs), (run, i) => [run, numbers[i]]))
    : new Map(numbers.entries());
}
