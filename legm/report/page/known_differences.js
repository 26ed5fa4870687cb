// The differences from the best row with their significance, which a report was built with.

import { shownColumns } from "./columns.js";
import { experiment, higherBetter, metric, state } from "./state.js";
import { decoded } from "./values.js";

/**
 * The numbers of a difference, and whether it is one.
 * @param {{numbers: string, better: string | null}} one
 * @returns {Significance}
 */
export function significanceOfRow(one) {
  const [difference, lower, upper, p, adjusted] = decoded(one.numbers);
  const isSure = adjusted < 0.05;
  return {
    difference,
    lower,
    upper,
    p,
    adjusted,
    verdict: isSure ? (one.better === "b" ? "better" : "worse") : null,
  };
}

/** The differences of the report from A by the metric and its direction that are shown; undefined without any. */
function shownDifferences() {
  /** @type {any[]} */
  const every = experiment().content.differences ?? [];
  return every.find(
    (one) =>
      one.metric === metric()?.key && one.baseline === state.pair[0] && one.higher_better === higherBetter(),
  );
}

/**
 * How sure the difference of a row is; undefined where the report does not have it.
 * @param {number} row
 */
export function knownSignificance(row) {
  const known = shownDifferences();
  const at = known ? known.rows.indexOf(row) : -1;
  return at < 0 ? undefined : significanceOfRow({ numbers: known.numbers[at], better: known.better[at] });
}

/** What the leaderboard says about the differences in its rows. */
export function knownDifferenceNote() {
  const [first] = experiment().content.differences ?? [];
  if (!first || !shownColumns().includes("difference")) return "";
  const known = shownDifferences();
  if (known) {
    const many = known.is_all ? "all" : `the best ${known.rows.length}`;
    return `differences from A with 95 % intervals, p-values corrected together for ${many} (Holm)`;
  }
  const title = experiment().byKey.get(first.metric)?.title ?? first.metric;
  return `this report has intervals and p-values of differences in ${title} from the best row only: legm ui and legm compare have those from any A`;
}
