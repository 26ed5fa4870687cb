"""Permutation tests, confidence intervals and Holm's correction for the difference of two samples.

The results do not depend on the order of the values: comparisons of sums allow for rounding, and random
numbers come from a fixed stream. If a sample has fewer than two values, or one that is not finite, the
p-value and the interval are NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from legm.stats.student_t import student_t_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from legm.records import FloatArray

__all__ = [
    "PermutationTest",
    "holm_adjust",
    "paired_confidence_interval",
    "paired_permutation_test",
    "sample_mean",
    "unpaired_confidence_interval",
    "unpaired_permutation_test",
]

MAX_EXACT_ARRANGEMENTS = 1 << 20
"""Up to this number of arrangements, all are evaluated: 20 pairs, or 11 values and 11 values."""

SAMPLED_ARRANGEMENTS = 100_000
"""The number evaluated if there are more, including the observed one."""

_CHUNK = 1 << 14  # random numbers that are processed at once
_EPSILON = 2.0**-52


@dataclass(frozen=True, slots=True)
class PermutationTest:
    """The result of a permutation test.

    Args:
        p: the two-sided p-value, in (0, 1]; NaN without a test.
        arrangements: the number of arrangements evaluated, including the observed one.
        exact: whether all arrangements were evaluated.
    """

    p: float
    arrangements: int
    exact: bool


_NO_TEST = PermutationTest(math.nan, 0, exact=True)


def paired_permutation_test(a: Sequence[float], b: Sequence[float]) -> PermutationTest:
    """The sign-flip test of the mean difference between pairs.

    Under the null hypothesis that the two values of a pair are exchangeable, each difference is equally
    likely to have the opposite sign. p is the share of the 2**n choices of signs with a mean difference at
    least as far from 0 as the observed one.

    Args:
        a: values, shape (n,).
        b: their partners, shape (n,).

    Returns:
        the result; an arrangement that is less extreme only by rounding counts as equally extreme.

    Source: R. A. Fisher, The Design of Experiments, 1935, section 21. For more than MAX_EXACT_ARRANGEMENTS,
    p = (k + 1) / (m + 1), where k of m random ones are at least as far from 0: B. Phipson and G. K. Smyth,
    Permutation p-values should never be zero, 2010.
    """
    first, second = _samples_as_array(a), _samples_as_array(b)
    n = len(first)
    if n < 2 or not _are_samples_finite(first, second):
        return _NO_TEST
    first, second, _ = _scale_samples(first, second)
    sizes = np.sort(
        np.abs(first - second)
    )  # sorted without signs: the result for (b, a) equals that for (a, b)
    reached = abs(math.fsum(first - second)) - _permutation_rounding_bound(sizes)
    if 2**n <= MAX_EXACT_ARRANGEMENTS:
        sums = sizes[:1]  # the opposite sign of the first only mirrors all sums
        for size in sizes[1:]:
            sums = np.concatenate((sums + size, sums - size))
        return PermutationTest(_count_extreme_permutations(sums, reached) / len(sums), 2**n, exact=True)
    total, count = sizes.sum(), 0
    for words in _random_permutation_words(SAMPLED_ARRANGEMENTS - 1, -(-n // 64)):
        positive = np.unpackbits(words.astype("<u8").view(np.uint8), axis=1, count=n)
        count += _count_extreme_permutations(2 * (positive @ sizes) - total, reached)
    return PermutationTest((count + 1) / SAMPLED_ARRANGEMENTS, SAMPLED_ARRANGEMENTS, exact=False)


def unpaired_permutation_test(a: Sequence[float], b: Sequence[float]) -> PermutationTest:
    """The permutation test of the difference between the means of two samples.

    Under the null hypothesis that both samples come from one distribution, every assignment of all values to
    samples of these sizes is equally likely. p is the share of assignments with a difference of the means at
    least as far from 0 as the observed one.

    Args:
        a: values, shape (n,).
        b: values, shape (m,).

    Returns:
        the result, as of :func:`paired_permutation_test`.

    Source: E. J. G. Pitman, Significance tests which may be applied to samples from any populations, 1937;
    for more than MAX_EXACT_ARRANGEMENTS as for :func:`paired_permutation_test`.
    """
    first, second = _samples_as_array(a), _samples_as_array(b)
    if min(len(first), len(second)) < 2 or not _are_samples_finite(first, second):
        return _NO_TEST
    first, second, _ = _scale_samples(first, second)
    fewer = min(first, second, key=len)
    values = np.sort(np.concatenate((first, second)))
    center = math.fsum(values) / len(values)
    # Relative to the center of all values, the difference of means is proportional to the sum of one sample.
    values -= center
    reached = abs(math.fsum(fewer - center)) - _permutation_rounding_bound(values)
    arrangements = math.comb(len(values), len(fewer))
    if arrangements <= MAX_EXACT_ARRANGEMENTS:
        far = _count_extreme_permutations(_permutation_sums(values, len(fewer)), reached)
        return PermutationTest(far / arrangements, arrangements, exact=True)
    count = 0
    for words in _random_permutation_words(SAMPLED_ARRANGEMENTS - 1, len(values)):
        chosen = np.argpartition(words, len(fewer) - 1, axis=1)[:, : len(fewer)]
        count += _count_extreme_permutations(values[chosen].sum(axis=1), reached)
    return PermutationTest((count + 1) / SAMPLED_ARRANGEMENTS, SAMPLED_ARRANGEMENTS, exact=False)


def paired_confidence_interval(
    a: Sequence[float], b: Sequence[float], level: float
) -> tuple[float, float, float]:
    """The mean difference between pairs, and the lower and upper end of its confidence interval.

    Args:
        a: values, shape (n,).
        b: their partners, shape (n,).
        level: the coverage, in (0, 1).

    Source: Student (W. S. Gosset), The probable error of a mean, 1908: d -/+ t s / sqrt(n), with s the
    sample standard deviation of the differences and t for n - 1 degrees of freedom.
    """
    first, second = _samples_as_array(a), _samples_as_array(b)
    if not len(first) or not _are_samples_finite(first, second):
        return sample_mean(a) - sample_mean(b), math.nan, math.nan
    first, second, exponent = _scale_samples(first, second)
    center, variance = _sample_moments(first - second)
    n = len(first)
    margin = student_t_quantile(level, n - 1) * math.sqrt(variance / n) if n > 1 else math.nan
    return _unscale_confidence_interval(center, margin, exponent)


def unpaired_confidence_interval(
    a: Sequence[float], b: Sequence[float], level: float
) -> tuple[float, float, float]:
    """The difference of two means, and the lower and upper end of its confidence interval.

    Args:
        a: values, shape (n,).
        b: values, shape (m,).
        level: the coverage, in (0, 1).

    Source: B. L. Welch, The generalization of "Student's" problem when several different population
    variances are involved, 1947: the samples may have different variances; the degrees of freedom are those
    of F. E. Satterthwaite, An approximate distribution of estimates of variance components, 1946.
    """
    first, second = _samples_as_array(a), _samples_as_array(b)
    if not len(first) or not len(second) or not _are_samples_finite(first, second):
        return sample_mean(a) - sample_mean(b), math.nan, math.nan
    first, second, exponent = _scale_samples(first, second)
    (ours, our_variance), (theirs, their_variance) = _sample_moments(first), _sample_moments(second)
    n, m = len(first), len(second)
    squares = our_variance / n, their_variance / m  # the squared standard errors
    margin = 0.0 if min(n, m) > 1 else math.nan
    if sum(squares) > 0:
        share = squares[0] / sum(squares)
        dof = 1 / (share**2 / (n - 1) + (1 - share) ** 2 / (m - 1))
        margin = student_t_quantile(level, max(dof, 1.0)) * math.sqrt(sum(squares))
    return _unscale_confidence_interval(ours - theirs, margin, exponent)


def holm_adjust(p: Sequence[float]) -> list[float]:
    """The p-values of several tests, adjusted for multiple comparisons.

    The i-th smallest of m p-values is multiplied by m - i + 1, and is then at least as large as those before
    it and at most 1. If tests with an adjusted p-value below a level are called significant, the probability
    of any false positive among all tests is below that level, for any dependence between them.

    Args:
        p: p-values; NaN stays NaN and does not count as a test.

    Returns:
        the adjusted p-values, in the same order.

    Source: S. Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    order = sorted((i for i, value in enumerate(p) if not math.isnan(value)), key=lambda i: p[i])
    adjusted = [math.nan] * len(p)
    smallest = 0.0
    for rank, i in enumerate(order):
        smallest = max(smallest, min(1.0, (len(order) - rank) * p[i]))
        adjusted[i] = smallest
    return adjusted


def sample_mean(values: Sequence[float]) -> float:
    """The mean; NaN without values; with infinite values, their sum."""
    numbers = _samples_as_array(values)
    infinite = numbers[~np.isfinite(numbers)]
    if len(infinite):
        return float(sum(infinite.tolist()))
    if not len(numbers):
        return math.nan
    scaled, _, exponent = _scale_samples(numbers, numbers)
    return _unscale_confidence_interval(_sample_moments(scaled)[0], 0.0, exponent)[0]


def _samples_as_array(values: Sequence[float]) -> FloatArray:
    return np.array(values, np.float64)


def _are_samples_finite(first: FloatArray, second: FloatArray) -> bool:
    return bool(np.isfinite(first).all() and np.isfinite(second).all())


def _scale_samples(first: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray, int]:
    """The values divided by a power of two, so that the largest is between 1/2 and 1, and the exponent.

    This is exact, and later steps cannot overflow.
    """
    exponent = math.frexp(max(np.abs(first).max(), np.abs(second).max()))[1]
    return np.ldexp(first, -exponent), np.ldexp(second, -exponent), exponent


def _unscale_confidence_interval(center: float, margin: float, exponent: int) -> tuple[float, float, float]:
    """The center, lower and upper end in the original scale."""
    with np.errstate(over="ignore"):
        found: list[float] = np.ldexp([center, center - margin, center + margin], exponent).tolist()
    return found[0], found[1], found[2]


def _sample_moments(values: FloatArray) -> tuple[float, float]:
    """Mean, and variance with divisor n - 1; equal values have exactly their value as mean and variance 0."""
    n = len(values)
    center = min(max(math.fsum(values) / n, values.min()), values.max())
    return float(center), math.fsum((values - center) ** 2) / (n - 1) if n > 1 else math.nan


def _permutation_rounding_bound(values: FloatArray) -> float:
    """The largest difference, due to rounding, between two sums of scaled values that are equal otherwise.

    The values were rounded when they were measured and when they were subtracted, and every partial sum is
    rounded.
    """
    n = len(values)
    return float(_EPSILON * n * (4 + n * np.abs(values).max()))


def _count_extreme_permutations(sums: FloatArray, reached: float) -> int:
    return int(np.count_nonzero(np.abs(sums) >= reached))


def _permutation_sums(values: FloatArray, size: int) -> FloatArray:
    """The sums of all subsets of a size, shape (n choose size,)."""
    sums = [np.zeros(math.comb(len(values), k)) for k in range(size + 1)]
    for i, value in enumerate(values):  # sums[k] starts with the subsets of the first i values
        for k in range(min(size, i + 1), 0, -1):
            known, fewer = math.comb(i, k), math.comb(i, k - 1)
            sums[k][known : known + fewer] = sums[k - 1][:fewer] + value
    return sums[size]


def _random_permutation_words(rows: int, columns: int) -> Iterator[NDArray[np.uint64]]:
    """Random 64-bit numbers in chunks of shape (some rows, columns), the same each time.

    They are the raw output of the bit generator, which NumPy keeps stable across versions.
    """
    source = np.random.PCG64(0)
    size = max(1, _CHUNK // columns)
    for start in range(0, rows, size):
        shape = min(size, rows - start), columns
        yield source.random_raw(shape[0] * columns).reshape(shape)
