"""Runs to summaries, curves and rankings."""

import json
import math
import struct
from dataclasses import astuple, replace

import numpy as np
import pytest
import scipy  # its parts are imported on first use
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import legm.stats.aggregate
from legm.errors import LegmError
from legm.records import (
    Aggregate,
    Configuration,
    History,
    Ranked,
    Run,
    RunCounts,
    RunResult,
    Series,
    Split,
    Status,
    Summary,
)
from legm.stats.aggregate import (
    AggregationMethod,
    AggregationMethods,
    MethodKind,
    aggregate_counts,
    aggregate_curves,
    aggregate_interval,
    aggregate_runs,
    aggregated_summary_as_dict,
    aggregated_summary_from_dict,
    mean_columns,
    sort_by_aggregate,
    unindexed_aggregate,
)
from legm.stats.student_t import student_t_quantile

METHODS = ["mean", "median", "outlier_mean", "confidence", "confidence_0.9"]
numbers = st.floats(allow_subnormal=True)  # NaN, infinities and both zeros among them


def configuration(name="c", fingerprint="f"):
    return Configuration("experiment", fingerprint, name, {}, (), {})


def run(best=None, test=None, histories=None, status=Status.COMPLETED):
    return RunResult(
        Run("id", configuration(), "", 0.0),
        status,
        best={name if isinstance(name, Series) else Series(name): v for name, v in (best or {}).items()},
        test={
            name if isinstance(name, Series) else Series(name, Split.TEST): v
            for name, v in (test or {}).items()
        },
        histories={
            name if isinstance(name, Series) else Series(name): History(
                np.array(steps, np.int64), np.array(values, np.float64)
            )
            for name, (steps, values) in (histories or {}).items()
        },
    )


def aggregate(values, method="mean"):
    return aggregate_runs([run({"loss": value}) for value in values], method).values["best_loss"]


def bits(one):
    """An aggregate such that only equal bits are equal; NaN is NaN, whatever its payload."""
    plain = [one.mean, one.std, one.n, one.nan, *one.fields.values()]
    return [b"nan" if math.isnan(v) else struct.pack("d", v) for v in plain], one.method, list(one.fields)


class TestMethod:
    @pytest.mark.parametrize("text", METHODS)
    def test_reads_as_it_is_written(self, text):
        assert str(AggregationMethod.parse(text)) == text

    def test_confidence_is_of_95_percent_unless_given(self):
        assert (
            AggregationMethod.parse("confidence")
            == AggregationMethod.parse("confidence_0.95")
            == AggregationMethod(MethodKind.CONFIDENCE, 0.95)
        )

    @pytest.mark.parametrize(
        "wrong", ["", "Mean", "means", "confidence0.9", "mean_0.9", None, 3, MethodKind.MEAN]
    )
    def test_an_unknown_one_is_an_error_that_lists_the_valid_ones(self, wrong):
        with pytest.raises(LegmError) as error:
            AggregationMethods.parse(wrong)
        for valid in ["mean", "median", "outlier_mean", "confidence", "confidence_<level>"]:
            assert f"'{valid}'" in str(error.value)
        assert repr(wrong) in str(error.value)

    @pytest.mark.parametrize("level", ["0", "1", "1.5", "-0.5", "95", "nan", "inf", "", "high"])
    def test_a_level_outside_0_to_1_is_an_error(self, level):
        with pytest.raises(LegmError, match="strictly between 0 and 1"):
            AggregationMethod.parse(f"confidence_{level}")

    def test_a_mapping_chooses_by_metric_and_the_exact_key_wins(self):
        methods = AggregationMethods.parse(
            {"loss": "median", "best_loss": "outlier_mean", "other": "confidence"}
        )
        assert methods.for_key("best_loss").kind is MethodKind.OUTLIER_MEAN
        assert methods.for_key("test_loss").kind is MethodKind.MEDIAN
        assert methods.for_key("best_acc").kind is MethodKind.CONFIDENCE

    def test_without_other_the_rest_get_their_mean(self):
        assert AggregationMethods.parse({"loss": "median"}).for_key("test_acc").kind is MethodKind.MEAN

    def test_a_wrong_method_or_key_in_a_mapping_is_an_error(self):
        with pytest.raises(LegmError, match="'outlier_mean'"):
            AggregationMethods.parse({"loss": "max"})
        with pytest.raises(LegmError, match="must be a string, not 3"):
            AggregationMethods.parse({3: "mean"})

    def test_a_metric_that_no_run_has_is_an_error_naming_the_closest(self):
        runs = [run({"loss": 1.0}, {"accuracy": 0.5}, {"loss": ([0], [1.0])})]
        for function in (aggregate_runs, lambda runs, method: aggregate_curves(runs, None, method)):
            with pytest.raises(LegmError, match=r"'acuracy'.*did you mean 'accuracy'"):
                function(runs, {"acuracy": "median"})
            with pytest.raises(LegmError, match=r"'best_los'.*did you mean 'best_loss'"):
                function(runs, {"best_los": "median"})
            function(runs, {"loss": "median", "accuracy": "mean", "test_accuracy": "mean"})

    def test_while_no_run_has_completed_any_metric_may_be_named(self):
        runs = [run({"loss": 1.0}, status=Status.FAILED)]
        assert aggregate_runs(runs, {"accuracy": "median"}) == Summary({}, 0, 1, 0)
        assert aggregate_curves(runs, ["accuracy"], {"accuracy": "median"}) == []


class TestAggregate:
    # Squares of smaller numbers vanish in NumPy's deviation.
    @given(st.lists(st.floats(-1e9, 1e9).map(lambda v: round(v, 30)), min_size=1, max_size=60))
    def test_agrees_with_numpy_and_scipy(self, values):
        def near(value):
            return pytest.approx(value, rel=1e-9, abs=1e-9 * max(map(abs, values)), nan_ok=True)

        n = len(values)
        mean = aggregate(values)
        assert (mean.mean, mean.std, mean.n, mean.nan) == (near(np.mean(values)), near(np.std(values)), n, 0)
        median = aggregate(values, "median")
        assert (median.mean, median.std) == (mean.mean, mean.std)
        quartiles = np.quantile(values, [0.5, 0.25, 0.75])
        assert list(median.fields) == ["median", "q1", "q3"]
        assert list(median.fields.values()) == near(list(quartiles))
        trimmed = aggregate(values, "outlier_mean")
        kept = np.sort(values)[n // 10 : n - n // 10]
        assert (trimmed.mean, trimmed.std) == (near(kept.mean()), near(kept.std()))
        assert (trimmed.n, trimmed.fields) == (n, {"cut": n // 10})
        sure = aggregate(values, "confidence_0.9")
        assert sure.fields["level"] == 0.9
        if n > 1:
            assert sure.std == near(np.std(values, ddof=1))
            low, high = scipy.special.stdtrit(n - 1, [0.05, 0.95])
            scale = np.std(values, ddof=1) / math.sqrt(n)
            assert sure.fields["lower"] == near(np.mean(values) + low * scale)
            assert sure.fields["upper"] == near(np.mean(values) + high * scale)
        else:
            assert all(math.isnan(v) for v in (sure.std, sure.fields["lower"], sure.fields["upper"]))

    @pytest.mark.parametrize("method", METHODS)
    @given(st.lists(numbers, max_size=30), st.randoms())
    def test_does_not_depend_on_the_order_of_the_runs_bit_for_bit(self, method, values, random):
        shuffled = random.sample(values, len(values))
        values, shuffled = [*values, 0.0], [0.0, *shuffled]
        assert bits(aggregate(values, method)) == bits(aggregate(shuffled, method))

    @pytest.mark.parametrize("method", METHODS)
    @given(st.lists(st.lists(numbers, min_size=1, max_size=12), min_size=1, max_size=5))
    def test_does_not_depend_on_the_other_metrics_bit_for_bit(self, method, metrics):
        runs = [
            run({f"m{i}": values[at] for i, values in enumerate(metrics) if at < len(values)})
            for at in range(12)
        ]
        together = aggregate_runs(runs, method).values
        for i, values in enumerate(metrics):
            assert bits(together[f"best_m{i}"]) == bits(aggregate(values, method))

    @given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
    def test_the_mean_is_between_the_extremes_however_large_they_are(self, values):
        one = aggregate(values)
        assert min(values) <= one.mean <= max(values)
        assert 0 <= one.std < math.inf

    @given(st.floats(allow_nan=False, allow_infinity=False), st.integers(2, 20))
    def test_equal_values_have_themselves_as_mean_and_no_deviation(self, value, n):
        for method in METHODS:
            one = aggregate([value] * n, method)
            assert (one.mean, one.std) == (value, 0.0)
            assert aggregate_interval(one) == (value, value, value)

    @pytest.mark.parametrize("method", METHODS)
    def test_nan_is_counted_and_not_used(self, method):
        with_nan, without = aggregate([1.0, math.nan, 4.0, math.nan], method), aggregate([1.0, 4.0], method)
        assert (with_nan.n, with_nan.nan) == (2, 2)
        assert (with_nan.mean, with_nan.std, with_nan.fields) == (without.mean, without.std, without.fields)

    @pytest.mark.parametrize("method", METHODS)
    def test_nothing_but_nan_is_no_number(self, method):
        one = aggregate([math.nan, math.nan], method)
        assert (one.n, one.nan) == (0, 2)
        assert math.isnan(one.mean)
        assert math.isnan(one.std)

    @pytest.mark.parametrize("method", METHODS)
    def test_infinities_are_used(self, method):
        one = aggregate([1.0, 2.0, math.inf], method)
        assert (one.mean, one.n) == (math.inf, 3)
        assert math.isnan(one.std)
        assert math.isnan(aggregate([-math.inf, math.inf], method).mean)

    def test_the_median_is_finite_while_most_values_are(self):
        assert aggregate([1.0, 2.0, math.inf], "median").fields == {"median": 2.0, "q1": 1.5, "q3": math.inf}
        assert aggregate([-math.inf, 1.0], "median").fields["median"] == -math.inf

    def test_outliers_are_cut_before_the_mean(self):
        one = aggregate([*range(1, 9), 1e9, -math.inf], "outlier_mean")
        assert one == Aggregate(4.5, np.std(range(1, 9)), 10, 0, "outlier_mean", {"cut": 1})
        assert aggregate(range(9), "outlier_mean").fields == {"cut": 0}


class TestStudentT:
    @pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 0.9999])
    def test_agrees_with_scipy(self, level):
        degrees = [*range(1, 40), 99, 100, 499, 500, 998, 999, 1000, 1001, 1002, 10_000, 10**6, 10**9]
        found = [student_t_quantile(level, dof) for dof in degrees]
        # SciPy before 1.16 itself is off by 2e-11.
        below = scipy.special.stdtrit(degrees, (1 - level) / 2)
        assert found == pytest.approx(-below, rel=5e-11)
        assert found == pytest.approx(scipy.special.stdtrit(degrees, (1 + level) / 2), rel=5e-11)

    @given(st.floats(0, 1, exclude_min=True, exclude_max=True), st.integers(1, 5000))
    def test_is_a_finite_number_for_every_level(self, level, dof):
        assert 0 <= student_t_quantile(level, dof) < math.inf


class TestSummariseRuns:
    def test_only_completed_runs_are_aggregated_and_the_others_counted(self):
        statuses = [*Status, Status.COMPLETED, Status.FAILED]
        runs = (run({"loss": float(i)}, status=status) for i, status in enumerate(statuses))
        summary = aggregate_runs(runs)
        counts = (summary.completed, summary.failed, summary.interrupted, summary.pruned)
        assert counts == (2, 2, 1, 1)
        assert summary.values["best_loss"] == Aggregate(3.0, 2.0, 2, 0, "mean")

    def test_no_runs_give_an_empty_summary(self):
        assert aggregate_runs([]) == Summary({}, 0, 0, 0)

    def test_dev_and_test_metrics_of_one_name_are_separate(self):
        values = aggregate_runs([run({"loss": 1.0}, {"loss": 2.0})]).values
        assert {key: value.mean for key, value in values.items()} == {"best_loss": 1.0, "test_loss": 2.0}

    def test_times_aggregate_over_all_their_values(self):
        runs = [
            run({"time": 9.0, "loss": 1.0}, {"time": 7.0}, {"time": ([0, 1, 2], [1.0, 2.0, math.nan])}),
            run({"time": 9.0, "loss": 1.0}, {}, {"time": ([0], [6.0]), "loss": ([0], [5.0])}),
        ]
        values = aggregate_runs(runs, {"time": "median"}).values
        assert list(values) == ["best_loss", "test_time", "time"]
        assert (values["time"].mean, values["time"].n, values["time"].nan) == (3.0, 3, 1)
        assert values["time"].fields["median"] == 2.0

    def test_indexed_metrics_aggregate_by_index(self):
        runs = [
            run({Series("acc", index="b"): 1.0, Series("acc", index="a"): 2.0}),
            run({Series("acc", index="a"): 4.0}, {Series("acc", Split.TEST, "a"): 8.0}),
        ]
        values = aggregate_runs(runs).values
        assert {key: {i: (v.mean, v.n) for i, v in value.items()} for key, value in values.items()} == {
            "best_acc": {"a": (3.0, 2), "b": (1.0, 1)},
            "test_acc": {"a": (8.0, 1)},
        }
        assert list(values["best_acc"]) == ["a", "b"]

    def test_a_metric_that_is_also_indexed_keeps_both(self):
        values = aggregate_runs([run({"acc": 1.0, Series("acc", index="a"): 2.0})]).values
        assert {i: v.mean for i, v in values["best_acc"].items()} == {"": 1.0, "a": 2.0}

    def test_as_a_dict_it_has_sorted_keys_and_plain_numbers(self):
        runs = [
            run({"z": np.float64(i), "a": i, Series("i", index="7"): i}, {"z": i + 0.5}) for i in range(10)
        ]
        runs.append(run(status=Status.FAILED))
        found = aggregated_summary_as_dict(
            aggregate_runs(runs, {"a": "outlier_mean", "test_z": "confidence_0.5"})
        )
        assert list(found) == ["best_a", "best_i", "best_z", "test_z"]
        assert found["best_a"] == found["best_z"] | {
            "method": "outlier_mean",
            "cut": 1,
            "std": pytest.approx(np.std(range(8))),
            "chosen": "last a",
        }
        assert found["best_i"] == {"7": found["best_z"] | {"chosen": "last i"}}
        assert list(found["test_z"]) == [
            *["mean", "std", "n", "nan", "failed", "interrupted", "pruned", "repeated", "method", "chosen"],
            *["level", "lower", "upper"],
        ]
        assert (found["test_z"]["n"], found["test_z"]["failed"], found["test_z"]["interrupted"]) == (10, 1, 0)
        plain = [*found["best_a"].values(), *found["test_z"].values()]
        assert {type(value) for value in plain} == {int, float, str}
        assert json.loads(json.dumps(found)) == found

    def test_each_aggregate_says_that_its_runs_come_from_different_code(self):
        text = "1 run of aaaaaaa, 1 of bbbbbbb"
        summary = replace(aggregate_runs([run({"a": 1, Series("i", index="7"): 2})]), different_code=text)
        found = aggregated_summary_as_dict(summary)
        assert [found["best_a"]["different_code"], found["best_i"]["7"]["different_code"]] == [text, text]
        again = aggregated_summary_from_dict(found, summary.completed)
        assert (again, again.different_code) == (summary, text)
        equal = aggregated_summary_as_dict(replace(summary, different_code=""))
        assert "different_code" not in equal["best_a"]
        assert aggregated_summary_from_dict(equal, 1).different_code == ""


def naive(runs, method):
    """The curve of "loss" with a loop over steps, as (step, center, lower, upper, runs)."""
    histories = [one.histories[Series("loss")] for one in runs]
    for step in sorted({step for history in histories for step in history.steps.tolist()}):
        values = [v for h in histories for s, v in zip(h.steps, h.values, strict=True) if s == step]
        one = aggregate(values, method)
        yield step, *aggregate_interval(one), one.n


values_at_steps = st.dictionaries(st.integers(-5, 20), numbers, min_size=1, max_size=12).map(
    lambda values: (sorted(values), [values[step] for step in sorted(values)])
)


class TestCurves:
    @pytest.mark.slow
    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
    @settings(max_examples=25)
    @given(histories=st.lists(values_at_steps, min_size=1, max_size=12))
    def test_unequal_steps_join_like_a_loop_over_steps(self, method, chunk, histories):
        runs = [run({}, {}, {"loss": history}) for history in histories]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(legm.stats.aggregate, "_CHUNK", chunk)
            (curve,) = aggregate_curves(runs, None, method)
        found = np.array(astuple(curve)[2:])
        np.testing.assert_array_equal(found, np.array(list(naive(runs, method)), np.float64).T)

    @pytest.mark.slow
    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
    @settings(max_examples=25)
    @given(values=hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)))
    def test_equal_steps_join_like_a_loop_over_steps(self, method, chunk, values):
        runs = [run({}, {}, {"loss": (np.arange(len(row)) * 3, row)}) for row in values]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(legm.stats.aggregate, "_CHUNK", chunk)
            (curve,) = aggregate_curves(runs, None, method)
        found = np.array(astuple(curve)[2:])
        np.testing.assert_array_equal(found, np.array(list(naive(runs, method)), np.float64).T)

    def test_unequal_lengths_join_by_step(self):
        runs = [
            run({}, {}, {"loss": ([0, 1, 2], [1.0, 2.0, 3.0])}),
            run({}, {}, {"loss": ([0, 2, 9], [3.0, math.nan, math.nan])}),
        ]
        (curve,) = aggregate_curves(iter(runs))
        assert (curve.metric, curve.method) == ("loss", "mean")
        assert curve.steps.tolist() == [0, 1, 2, 9]
        assert curve.runs.tolist() == [2, 1, 1, 0]
        np.testing.assert_array_equal(curve.center, [2.0, 2.0, 3.0, math.nan])
        np.testing.assert_array_equal(curve.lower, [1.0, math.nan, math.nan, math.nan])
        np.testing.assert_array_equal(curve.upper, [3.0, math.nan, math.nan, math.nan])

    def test_all_are_sorted_and_chosen_ones_keep_their_order(self):
        history = ([0], [1.0])
        runs = [run({}, {}, {"b": history, "a": history, "c": history, Series("i", index="1"): history})]
        assert [curve.metric for curve in aggregate_curves(runs)] == ["a", "b", "c"]
        assert [curve.metric for curve in aggregate_curves(runs, ["c", "a", "c"])] == ["c", "a"]

    def test_methods_are_chosen_by_metric(self):
        history = ([0], [1.0])
        runs = [run({}, {}, {"a": history, "time": history, "b": history})]
        found = aggregate_curves(runs, None, {"best_a": "median", "time": "confidence_0.9"})
        assert [(c.metric, c.method) for c in found] == [
            ("a", "median"),
            ("b", "mean"),
            ("time", "confidence_0.9"),
        ]

    def test_a_metric_without_a_curve_is_an_error_naming_the_closest(self):
        runs = [run({"loss": 1.0}, {}, {"loss": ([0], [1.0])})]
        with pytest.raises(LegmError, match="'los'; did you mean 'loss'"):
            aggregate_curves(runs, ["los"])

    def test_runs_that_have_not_completed_do_not_count(self):
        runs = [run({}, {}, {"loss": ([0], [1.0])}, status) for status in Status]
        (curve,) = aggregate_curves(runs)
        assert curve.runs.tolist() == [1]

    @pytest.mark.parametrize("method", ["mean", "median", "outlier_mean", "confidence"])
    def test_a_single_run_is_drawn_as_where_it_alone_has_values(self, method):
        values = [0.5, math.nan, math.inf, -math.inf, -0.0, 5e-324, -1.7e308]
        one = run({}, {}, {"loss": (range(7), values)})
        other = run({}, {}, {"loss": ([100], [1.0])})
        (alone,), (beside,) = (aggregate_curves(runs, aggregation=method) for runs in ([one], [one, other]))
        assert alone.method == beside.method
        for name in ("steps", "center", "lower", "upper", "runs"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(beside, name)[:7], err_msg=name)
        assert not np.signbit(alone.center[4])

    def test_what_was_given_may_change_afterwards_and_is_not_changed(self):
        one = run({}, {}, {"loss": ([0, 1], [2.0, -0.0])})
        (curve,) = aggregate_curves([one])
        history = one.histories[Series("loss")]
        assert np.signbit(history.values[1])
        history.steps[:] = 7
        history.values[:] = 7
        assert curve.steps.tolist() == [0, 1]
        assert curve.center.tolist() == [2.0, 0.0]


class TestRank:
    def candidate(self, name, value, fingerprint="f", method="mean"):
        runs = [run({"loss": v}) for v in (value if isinstance(value, list) else [value])]
        value = unindexed_aggregate(aggregate_runs(runs, method), "best_loss")
        return Ranked(configuration(name, fingerprint), value, len(runs), 0, 0)

    def names(self, ranked):
        return [one.configuration.name for one in ranked]

    def test_the_best_is_first_and_nan_last(self):
        given_ = [self.candidate(str(v), v) for v in (2.0, math.nan, math.inf, 1.0, -math.inf)]
        assert self.names(sort_by_aggregate(given_, True)) == ["inf", "2.0", "1.0", "-inf", "nan"]
        assert self.names(sort_by_aggregate(given_, False)) == [*["-inf", "1.0", "2.0", "inf", "nan"]]

    def test_equals_are_ordered_by_name_and_fingerprint(self):
        given_ = [self.candidate("b", 1.0), self.candidate("a", 1.0, "2"), self.candidate("a", 1.0, "1")]
        for higher_better in (True, False):
            found = sort_by_aggregate(given_, higher_better)
            places = [(one.configuration.name, one.configuration.fingerprint) for one in found]
            assert places == [("a", "1"), ("a", "2"), ("b", "f")]

    def test_the_median_ranks_where_it_was_asked_for(self):
        given_ = [
            self.candidate("a", [0.0, 0.0, 9.0], "f", "median"),
            self.candidate("b", 1.0, "f", "median"),
        ]
        assert self.names(sort_by_aggregate(given_, True)) == ["b", "a"]

    def test_a_metric_that_is_only_indexed_cannot_rank(self):
        indexed = aggregate_runs([run({Series("acc", index="1"): 1.0})])
        both = aggregate_runs([run({Series("acc", index="1"): 1.0, "acc": 2.0})])
        with pytest.raises(LegmError, match="one value per index"):
            unindexed_aggregate(indexed, "best_acc")
        assert unindexed_aggregate(both, "best_acc").mean == 2.0
        assert unindexed_aggregate(both, "best_los").n == 0


def test_columns_of_means_are_what_the_aggregates_have():
    samples = [[1.0, 2.5, 4.0], [math.nan, 3.0], [math.nan], [math.inf, 1.0], [-0.0], [1e300, 1e300], []]
    counts = [RunCounts(configuration(), values={"best_loss": one}) for one in samples]
    counts.append(RunCounts(configuration(), values={"best_other": [1.0]}))
    counts.append(RunCounts(configuration(), values={}, indexed=frozenset({"best_loss"})))
    columns = mean_columns(counts, "best_loss")
    known = aggregate_counts(counts[:-1], "best_loss")
    for row, one in enumerate([*known, None]):
        found = [float(of[row]) for of in (columns.mean, columns.std, columns.n, columns.nan)]
        expected = [math.nan, math.nan, 0, 0] if one is None else [one.mean, one.std, one.n, one.nan]
        np.testing.assert_array_equal(found, expected)
