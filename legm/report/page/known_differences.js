// The differences from the best row with their significance, which a report was built with.

import { chosenMetric, experiment, higherBetter, metric, state } from "./state.js";
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

/** Whether the differences of the report are those that are shown: from A, by the metric and its direction. */
function areShown() {
  const known = experiment().content.differences;
  if (!known || metric()?.key !== known.metric) return false;
  return state.pair[0] === known.baseline && higherBetter() === known.higher_better;
}

/**
 * How sure the difference of a row is; undefined where the report does not have it.
 * @param {number} row
 */
export function knownSignificance(row) {
  if (!areShown()) return undefined;
  const { rows, numbers, better } = experiment().content.differences;
  const at = rows.indexOf(row);
  return at < 0 ? undefined : significanceOfRow({ numbers: numbers[at], better: better[at] });
}

/** What the leaderboard says about the differences in its rows. */
export function knownDifferenceNote() {
  const known = experiment().content.differences;
  if (!known || !state.columns?.includes("difference")) return "";
  if (areShown()) {
    const many = known.is_all ? "all" : `the best ${known.rows.length}`;
    return `differences from A with 95 % intervals, p-values corrected together for ${many} (Holm)`;
  }
  const best = experiment().brief(known.baseline);
  const title = experiment().byKey.get(known.metric)?.title ?? chosenMetric().title;
  return `this report has intervals and p-values of differences in ${title} from ${best} only`;
}
