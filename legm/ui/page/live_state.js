// What the live page knows from the server, beside the experiment that it shows: a part of the store.

import { state } from "./state.js";

/**
 * @type {{
 *   title: string, backend: string, legm: string, readOnly: boolean, instance: string | null,
 *   loading: any, stale: Set<string>, asked: Set<string>,
 *   versions: Record<string, number>, cards: any[], runs: Map<string, any>, rowParts: Record<string, any>, editor: any,
 *   unfinishedOf: any, groupsKey: string, comparisons: Record<string, any>, sideBySide: any,
 *   singles: {key: string, of: any, curves: any, growth: number}, waits: Record<string, any>, grown: Set<string>,
 *   opening: number, plotly: Promise<any> | null, run: any, drawing: {waiting: Set<() => void>, unseen: Set<() => void>, isPlanned: boolean, isRehearsed: boolean}
 * }}
 */
export const liveState = Object.assign(state.live, {
  title: "",
  backend: "",
  legm: "",
  readOnly: false,
  instance: null, // of the server; another one has begun anew
  versions: {}, // by name, the newest version of an experiment that the server has reported
  loading: { name: null, where: "", promise: null, isStale: false, last: 0 }, // the experiment that is shown
  stale: new Set(), // fingerprints of configurations that may have changed since they were loaded,
  asked: new Set(), // and of those that are being loaded
  cards: [],
  runs: new Map(), // by id, the state of each run that the server follows
  rowParts: {}, // what rows of the leaderboard have only on the live page
  editor: null, // of the tags and the note of a row, while it is open
  unfinishedOf: null, // the experiment whose unfinished runs were asked for last
  groupsKey: "", // what the shown groups were asked for
  comparisons: { table: null, rows: null }, // the last answers about differences from A
  sideBySide: null, // the last answer about compared configurations
  singles: { key: "", of: null, curves: null, growth: 0 }, // the curves of every run, and what they are for
  drawing: { waiting: new Set(), unseen: new Set(), isPlanned: false, isRehearsed: false }, // parts drawn next, and those out of sight
  waits: { cards: null, growth: null, curves: null, console: null }, // timers
  grown: new Set(), // ids of runs whose new values are not drawn yet
  plotly: null, // what loads plotly.js, once it is wanted
  opening: 0, // counts the views that were opened, so that a slow answer does not replace a newer one
  run: null, // what the run's view shows, while it is open
});
