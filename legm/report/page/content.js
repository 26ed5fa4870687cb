// The content of one experiment, for the panels. A row is a configuration and description.

import { byText, decoded, distinct } from "./values.js";
import { orderOfCells } from "./versions.js";

const LONGEST_NAME = 40; // letters of a configuration's name,
const LONGEST_VALUE = 28; // and of a parameter's value

class Parameter {
  /** @param {any} content */
  constructor(content) {
    /** @type {[string, number | null, string?][]} */
    const values = content.values;
    /** @type {string} */
    this.name = content.name;
    this.texts = values.map(([text]) => text);
    this.numbers = values.map(([, number]) => number);
    this.rounded = values.map(([text, , brief]) => brief ?? text);
    /** @type {string[] | null} */
    this.briefs = null; // found on first use
    this.of = decoded(content.of);
    this.active = decoded(content.active);
    this.textOrder = orderOfCells(this.texts.filter((_, i) => this.numbers[i] === null)); // of what is no number
  }

  /**
   * The number of the value, from 1; 0 if the parameter is inactive or absent.
   * @param {number} index
   */
  state(index) {
    return this.active[index] ? this.of[index] : 0;
  }

  /** @param {number} state */
  text(state) {
    return this.texts[state - 1];
  }

  /**
   * The text of a value for a table or an axis: numbers are rounded, long texts cut.
   * @param {number} state
   */
  brief(state) {
    this.briefs ??= distinct(this.rounded, LONGEST_VALUE);
    return this.briefs[state - 1];
  }

  /** @param {number} state */
  number(state) {
    return this.numbers[state - 1];
  }

  /**
   * Why it is not active.
   * @param {number} index
   */
  note(index) {
    return this.of[index] ? "inactive" : "absent";
  }
}

/**
 * Numbers as they are, or decoded.
 * @param {string | number[]} stored
 * @returns {Numbers}
 */
function numbersOf(stored) {
  return typeof stored === "string" ? decoded(stored) : stored;
}

class Metric {
  /** @param {any} content */
  constructor(content) {
    /** @type {string} */
    this.key = content.key;
    /** @type {string} */
    this.name = content.name;
    /** @type {string} */
    this.split = content.split;
    /** @type {string} */
    this.title = content.title;
    /** @type {string} */
    this.note = content.note;
    /** @type {boolean} */
    this.higher_better = content.higher_better;
    /** @type {string} */
    this.because = content.because;
    /** @type {string} */
    this.direction = content.direction;
    /** @type {boolean} */
    this.conflicts = content.conflicts;
    this.mean = numbersOf(content.mean); // by row, like the next ones
    this.std = numbersOf(content.std);
    this.n = numbersOf(content.n);
    this.nan = numbersOf(content.nan);
  }

  /** @param {number} row */
  has(row) {
    return this.n[row] + this.nan[row] > 0;
  }

  get label() {
    return this.title;
  }
}

/** The groups of configurations by a metric: like a metric, with a row for each group. */
class Groups extends Metric {
  /** @param {any} content */
  constructor(content) {
    super(content);
    /** @type {string[]} */
    this.descriptionOf = content.description; // of each group
    /** @type {number[]} */
    this.first = content.first; // a configuration of each
    /** @type {Record<string, string>} */
    this.notes = content.notes; // by description
    this.configurations = numbersOf(content.configurations);
    this.runs = numbersOf(content.runs);
  }
}

export class Experiment {
  /** @param {any} content */
  constructor(content) {
    this.content = content;
    /** @type {string[]} */
    this.initialGroups = content.groups?.by ?? []; // parameters by which a report was built with groups
    /** @type {Map<string | null, Groups> | null} */
    this.groups = null; // found on first use, like the next ones
    /** @type {string[] | null} */
    this.briefs = null;
    /** @type {string[] | null} */
    this.briefNames = null;
    /** @type {RunColumns | null} */
    this.decodedRuns = null;
    /** @type {number[][] | null} */
    this.runsByRow = null;
    /** @type {Map<string, number> | null} */
    this.rowsByName = null;
    /** @type {string} */
    this.name = content.name;
    /** @type {RowContent[]} */
    this.rows = content.rows;
    /** @type {Metric[]} */
    this.metrics = content.metrics.map((/** @type {any} */ one) => new Metric(one));
    /** @type {Map<string | null, Metric>} */
    this.byKey = new Map(this.metrics.map((one) => [one.key, one]));
    /** @type {Parameter[]} */
    this.parameters = content.parameters.map((/** @type {any} */ one) => new Parameter(one));
    this.varying = this.parameters.filter((one) => this.varies(one));
    /** @type {Record<string, Numbers>} */
    this.counts = Object.fromEntries(
      Object.entries(content.counts).map(([status, text]) => [status, decoded(text)]),
    );
    this.descriptions = [...new Set(this.rows.map((row) => row.description))].sort(byText);
    /** @type {Map<string, any>} */
    this.lines = new Map();
    /** @type {number[][]} */
    this.grids = [];
    /** @type {Map<string, Experiment>} */
    this.parts = new Map(); // by fingerprint, what was loaded of a configuration
  }

  /** Whether runs, curves and media are loaded one configuration at a time. */
  get isPartial() {
    return Boolean(this.content.partial);
  }

  /**
   * A row where its runs, curves and media are; null while they are not loaded.
   * @returns {{of: Experiment, row: number} | null}
   * @param {number} row
   */
  loaded(row) {
    if (!this.isPartial) return { of: this, row };
    const part = this.parts.get(this.configuration(row).fingerprint);
    const own = part?.rows.findIndex((one) => one.description === this.rows[row].description) ?? -1;
    return !part || own < 0 ? null : { of: part, row: own };
  }

  /** @returns {string[]} */
  get curveMetrics() {
    const names = (/** @type {RowContent} */ one) => [
      ...Object.keys(one.curves),
      ...one.unfinished.map((curve) => curve.metric),
    ];
    const found = this.isPartial
      ? [...this.content.curve_metrics, ...[...this.parts.values()].flatMap((part) => part.curveMetrics)]
      : this.rows.flatMap(names);
    return [...new Set(found)].sort(byText);
  }

  /** @returns {string[]} */
  get mediaNames() {
    const found = this.isPartial
      ? [...this.parts.values()].flatMap((part) => part.mediaNames)
      : this.rows.flatMap((row) => Object.keys(row.media.names ?? {}));
    return [...new Set(found)].sort(byText);
  }

  /**
   * Whether a row has curves, or may have some that are not loaded yet.
   * @param {number} row
   */
  mayHaveCurves(row) {
    if (this.isPartial) return Object.values(this.counts).some((of) => of[row] > 0);
    const { curves, unfinished } = this.rows[row];
    return Object.keys(curves).length + unfinished.length > 0;
  }

  /** @param {Parameter} parameter */
  varies(parameter) {
    /** @type {any[]} */
    const configurations = this.content.configurations;
    return configurations.some((_, index) => parameter.state(index) !== parameter.state(0));
  }

  /** @param {number} row */
  configuration(row) {
    return this.content.configurations[this.configurationIndex(row)];
  }

  /** @param {number} row */
  configurationIndex(row) {
    return this.rows[row].configuration;
  }

  /**
   * The row of a configuration's runs with a description; undefined if there is none.
   * @param {string} fingerprint
   * @param {string} description
   */
  rowOf(fingerprint, description) {
    this.rowsByName ??= new Map(
      this.rows.map((one, row) => [`${this.configuration(row).fingerprint} ${one.description}`, row]),
    );
    return this.rowsByName.get(`${fingerprint} ${description}`);
  }

  /** @param {Parameter} parameter @param {number} row */
  state(parameter, row) {
    return parameter.state(this.configurationIndex(row));
  }

  /** @param {string} name */
  parameter(name) {
    return this.parameters.find((one) => one.name === name);
  }

  /**
   * Have other runs.
   * @param {any} runs
   */
  replaceRuns(runs) {
    this.content.runs = runs;
    this.decodedRuns = this.runsByRow = null;
  }

  /**
   * Have other groups.
   * @param {any} groups
   */
  replaceGroups(groups) {
    this.content.groups = groups;
    this.groups = null;
  }

  /**
   * The groups by a metric; undefined if there are none.
   * @param {string|null} key
   */
  groupsBy(key) {
    this.groups ??= new Map(
      Object.entries(this.content.groups?.metrics ?? {}).map(([one, content]) => [one, new Groups(content)]),
    );
    return this.groups.get(key);
  }

  /**
   * The name of a row, with its description if there are several.
   * @param {number} row
   */
  label(row) {
    const { description } = this.rows[row];
    const { name } = this.configuration(row);
    return description && this.descriptions.length > 1 ? `${name} · ${description}` : name;
  }

  /**
   * The label, cut if it is long; different rows stay different everywhere on the page.
   * @param {number} row
   */
  brief(row) {
    this.briefs ??= distinct(
      this.rows.map((_, one) => this.label(one)),
      LONGEST_NAME,
    );
    return this.briefs[row];
  }

  /**
   * The name of the row's configuration, cut if it is long.
   * @param {number} row
   */
  briefName(row) {
    this.briefNames ??= distinct(
      this.content.configurations.map((/** @type {{name: string}} */ one) => one.name),
      LONGEST_NAME,
    );
    return this.briefNames[this.configurationIndex(row)];
  }

  /**
   * The identifier of a row, which is the same in every report of the same runs.
   * @param {number} row
   */
  id(row) {
    return `${this.configuration(row).fingerprint.split("-").pop().slice(0, 12)}.${this.rows[row].description}`;
  }

  /**
   * The decoded curve of a dev metric; undefined if the row has none.
   * @returns {Line | undefined}
   * @param {number} row
   * @param {string} metric
   */
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

  /**
   * The decoded curves of a dev metric of a row's runs that are not completed, each with id and status.
   * @returns {UnfinishedLine[]}
   * @param {number} row
   * @param {string} metric
   */
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

  /**
   * The status of a run by its id; undefined if it is not known.
   * @param {string} id
   */
  statusOf(id) {
    const { ids, status } = this.runs;
    return Object.keys(this.content.counts)[status[ids.indexOf(id)]];
  }

  /**
   * Put a longer curve in the stead of that of a run that is still running.
   * @param {number} row
   * @param {any} curve
   */
  replaceUnfinished(row, curve) {
    const { unfinished } = this.rows[row];
    const at = unfinished.findIndex((one) => one.id === curve.id && one.metric === curve.metric);
    if (at < 0) unfinished.push(curve);
    else unfinished[at] = curve;
    this.lines.delete(`${row} ${curve.metric} unfinished`);
  }

  /**
   * Whether a row has anything to draw of a dev metric.
   * @param {number} row
   * @param {string} metric
   */
  hasCurve(row, metric) {
    return Boolean(this.line(row, metric) || this.unfinishedLines(row, metric).length);
  }

  /** @param {any} stored */
  decodedLine(stored) {
    const numbers = (/** @type {string | undefined} */ text) =>
      text ? Array.from(decoded(text)) : undefined;
    return {
      steps: this.decodedSteps(stored.steps),
      runs: stored.runs,
      fewer: stored.fewer,
      center: numbers(stored.center) ?? [],
      lower: numbers(stored.lower),
      upper: numbers(stored.upper),
      smoothed: numbers(stored.smoothed),
      hidden: stored.hidden ?? null,
      above: numbers(stored.above) ?? [],
      below: numbers(stored.below) ?? [],
    };
  }

  /**
   * The steps of a curve, which are encoded by themselves or those of a number of curves.
   * @param {string|number} stored
   */
  decodedSteps(stored) {
    if (typeof stored === "string") return Array.from(decoded(stored));
    this.grids[stored] ??= Array.from(decoded(this.content.grids[stored]));
    return this.grids[stored];
  }

  /**
   * The columns of all runs, decoded on first use.
   * @returns {RunColumns}
   */
  get runs() {
    if (!this.content.runs) return NO_RUNS;
    if (!this.decodedRuns) {
      const { row, status, started, ended, way, best_step, last_step, points, ...rest } = this.content.runs;
      this.decodedRuns = {
        row: decoded(row),
        status: decoded(status),
        started: decoded(started),
        ended: decoded(ended),
        way: decoded(way),
        best_step: decoded(best_step),
        last_step: decoded(last_step),
        points: decoded(points),
        ids: rest.id,
        ways: rest.ways,
        errors: rest.errors,
        tags: rest.tags,
        notes: rest.notes,
        parameters: rest.parameters.map((/** @type {any} */ one) => new Parameter(one)),
        values: new Map(Object.entries(rest.values).map(([key, of]) => [key, runValues(of)])),
      };
    }
    return this.decodedRuns;
  }

  /**
   * The runs of a row.
   * @param {number} row
   */
  runsOf(row) {
    if (!this.runsByRow) {
      const runs = this.rows.map(() => /** @type {number[]} */ ([]));
      this.runs.row.forEach((of, run) => runs[of].push(run));
      this.runsByRow = runs;
    }
    return this.runsByRow[row];
  }
}

/**
 * The runs of an experiment of which they are not loaded.
 * @type {RunColumns}
 */
const NO_RUNS = {
  ...{ row: [], status: [], started: [], ended: [], way: [], best_step: [], last_step: [], points: [] },
  ...{ ids: [], ways: [], errors: {}, tags: {}, notes: {}, parameters: [], values: new Map() },
};

/**
 * The values of a metric, by run.
 * @param {{runs: string, values: string}} content
 */
function runValues({ runs, values }) {
  const numbers = decoded(values);
  return runs
    ? new Map(Array.from(decoded(runs), (run, i) => [run, numbers[i]]))
    : new Map(numbers.entries());
}
