// What a script of the page finds beside its own modules, and the types that several modules share.

declare var Plotly: any;

type Experiment = import("./content.js").Experiment;
type Parameter = Experiment["varying"][number];
type Metric = Experiment["metrics"][number];
type Groups = NonNullable<ReturnType<Experiment["groupsBy"]>>;

/** What can be the child of an element: another one, a text, or nothing. */
type Child = Node | string | null | undefined;

/** Numbers by position, whatever their kind of array. */
interface Numbers extends ArrayLike<number>, Iterable<number> {
  forEach(call: (value: number, index: number) => void): void;
  indexOf(value: number): number;
  entries(): ArrayIterator<[number, number]>;
}

/** A value of a table: exact, or as it is shown. */
type Cell = string | number | null | undefined;

interface Table {
  headers: string[];
  rows: Cell[][];
  numbers?: boolean[];
  notes?: (string | null)[];
}

/** A column of the leaderboard. */
interface Column {
  id: string;
  title: string;
  kind: string;
  metric?: Metric;
  value: (row: number) => Cell;
  exact?: [string, (row: number) => Cell][];
  text?: (row: number) => string;
  descendsFirst: boolean;
  cell: (row: number) => Child;
}

/** A row of the leaderboard as the server or the report has encoded it. */
interface RowContent {
  configuration: number;
  description: string;
  repeated: number;
  code: string;
  curves: Record<string, any>;
  unfinished: any[];
  media: { names?: RowMedia["names"]; run?: string; status?: string };
  tags?: string;
  every_tag?: string[];
  notes?: string[];
}

/** The runs of an experiment, by column; what few of them have is by the run's number. */
interface RunColumns {
  row: Numbers;
  status: Numbers;
  started: Numbers;
  ended: Numbers;
  way: Numbers;
  best_step: Numbers;
  last_step: Numbers;
  points: Numbers;
  ids: string[];
  ways: string[];
  errors: Record<number, string>;
  tags: Record<number, string>;
  notes: Record<number, string>;
  parameters: Parameter[];
  values: Map<string | null, Map<number, number>>;
}

/** What is selected on an axis of the parallel coordinates: a range of numbers, or texts; null is inactive. */
interface Brush {
  least?: number;
  most?: number;
  texts?: (string | null)[];
}

/** A filter by a parameter: one of its values, or a range of numbers. */
interface Filter {
  state?: number;
  least?: number;
  most?: number;
}

type HeightRange = [number, number];

interface Tick {
  at: number;
  text: string;
}

/** Numbers on a scale from 0 to 1, and back. */
interface NumberScale {
  at: (number: number) => number;
  back: (height: number) => number;
  ticks: Tick[];
}

/** An axis of the parallel coordinates. */
interface Scale {
  id: string;
  title: string;
  ticks: Tick[];
  at: (row: number) => number;
  brush: (range: HeightRange) => Brush;
  extent: (brush: Brush) => HeightRange | null;
  isWithin: (row: number, brush: Brush) => boolean;
  inactive?: boolean;
  isMetric?: boolean;
}

/** Where the axes of the parallel coordinates are drawn. */
interface AxesGeometry {
  top: number;
  height: number;
  bottom: number;
  low: number;
  high: number;
}

/** What is on an axis or the colour of the points: a parameter or a metric. */
interface Quantity {
  id: string;
  title: string;
  parameter?: Parameter;
  metric?: Metric;
}

/** A curve as it is drawn. */
interface Line {
  steps: number[];
  runs: number;
  fewer: boolean;
  center: number[];
  lower?: number[];
  upper?: number[];
  smoothed?: number[];
  /** A step between the drawn ones at which the band is clearly wider, and the ends of the band there. */
  hidden: [number, number, number] | null;
  above: number[];
  below: number[];
}

/** The curve of a run that is not completed. */
interface UnfinishedLine extends Line {
  id: string;
  status: string;
}

/** The curve of one run over any axis. */
interface SingleCurve {
  id: string;
  status: string;
  x: number[];
  y: number[];
  smoothed?: number[];
}

/** How sure a difference is. */
interface Significance {
  difference: number;
  lower: number;
  upper: number;
  p: number;
  adjusted: number;
  verdict: string | null;
}

/** What the server says about a difference. */
interface Difference {
  fingerprint: string;
  numbers: string;
  paired: boolean;
  pairs: number;
  seeds: string[];
  runs: number[];
  better: string | null;
  notes: string[];
}

/** An answer about differences from a row, which comes later than it is asked for. */
interface Comparison {
  key: string;
  differences: Difference[] | null;
  problem: string;
  problems: Record<string, string>;
  byRow: Map<number, Significance | undefined>;
}

/** An answer about configurations side by side. */
interface SideBySide {
  key: string;
  code: { runs: (string | null)[]; facts: string[][]; versions: string; commands: string[] } | null;
  significance: { byKey: Map<string, Map<number | undefined, Significance>>; note: string };
}

/** A run by which its view is addressed. */
interface RunName {
  experiment: string;
  fingerprint: string;
  id: string;
  baseline?: string;
}

/** What the server follows of a run that is running. */
interface RunningRun extends RunName {
  description: string;
  status: string;
  started: number;
  metric: string | null;
  metrics: string[];
  last: string;
  unit: string;
  done: number | null;
  total: number | null;
  seconds_left: number | null;
  silent: number;
}

/** An experiment in the first view. */
interface Card {
  name: string;
  configurations: number;
  counts: Record<string, number>;
  last: number | null;
  best: { metric: string; name: string; fingerprint: string; description: string; value: string } | null;
  failed: { id: string; fingerprint: string; name: string; ended: number; error: string }[];
}

/** A file of a run in its view. */
interface RunFile {
  name: string;
  kind: string;
  size: number;
}

/** A medium of a run at a step. */
interface Medium {
  step: number;
  files: any[];
  left?: number;
}

/** The media of a run by name. */
interface RowMedia {
  run: string;
  status: string;
  names: Record<string, { shown: Medium[]; steps: number }>;
}

/** What a function draws; which one it is, says after which change it is called. */
type Render = () => void;
