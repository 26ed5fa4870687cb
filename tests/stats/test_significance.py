"""Permutation tests, intervals and Holm's correction, against brute force and SciPy."""

import itertools
import math
import random

import numpy as np
import pytest
import scipy  # its parts are imported on first use
from hypothesis import given
from hypothesis import strategies as st

from legm.stats import significance
from legm.stats.significance import (
    MAX_EXACT_ARRANGEMENTS,
    SAMPLED_ARRANGEMENTS,
    holm_adjust,
    paired_confidence_interval,
    paired_permutation_test,
    sample_mean,
    unpaired_confidence_interval,
    unpaired_permutation_test,
)
from legm.stats.student_t import student_t_quantile
from tests.support.examples import examples

TESTS = [paired_permutation_test, unpaired_permutation_test]
INTERVALS = [paired_confidence_interval, unpaired_confidence_interval]

thousandths = st.integers(-3000, 3000)
pairs = st.lists(st.tuples(thousandths, thousandths), min_size=2, max_size=8)
samples = st.tuples(*[st.lists(thousandths, min_size=2, max_size=6)] * 2)


def floats(integers):
    """As numbers with three decimals, which a float cannot hold exactly."""
    return [value / 1000 for value in integers]


def random_integers(n, seed, spread=1000):
    source = random.Random(seed)
    return [source.randrange(-spread, spread) for _ in range(n)]


def coefficients(polynomial, width):
    """Whole numbers that stand one after the other in the bits of a larger one."""
    size = width // 8
    data = polynomial.to_bytes(polynomial.bit_length() // 8 + size, "little")
    return [int.from_bytes(data[at : at + size], "little") for at in range(0, len(data), size)]


def paired_by_counting(differences):
    """The exact p-value of whole numbers: how often each sum of +-differences is reached."""
    width = 8 * (len(differences) // 8 + 1)
    sums = (
        1  # the coefficient of x**k is in its bits from k * width on: so many reach k, counted from the least
    )
    for difference in differences:
        sums += sums << 2 * abs(difference) * width
    least = -sum(map(abs, differences))
    counts = coefficients(sums, width)
    far = sum(times for k, times in enumerate(counts) if abs(least + k) >= abs(sum(differences)))
    return far / 2 ** len(differences)


def unpaired_by_counting(a, b):
    """The exact p-value of whole numbers: how often each sum of len(a) of all values is reached."""
    together, n = [*a, *b], len(a)
    least, width = min(together), 8 * (len(together) // 8 + 1)
    sums = [1] + [0] * n  # as above, of 0 to n values, from which the least value is subtracted
    for value in together:
        for k in range(n, 0, -1):
            sums[k] += sums[k - 1] << (value - least) * width

    def distance(total):  # |mean(a) - mean(b)| is in proportion to |N sum(a) - n sum(all)|
        return abs(len(together) * total - n * sum(together))

    counts = coefficients(sums[n], width)
    far = sum(times for k, times in enumerate(counts) if distance(n * least + k) >= distance(sum(a)))
    return far / math.comb(len(together), n)


class TestPairedPermutations:
    @given(pairs)
    def test_rounding_does_not_change_the_share_of_all_sign_flips(self, pairs):
        differences = [a - b for a, b in pairs]
        flipped = [
            abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
            for signs in itertools.product([1, -1], repeat=len(pairs))
        ]
        expected = sum(total >= abs(sum(differences)) for total in flipped) / len(flipped)
        found = paired_permutation_test(*map(floats, zip(*pairs, strict=True)))
        assert (found.p, found.arrangements, found.exact) == (expected, len(flipped), True)

    @pytest.mark.parametrize("n", [2, 3, 7, 12, 20])
    def test_agrees_with_exact_counting_up_to_twenty_pairs(self, n):
        a, b = random_integers(n, 1), random_integers(n, 2)
        found = paired_permutation_test(floats(a), floats(b))
        assert found.p == paired_by_counting([x - y for x, y in zip(a, b, strict=True)])
        assert (found.arrangements, found.exact) == (2**n, True)

    @pytest.mark.slow
    def test_agrees_with_scipy(self):
        a, b = floats(random_integers(9, 3)), floats(random_integers(9, 4))
        theirs = scipy.stats.permutation_test(
            (a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
        )
        assert paired_permutation_test(a, b).p == pytest.approx(theirs.pvalue, rel=1e-12)

    def test_gives_what_fisher_found_for_darwins_maize(self):
        # The Design of Experiments, section 21: the total of 314 is reached or passed by 863 of 2**15 sums.
        differences = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
        assert paired_permutation_test(differences, [0] * 15).p == 2 * 863 / 2**15

    @pytest.mark.parametrize("shift", [0, 3, 10, 25])
    @pytest.mark.parametrize("n", [21, 64, 65, 130])
    def test_many_pairs_are_sampled_near_the_exact_share(self, n, shift):
        differences = [value + shift for value in random_integers(n, n, 50)]
        found = paired_permutation_test(floats(differences), [0.0] * n)
        exact = paired_by_counting(differences)
        assert (found.arrangements, found.exact) == (SAMPLED_ARRANGEMENTS, False)
        assert found.p == pytest.approx(
            exact, abs=5 * math.sqrt(exact / SAMPLED_ARRANGEMENTS) + 2 / SAMPLED_ARRANGEMENTS
        )

    def test_a_sampled_p_value_is_never_zero(self):
        assert paired_permutation_test([1.0] * 80, [0.0] * 80).p == 1 / SAMPLED_ARRANGEMENTS

    @given(st.lists(st.integers(1, 50), min_size=2, max_size=6), st.sampled_from([0.05, 0.1, 0.25, 0.5]))
    @examples(40)
    def test_has_exactly_its_nominal_level(self, sizes, level):
        every = itertools.product(*[(size, -size) for size in sizes])
        p = [paired_permutation_test(differences, [0] * len(sizes)).p for differences in every]
        assert sum(value <= level for value in p) <= level * len(p)


class TestUnpairedPermutations:
    @given(samples)
    def test_rounding_does_not_change_the_share_of_permutations(self, samples):
        a, b = samples
        every = list(itertools.combinations([*a, *b], len(a)))

        def distance(part):
            return abs(sum(part) * (len(a) + len(b)) - len(a) * (sum(a) + sum(b)))

        expected = sum(distance(part) >= distance(a) for part in every) / len(every)
        found = unpaired_permutation_test(floats(a), floats(b))
        assert (found.p, found.arrangements, found.exact) == (expected, len(every), True)

    @pytest.mark.parametrize(("n", "m"), [(2, 2), (5, 5), (3, 12), (12, 3), (2, 300), (11, 11)])
    def test_agrees_with_exact_counting(self, n, m):
        a, b = random_integers(n, 5), random_integers(m, 6)
        found = unpaired_permutation_test(floats(a), floats(b))
        assert found.p == unpaired_by_counting(a, b)
        assert (found.arrangements, found.exact) == (math.comb(n + m, n), True)

    @pytest.mark.slow
    def test_agrees_with_scipy(self):
        a, b = floats(random_integers(4, 7)), floats(random_integers(7, 8))
        theirs = scipy.stats.permutation_test(
            (a, b), lambda x, y: abs(np.mean(x) - np.mean(y)), alternative="greater", n_resamples=np.inf
        )
        assert unpaired_permutation_test(a, b).p == pytest.approx(theirs.pvalue, rel=1e-12)

    @pytest.mark.parametrize("shift", [0, 10, 30])
    @pytest.mark.parametrize(("n", "m"), [(12, 12), (20, 8), (8, 20), (20, 30)])
    def test_many_values_are_sampled_near_the_exact_share(self, n, m, shift):
        a, b = random_integers(n, 9, 50), [value + shift for value in random_integers(m, 10, 50)]
        found = unpaired_permutation_test(floats(a), floats(b))
        exact = unpaired_by_counting(a, b)
        assert (found.arrangements, found.exact) == (SAMPLED_ARRANGEMENTS, False)
        assert found.p == pytest.approx(
            exact, abs=5 * math.sqrt(exact / SAMPLED_ARRANGEMENTS) + 2 / SAMPLED_ARRANGEMENTS
        )

    def test_a_sampled_p_value_is_never_zero(self):
        assert unpaired_permutation_test([1.0] * 40, [0.0] * 40).p == 1 / SAMPLED_ARRANGEMENTS


@pytest.mark.parametrize("permutations", TESTS)
class TestEveryPermutationTest:
    @given(data=st.data(), n=st.sampled_from([2, 3, 6, 25]))
    @examples(25)
    def test_is_in_range_and_takes_both_sides_alike_in_any_order(self, permutations, data, n):
        a = floats(data.draw(st.lists(thousandths, min_size=n, max_size=n)))
        b = floats(data.draw(st.lists(thousandths, min_size=n, max_size=n)))
        found = permutations(a, b)
        assert 0 < found.p <= 1
        assert permutations(b, a) == found
        order = data.draw(st.permutations(range(n)))
        assert permutations([a[i] for i in order], [b[i] for i in order]) == found

    @given(pairs, thousandths, st.sampled_from([1e-300, 0.001, 7.0, 1e300]))
    def test_does_not_depend_on_shift_and_scale(self, permutations, pairs, shift, scale):
        a, b = zip(*pairs, strict=True)
        moved = [[(value + shift) / 1000 * scale for value in side] for side in (a, b)]
        assert permutations(*moved) == permutations(a, b)

    def test_differences_far_below_the_values_are_distinguished_from_rounding(self, permutations):
        a = [1e6 + i * 1e-7 for i in range(6)]
        b = [1e6 + (i + 6) * 1e-7 for i in range(6)]
        assert permutations(a, b).p == 2 / permutations(a, b).arrangements

    def test_equal_values_have_nothing_to_show(self, permutations):
        assert permutations([0.1, 0.1, 0.1], [0.1, 0.1, 0.1]).p == 1
        assert permutations([0.0, 0.0], [0.0, -0.0]).p == 1

    def test_the_largest_and_smallest_numbers_are_numbers(self, permutations):
        for size in (1.7976931348623157e308, 5e-324):
            found = permutations([size] * 5, [-size] * 5)
            assert found.p == 2 / found.arrangements

    @pytest.mark.parametrize(
        ("a", "b"),
        [([], []), ([1.0], [2.0]), ([1.0, math.nan], [1.0, 2.0]), ([1.0, 2.0], [math.inf, 1.0])],
    )
    def test_without_two_finite_values_there_is_no_p_value(self, permutations, a, b):
        found = permutations(a, b)
        assert math.isnan(found.p)
        assert found.arrangements == 0

    def test_switches_to_sampling_at_the_limit(self, permutations, monkeypatch):
        a, b = floats(random_integers(8, 11)), [value + 0.9 for value in floats(random_integers(8, 12))]
        exact = permutations(a, b)
        monkeypatch.setattr(significance, "MAX_EXACT_ARRANGEMENTS", exact.arrangements)
        assert permutations(a, b) == exact
        monkeypatch.setattr(significance, "MAX_EXACT_ARRANGEMENTS", exact.arrangements - 1)
        sampled = permutations(a, b)
        assert not sampled.exact
        assert sampled.p == pytest.approx(exact.p, abs=5 * math.sqrt(exact.p / SAMPLED_ARRANGEMENTS))


class TestIntervals:
    @given(
        st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 2), min_size=2, max_size=30),
        st.sampled_from([0.5, 0.9, 0.95, 0.999]),
    )
    def test_paired_agrees_with_scipy(self, pairs, level):
        a, b = np.array(pairs).T
        difference, lower, upper = paired_confidence_interval(a, b, level)
        lost = 1e-8 * max(np.abs(a - b).max(), 1)  # an end near zero is a difference of two large numbers
        if np.ptp(a - b) > 1e-3:
            theirs = scipy.stats.ttest_rel(a, b).confidence_interval(level)
            assert (lower, upper) == pytest.approx((theirs.low, theirs.high), rel=1e-8, abs=lost)
        assert difference == pytest.approx(np.mean(a - b), rel=1e-9, abs=lost)
        assert lower <= difference <= upper

    @given(
        *[st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30)] * 2,
        st.sampled_from([0.5, 0.9, 0.95, 0.999]),
    )
    def test_unpaired_agrees_with_scipy(self, a, b, level):
        difference, lower, upper = unpaired_confidence_interval(a, b, level)
        lost = 1e-8 * max(np.abs([*a, *b]).max(), 1)
        if np.ptp(a) > 1e-3 and np.ptp(b) > 1e-3:  # else SciPy warns
            theirs = scipy.stats.ttest_ind(a, b, equal_var=False).confidence_interval(level)
            assert (lower, upper) == pytest.approx((theirs.low, theirs.high), rel=1e-8, abs=lost)
        assert difference == pytest.approx(np.mean(a) - np.mean(b), rel=1e-9, abs=lost)
        assert lower <= difference <= upper

    @pytest.mark.parametrize("interval", INTERVALS)
    @given(pairs)
    def test_turns_round_with_its_sides(self, interval, pairs):
        a, b = map(floats, zip(*pairs, strict=True))
        difference, lower, upper = interval(a, b, 0.95)
        assert interval(b, a, 0.95) == pytest.approx((-difference, -upper, -lower), rel=1e-12)

    @pytest.mark.parametrize("interval", INTERVALS)
    def test_without_deviation_it_is_a_point(self, interval):
        assert interval([0.3] * 7, [0.1] * 7, 0.9) == (0.3 - 0.1,) * 3

    @pytest.mark.parametrize("interval", INTERVALS)
    def test_of_one_value_each_there_is_a_difference_only(self, interval):
        difference, lower, upper = interval([3.0], [1.0], 0.9)
        assert difference == 2
        assert math.isnan(lower)
        assert math.isnan(upper)

    def test_one_value_compared_with_many_gives_only_a_difference(self):
        assert unpaired_confidence_interval([3.0], [1.0, 2.0, 6.0], 0.9)[0] == 0
        assert np.isnan(unpaired_confidence_interval([3.0], [1.0, 2.0, 6.0], 0.9)[1:]).all()

    @pytest.mark.parametrize("interval", INTERVALS)
    def test_an_infinity_leaves_the_difference_only(self, interval):
        difference, lower, upper = interval([math.inf, 1.0], [1.0, 2.0], 0.9)
        assert difference == math.inf
        assert math.isnan(lower)
        assert math.isnan(upper)
        assert all(math.isnan(one) for one in interval([math.inf, 1.0], [math.inf, 1.0], 0.9))

    @pytest.mark.parametrize("interval", INTERVALS)
    def test_of_nothing_all_is_nan(self, interval):
        assert np.isnan(interval([], [], 0.9)).all()

    def test_one_sample_without_deviation_leaves_the_others_degrees_of_freedom(self):
        _, lower, upper = unpaired_confidence_interval([1.0, 2.0, 3.0], [0.0] * 50, 0.95)
        assert (upper - lower) / 2 == pytest.approx(student_t_quantile(0.95, 2) / math.sqrt(3), rel=1e-12)

    @pytest.mark.parametrize("interval", INTERVALS)
    def test_the_largest_numbers_do_not_overflow(self, interval):
        difference, lower, upper = interval([1e308, 1.2e308], [1e308, 1.1e308], 0.5)
        assert difference == pytest.approx(0.05e308)
        assert -1e308 < lower < difference < upper < 1e308


class TestMean:
    @given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
    def test_is_between_the_extremes(self, values):
        assert min(values) <= sample_mean(values) <= max(values)

    @given(st.lists(thousandths, min_size=1))
    def test_is_the_mean(self, values):
        assert sample_mean(values) == pytest.approx(sum(values) / len(values), rel=1e-15)

    def test_infinities_are_as_arithmetic_has_them(self):
        assert sample_mean([1e308, 1e308, -math.inf]) == -math.inf
        assert math.isnan(sample_mean([math.inf, -math.inf]))
        assert math.isnan(sample_mean([]))
        assert math.isnan(sample_mean([1.0, math.nan]))


class TestHolm:
    @given(st.lists(st.floats(0, 1) | st.sampled_from([0.01, 0.02, math.nan]), max_size=8))
    def test_agrees_with_its_definition(self, p):
        tests = [value for value in p if not math.isnan(value)]

        def adjusted(value):
            if math.isnan(value):
                return value
            below = [q for q in tests if q <= value]
            return min(1.0, max((len(tests) - sum(other < q for other in tests)) * q for q in below))

        assert holm_adjust(p) == pytest.approx([adjusted(value) for value in p], rel=0, abs=0, nan_ok=True)

    def test_steps_down_from_the_smallest_p_value(self):
        assert holm_adjust([0.04, 0.01, 0.03]) == [0.06, 0.03, 0.06]
        assert holm_adjust([0.5, 0.6]) == [1.0, 1.0]

    def test_one_test_needs_no_correction(self):
        assert holm_adjust([0.3]) == [0.3]
        assert holm_adjust([]) == []

    def test_what_has_no_p_value_does_not_count_as_a_test(self):
        assert holm_adjust([0.02, math.nan, 0.9])[::2] == [0.04, 0.9]


class TestStudentT:
    @given(
        st.floats(1, 2000),
        st.sampled_from([0.1, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 0.9999]),
    )
    @examples(300)
    def test_agrees_with_scipy_for_fractional_degrees_of_freedom(self, dof, level):
        assert student_t_quantile(level, dof) == pytest.approx(
            -scipy.special.stdtrit(dof, (1 - level) / 2), rel=5e-11
        )

    @pytest.mark.parametrize("dof", [1, 2, 1000])
    def test_is_continuous_where_the_formula_changes(self, dof):
        below, here, above = (student_t_quantile(0.9, dof + step) for step in (-1e-9 * (dof > 1), 0.0, 1e-9))
        assert below == pytest.approx(here, rel=1e-8)
        assert above == pytest.approx(here, rel=1e-8)
        assert below >= here > above or dof == 1000


def test_twenty_pairs_and_eleven_against_eleven_are_exact():
    assert 2**20 == MAX_EXACT_ARRANGEMENTS < 2**21
    assert math.comb(22, 11) <= MAX_EXACT_ARRANGEMENTS < math.comb(24, 12)
