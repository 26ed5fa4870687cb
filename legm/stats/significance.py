"""Is the difference between two samples real? Permutation tests, intervals and Holm's correction, pure.

Every function takes numbers in any order, and gives the same answer in every order: where sums are compared
rounding is allowed for, and what is drawn at random comes from a fixed stream. Where a sample has fewer than
two values, or one that is not finite, there is no p-value and no interval, and these are NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from legm.stats.student_t import student_t

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from legm.records import FloatArray

__all__ = [
    "Permutations",
    "holm",
    "mean",
    "paired_interval",
    "paired_permutations",
    "unpaired_interval",
    "unpaired_permutations",
]

EXACT = 1 << 20
"""Up to so many arrangements all of them are looked at: 20 pairs, or 11 values beside 11."""

SAMPLED = 100_000
"""So many are looked at where there are more, the observed one among them."""

_CHUNK = 1 << 14  # how many random numbers are worked on at once
_EPSILON = 2.0**-52


@dataclass(frozen=True, slots=True)
class Permutations:
    """What a permutation test found.

    Args:
        p: the two-sided p-value, in (0, 1]; NaN where there is nothing to test.
        arrangements: how many were looked at, the observed one among them.
        exact: whether these are all that there are.
    """

    p: float
    arrangements: int
    exact: bool


_NOTHING = Permutations(math.nan, 0, exact=True)


def paired_permutations(a: Sequence[float], b: Sequence[float]) -> Permutations:
    """The sign-flip test of a mean difference between pairs.

    Under the hypothesis that it does not matter which of a pair is which, every difference could as well
    have the other sign. p is the share of the 2**n ways to choose signs that give a mean difference at least
    as far from 0 as the observed one.

    Args:
        a: values, shape (n,).
        b: their partners, shape (n,).

    Returns:
        the p-value; of two such arrangements that differ by no more than rounding, both count.

    Source: R. A. Fisher, The Design of Experiments, 1935, section 21. For more than EXACT arrangements,
    p = (k + 1) / (m + 1), where k of m drawn at random are as far from 0: B. Phipson and G. K. Smyth,
    Permutation p-values should never be zero, 2010.
    """
    first, second = _array(a), _array(b)
    n = len(first)
    if n < 2 or not _finite(first, second):
        return _NOTHING
    first, second, _ = _scaled(first, second)
    sizes = np.sort(np.abs(first - second))  # the signs do not matter: b and a give the same as a and b
    reached = abs(math.fsum(first - second)) - _rounding(sizes)
    if 2**n <= EXACT:
        sums = sizes[:1]  # the other sign of the first mirrors all that follows
        for size in sizes[1:]:
            sums = np.concatenate((sums + size, sums - size))
        return Permutations(_count(sums, reached) / len(sums), 2**n, exact=True)
    total, count = sizes.sum(), 0
    for words in _random_words(SAMPLED - 1, -(-n // 64)):
        positive = np.unpackbits(words.astype("<u8").view(np.uint8), axis=1, count=n)
        count += _count(2 * (positive @ sizes) - total, reached)
    return Permutations((count + 1) / SAMPLED, SAMPLED, exact=False)


def unpaired_permutations(a: Sequence[float], b: Sequence[float]) -> Permutations:
    """The permutation test of a difference between the means of two samples.

    Under the hypothesis that both samples come from one distribution, every way to deal out all their values
    to samples of these sizes is equally likely. p is the share of them that give a difference of the means
    at least as far from 0 as the observed one.

    Args:
        a: values, shape (n,).
        b: values, shape (m,).

    Returns:
        the p-value, as for :func:`paired_permutations`.

    Source: E. J. G. Pitman, Significance tests which may be applied to samples from any populations, 1937;
    for more than EXACT arrangements as for :func:`paired_permutations`.
    """
    first, second = _array(a), _array(b)
    if min(len(first), len(second)) < 2 or not _finite(first, second):
        return _NOTHING
    first, second, _ = _scaled(first, second)
    fewer = min(first, second, key=len)
    values = np.sort(np.concatenate((first, second)))
    center = math.fsum(values) / len(values)
    # About the center of all values, the difference of the means is in proportion to the sum of one sample.
    values -= center
    reached = abs(math.fsum(fewer - center)) - _rounding(values)
    arrangements = math.comb(len(values), len(fewer))
    if arrangements <= EXACT:
        far = _count(_subset_sums(values, len(fewer)), reached)
        return Permutations(far / arrangements, arrangements, exact=True)
    count = 0
    for words in _random_words(SAMPLED - 1, len(values)):
        chosen = np.argpartition(words, len(fewer) - 1, axis=1)[:, : len(fewer)]
        count += _count(values[chosen].sum(axis=1), reached)
    return Permutations((count + 1) / SAMPLED, SAMPLED, exact=False)


def paired_interval(a: Sequence[float], b: Sequence[float], level: float) -> tuple[float, float, float]:
    """The mean difference between pairs, and the lower and upper end of its confidence interval.

    Args:
        a: values, shape (n,).
        b: their partners, shape (n,).
        level: the coverage, in (0, 1).

    Source: Student (W. S. Gosset), The probable error of a mean, 1908: d -/+ t s / sqrt(n), with s the
    sample deviation of the differences and t of n - 1 degrees of freedom.
    """
    first, second = _array(a), _array(b)
    if not len(first) or not _finite(first, second):
        return mean(a) - mean(b), math.nan, math.nan
    first, second, exponent = _scaled(first, second)
    center, variance = _moments(first - second)
    n = len(first)
    margin = student_t(level, n - 1) * math.sqrt(variance / n) if n > 1 else math.nan
    return _unscaled(center, margin, exponent)


def unpaired_interval(a: Sequence[float], b: Sequence[float], level: float) -> tuple[float, float, float]:
    """The difference of two means, and the lower and upper end of its confidence interval.

    Args:
        a: values, shape (n,).
        b: values, shape (m,).
        level: the coverage, in (0, 1).

    Source: B. L. Welch, The generalization of "Student's" problem when several different population
    variances are involved, 1947: the samples may have different deviations; the degrees of freedom are those
    of F. E. Satterthwaite, An approximate distribution of estimates of variance components, 1946.
    """
    first, second = _array(a), _array(b)
    if not len(first) or not len(second) or not _finite(first, second):
        return mean(a) - mean(b), math.nan, math.nan
    first, second, exponent = _scaled(first, second)
    (ours, our_variance), (theirs, their_variance) = _moments(first), _moments(second)
    n, m = len(first), len(second)
    squares = our_variance / n, their_variance / m  # the squared standard errors
    margin = 0.0 if min(n, m) > 1 else math.nan
    if sum(squares) > 0:
        share = squares[0] / sum(squares)
        dof = 1 / (share**2 / (n - 1) + (1 - share) ** 2 / (m - 1))
        margin = student_t(level, max(dof, 1.0)) * math.sqrt(sum(squares))
    return _unscaled(ours - theirs, margin, exponent)


def holm(p: Sequence[float]) -> list[float]:
    """The p-values of several tests, adjusted for their number.

    Of m p-values the i-th smallest is multiplied by m - i + 1, and is at least as large as those before
    it and at most 1. To call significant what is then below some level keeps the chance of any false
    finding among all the tests below that level, however they depend on each other.

    Args:
        p: p-values; NaN stays NaN, and does not count as a test.

    Source: S. Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    order = sorted((i for i, value in enumerate(p) if not math.isnan(value)), key=lambda i: p[i])
    adjusted = [math.nan] * len(p)
    smallest = 0.0
    for rank, i in enumerate(order):
        smallest = max(smallest, min(1.0, (len(order) - rank) * p[i]))
        adjusted[i] = smallest
    return adjusted


def mean(values: Sequence[float]) -> float:
    """The mean; NaN of nothing; with infinities what arithmetic makes of them."""
    numbers = _array(values)
    infinite = numbers[~np.isfinite(numbers)]
    if len(infinite):
        return float(sum(infinite.tolist()))
    if not len(numbers):
        return math.nan
    scaled, _, exponent = _scaled(numbers, numbers)
    return _unscaled(_moments(scaled)[0], 0.0, exponent)[0]


def _array(values: Sequence[float]) -> FloatArray:
    return np.array(values, np.float64)


def _finite(first: FloatArray, second: FloatArray) -> bool:
    return bool(np.isfinite(first).all() and np.isfinite(second).all())


def _scaled(first: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray, int]:
    """The values divided by a power of two, so that the largest is between 1/2 and 1, and its exponent.

    This is exact, and what follows cannot overflow.
    """
    exponent = math.frexp(max(np.abs(first).max(), np.abs(second).max()))[1]
    return np.ldexp(first, -exponent), np.ldexp(second, -exponent), exponent


def _unscaled(center: float, margin: float, exponent: int) -> tuple[float, float, float]:
    """Center, lower and upper end in the values' own scale."""
    with np.errstate(over="ignore"):
        found: list[float] = np.ldexp([center, center - margin, center + margin], exponent).tolist()
    return found[0], found[1], found[2]


def _moments(values: FloatArray) -> tuple[float, float]:
    """Mean, and variance with divisor n - 1; equal values have themselves as mean, and a variance of 0."""
    n = len(values)
    center = min(max(math.fsum(values) / n, values.min()), values.max())
    return float(center), math.fsum((values - center) ** 2) / (n - 1) if n > 1 else math.nan


def _rounding(values: FloatArray) -> float:
    """By how much two sums of scaled values can differ that would be equal without rounding.

    The values were rounded when they were measured, and when they were subtracted; then every sum on the
    way is rounded.
    """
    n = len(values)
    return float(_EPSILON * n * (4 + n * np.abs(values).max()))


def _count(sums: FloatArray, reached: float) -> int:
    return int(np.count_nonzero(np.abs(sums) >= reached))


def _subset_sums(values: FloatArray, size: int) -> FloatArray:
    """The sum of every subset of a size, shape (n choose size,)."""
    sums = [np.zeros(math.comb(len(values), k)) for k in range(size + 1)]
    for i, value in enumerate(values):  # sums[k] begins with the subsets of the first i values
        for k in range(min(size, i + 1), 0, -1):
            known, fewer = math.comb(i, k), math.comb(i, k - 1)
            sums[k][known : known + fewer] = sums[k - 1][:fewer] + value
    return sums[size]


def _random_words(rows: int, columns: int) -> Iterator[NDArray[np.uint64]]:
    """Random numbers of 64 bits in pieces of shape (some rows, columns), the same each time.

    They are the bit generator's own output, which NumPy keeps the same in all its versions.
    """
    source = np.random.PCG64(0)
    size = max(1, _CHUNK // columns)
    for start in range(0, rows, size):
        shape = min(size, rows - start), columns
        yield source.random_raw(shape[0] * columns).reshape(shape)
