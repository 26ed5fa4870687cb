// How much of the differences in a metric goes with each parameter.

const BINS = 5; // of a number with many values, of about equally many configurations

/**
 * The share of the variance of values that goes with groups, corrected for the number of groups (epsilon squared);
 * 0 where it is not above what chance gives, NaN where it is unknown.
 * Source: T. L. Kelley, An Unbiased Correlation Ratio Measure, 1935.
 * @param {number[]} values
 * @param {string[]} groups
 */
export function shareOfVariance(values, groups) {
  const mean = meanOf(values);
  const total = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const members = new Map();
  values.forEach((value, i) => {
    members.set(groups[i], [...(members.get(groups[i]) ?? []), value]);
  });
  const [count, kinds] = [values.length, members.size];
  if (kinds < 2 || count <= kinds || !(total > 0)) return NaN;
  let within = 0;
  for (const of of members.values()) {
    const own = meanOf(of);
    within += of.reduce(
      (/** @type {number} */ sum, /** @type {number} */ value) => sum + (value - own) ** 2,
      0,
    );
  }
  const share = 1 - (within / (count - kinds)) * ((count - 1) / total);
  return Math.max(share, 0);
}

/** @param {number[]} values */
function meanOf(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * The group of each value of a parameter: the value itself, or one of a few ranges of numbers.
 * @param {(number|null)[]} numbers
 */
export function binned(numbers) {
  const known = numbers.filter((one) => one !== null);
  const different = new Set(known).size;
  if (different <= BINS * 2) return numbers.map(String);
  const sorted = [...known].sort((a, b) => a - b);
  const edges = Array.from(
    { length: BINS - 1 },
    (_, i) => sorted[Math.floor(((i + 1) * sorted.length) / BINS)],
  );
  return numbers.map((one) =>
    one === null ? "inactive" : String(edges.filter((edge) => one >= edge).length),
  );
}
