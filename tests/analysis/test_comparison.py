"""handler.compare(): runs paired by seed, and what is said of the difference."""
# ruff: noqa: PT012 - a run fails by an exception in its block

import json
import math
import struct
from dataclasses import replace
from pathlib import Path

import pytest
import scipy  # its parts are imported on first use

from legm import ExperimentHandler, LegmError, MetricError, ParameterError, StateError
from legm.analysis.comparison import comparison_as_dict
from legm.records import Comparison
from tests.support.mlflow_store import prepare_store

A = {0: 0.81, 1: 0.84, 2: 0.79, 3: 0.90, 4: 0.83}
B = {0: 0.80, 1: 0.80, 2: 0.78, 3: 0.85, 4: 0.84}


def handler(root: Path, backend: object = "local", description: str | None = None, **params):
    made = ExperimentHandler(root, "e", description, backend=backend)
    made.set_dict_params(params)
    made.disable_params([name for name in params if name != "lr"])
    made.name_param("lr")
    return made


def run(
    root: Path, lr: float, value: float, *, backend="local", description=None, **own
) -> ExperimentHandler:
    with handler(root, backend, description, lr=lr, **own).start() as made:
        made.set_dict_metrics({"acc": 0.0, "time": 1.0})
        made.set_dict_metrics({"acc": value, "time": 2.0 + value})
        made.set_metric("f1", value / 2, test=True)
    return made


def fill(root: Path, *sides: dict, backend="local", seed="seed") -> list[ExperimentHandler]:
    """For each side a configuration with a run for each seed."""
    return [
        [run(root, lr, value, backend=backend, **{seed: one}) for one, value in side.items()][-1]
        for lr, side in enumerate(sides, 1)
    ]


def rounded(comparison: Comparison) -> tuple[float, ...]:
    return tuple(round(getattr(comparison, name), 6) for name in ("difference", "lower", "upper", "p"))


def paired_by_scipy(x, y) -> tuple[float, ...]:
    test = scipy.stats.permutation_test(
        (x, y), lambda a, b, axis: (a - b).mean(axis=axis), permutation_type="samples", n_resamples=math.inf
    )
    interval = scipy.stats.ttest_rel(x, y).confidence_interval(0.95)
    mean = sum(x) / len(x) - sum(y) / len(y)
    return tuple(round(float(value), 6) for value in (mean, *interval, test.pvalue))


def unpaired_by_scipy(x, y) -> tuple[float, ...]:
    test = scipy.stats.permutation_test(
        (x, y), lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis), n_resamples=math.inf
    )
    interval = scipy.stats.ttest_ind(x, y, equal_var=False).confidence_interval(0.95)
    mean = sum(x) / len(x) - sum(y) / len(y)
    return tuple(round(float(value), 6) for value in (mean, *interval, test.pvalue))


# Pairing


def test_runs_of_one_seed_are_compared_in_whatever_order_they_were_run(tmp_path):
    a, b = fill(tmp_path, A, dict(reversed(B.items())))
    found = a.compare(a, b, "acc")
    assert rounded(found) == paired_by_scipy(list(A.values()), list(B.values()))
    assert (found.paired, found.pairs, found.seeds) == (True, 5, ("seed",))
    assert (found.n_a, found.n_b, found.method, found.arrangements) == (5, 5, "exact", 32)
    assert found.mean_a == pytest.approx(sum(A.values()) / 5)
    assert found.mean_b == pytest.approx(sum(B.values()) / 5)
    assert (found.metric, found.level, found.p_adjusted) == ("best_acc", 0.95, found.p)
    assert found.notes == ("so few runs cannot give a p-value below 0.0625",)


def test_a_seed_without_a_partner_is_left_out_and_said(tmp_path):
    a, b = fill(tmp_path, A, {4: 0.84, 2: 0.78, 0: 0.80, 9: 0.1})
    found = a.compare(a, b, "acc")
    assert rounded(found) == paired_by_scipy([0.81, 0.79, 0.83], [0.80, 0.78, 0.84])
    assert (found.pairs, found.n_a, found.n_b) == (3, 3, 3)
    assert "2 of 5 runs of a are left out: 2 without a partner" in found.notes
    assert "1 of 4 runs of b is left out: 1 without a partner" in found.notes


def test_several_runs_of_one_seed_count_by_their_mean(tmp_path):
    a, b = fill(tmp_path, A, B)
    run(tmp_path, 2, 0.9, seed=0)
    found = a.compare(a, b, "acc")
    assert rounded(found) == paired_by_scipy(list(A.values()), [0.85, *list(B.values())[1:]])
    assert (found.pairs, found.n_a, found.n_b) == (5, 5, 6)
    assert "where several runs have the same seed, their mean is used" in found.notes


def test_equal_seeds_are_one_seed_whatever_their_type(tmp_path):
    a, b = fill(tmp_path, A, {float(seed): value for seed, value in B.items()})
    assert a.compare(a, b, "acc").pairs == 5


def test_a_run_without_a_seed_is_left_out_of_a_paired_comparison(tmp_path):
    a, b = fill(tmp_path, {**A, None: 0.1}, B)
    found = a.compare(a, b, "acc")
    assert found.pairs == 5
    assert "1 of 6 runs of a is left out: 1 without a seed" in found.notes


@pytest.mark.parametrize("common", [{}, {0: 0.8}])
def test_with_fewer_than_two_common_seeds_all_runs_are_compared_unpaired(tmp_path, common):
    other = {**common, 11: 0.83, 12: 0.71, 13: 0.75}
    a, b = fill(tmp_path, A, other)
    found = a.compare(a, b, "acc")
    expected = unpaired_by_scipy(list(A.values()), list(other.values()))
    assert rounded(found)[:3] == expected[:3]
    assert (found.paired, found.pairs, found.n_a, found.n_b) == (False, 0, 5, len(other))
    assert f"not paired: they have {len(common) or 'no'} seed in common, and pairs need two" in found.notes


def test_without_a_seed_the_runs_are_compared_unpaired(tmp_path):
    a, b = fill(tmp_path, A, B, seed="device")
    found = a.compare(a, b, "acc")
    assert rounded(found) == unpaired_by_scipy(list(A.values()), list(B.values()))
    assert (found.paired, found.seeds, found.arrangements) == (False, (), 252)
    assert found.notes == ("not paired: no parameter of both looks like a seed",)


@pytest.mark.parametrize(
    "name",
    [
        "seed",
        "SEED",
        "random_seed",
        "rng_seed",
        "Data_Seed",
        "seed_torch",
        "random_state",
        "train.seed",
        "a.b_seed",
    ],
)
def test_a_seed_is_known_by_its_name(tmp_path, name):
    a, b = fill(tmp_path, A, B, seed=name)
    assert a.compare(a, b, "acc").seeds == (name,)


@pytest.mark.parametrize("name", ["seeds", "seeded", "n_seeds", "birdseed", "seed.count", "state"])
def test_other_names_are_no_seeds_unless_they_are_given(tmp_path, name):
    a, b = fill(tmp_path, A, B, seed=name)
    assert a.compare(a, b, "acc").seeds == ()
    assert a.compare(a, b, "acc", seed=name).pairs == 5


def test_of_two_seeds_both_must_be_equal(tmp_path):
    for lr, side in ((1, A), (2, B)):
        for seed, value in side.items():
            last = run(tmp_path, lr, value, seed=seed, data_seed=seed if lr == 1 or seed < 3 else 7)
    found = last.compare("1", "2", "acc")
    assert (found.pairs, found.seeds) == (3, ("data_seed", "seed"))
    assert last.compare("1", "2", "acc", seed="seed").pairs == 5
    assert last.compare("1", "2", "acc", seed=["seed", "data_seed"]).p == found.p


def test_a_seed_that_only_one_of_them_has_does_not_keep_them_from_pairing(tmp_path):
    for seed, value in A.items():
        run(tmp_path, 1, value, seed=seed, data_seed=3)
        last = run(tmp_path, 2, B[seed], seed=seed)
    found = last.compare("1", "2", "acc")
    assert (found.pairs, found.seeds) == (5, ("seed",))


def test_no_seed_can_be_asked_for(tmp_path):
    a, b = fill(tmp_path, A, B)
    found = a.compare(a, b, "acc", seed=())
    assert rounded(found) == unpaired_by_scipy(list(A.values()), list(B.values()))
    assert found.notes == ("not paired: as asked",)


def test_a_seed_that_no_run_has_is_refused_with_the_closest(tmp_path):
    a, b = fill(tmp_path, A, B)
    with pytest.raises(ParameterError, match=r"no run of '1' has a seed 'sed'; did you mean 'seed'\?"):
        a.compare(a, b, "acc", seed="sed")


@pytest.mark.parametrize("wrong", [0, 3.5, ["seed", 0], [None]])
def test_a_seeds_value_instead_of_its_name_is_refused(tmp_path, wrong):
    a, b = fill(tmp_path, A, B)
    with pytest.raises(ParameterError, match="names no parameters"):
        a.compare(a, b, "acc", seed=wrong)


def test_a_seed_that_is_compared_is_refused_with_what_to_do(tmp_path):
    a, b = fill(tmp_path, A, B)
    with pytest.raises(ParameterError, match="disable_param"):
        a.compare(a, b, "acc", seed="lr")


# What is compared


def test_test_metrics_are_compared_when_asked_for(tmp_path):
    a, b = fill(tmp_path, A, B)
    found = a.compare(a, b, "f1", test=True)
    assert found.metric == "test_f1"
    assert found.difference == pytest.approx(a.compare(a, b, "acc").difference / 2)


def test_dev_metrics_are_compared_at_the_best_step(tmp_path):
    for lr, best in ((1, 0.2), (2, 0.3)):
        for seed in range(3):
            with handler(tmp_path, lr=lr, seed=seed).start() as made:
                for loss in (0.9, best + seed, 0.8 + seed):
                    made.set_metric("loss", loss)
                made.set_best("early_stopping", metric="loss", higher_better=False)
    found = made.compare("1", "2", "loss")
    assert found.mean_a == pytest.approx((0.2 + 0.9 + 0.9) / 3)
    assert found.mean_b == pytest.approx((0.3 + 0.9 + 0.9) / 3)


def test_of_times_a_run_has_the_mean_of_all_its_values(tmp_path):
    a, b = fill(tmp_path, A, B)
    found = a.compare(a, b, "time")
    assert found.metric == "time"
    assert found.mean_a == pytest.approx(sum(1.5 + value / 2 for value in A.values()) / 5)


def test_only_completed_runs_count_and_the_others_are_said(tmp_path):
    a, b = fill(tmp_path, A, B)
    with pytest.raises(RuntimeError), handler(tmp_path, lr=1, seed=9).start() as failing:
        failing.set_metric("acc", 0.0)
        raise RuntimeError
    left = handler(tmp_path, lr=1, seed=10).start()
    left.set_metric("acc", 0.0)
    left.reset()
    left.log()
    found = a.compare(a, b, "acc")
    assert found.n_a == 5
    assert "3 of 8 runs of a are left out: 1 failed, 1 interrupted, 1 without the metric" in found.notes


def test_runs_of_other_descriptions_do_not_count(tmp_path):
    a, b = fill(tmp_path, A, B)
    for seed in A:
        other = run(tmp_path, 1, 0.0, description="bug", seed=seed)
        run(tmp_path, 2, 1.0, description="bug", seed=seed)
    assert a.compare(a, b, "acc").n_a == 5
    assert other.compare(a, b, "acc").difference == -1


def test_nan_is_not_used_and_said(tmp_path):
    a, b = fill(tmp_path, {**A, 5: math.nan}, {**B, 5: 0.5})
    found = a.compare(a, b, "acc")
    assert rounded(found) == paired_by_scipy(list(A.values()), list(B.values()))
    assert "1 of 6 runs of a is left out: 1 NaN" in found.notes
    assert "1 of 6 runs of b is left out: 1 without a partner" in found.notes


def test_an_infinity_leaves_the_difference_and_a_reason(tmp_path):
    a, b = fill(tmp_path, {**A, 5: math.inf}, {**B, 5: 0.5})
    found = a.compare(a, b, "acc")
    assert (found.difference, found.n_a, found.pairs) == (math.inf, 6, 6)
    assert all(math.isnan(x) for x in (found.lower, found.upper, found.p, found.p_adjusted))
    assert "no interval and no p-value: a value is infinite" in found.notes
    assert (found.method, found.arrangements) == ("", 0)


def test_one_run_leaves_the_difference_and_a_reason(tmp_path):
    a, b = fill(tmp_path, A, {0: 0.8})
    found = a.compare(a, b, "acc")
    assert found.difference == pytest.approx(sum(A.values()) / 5 - 0.8)
    assert all(math.isnan(x) for x in (found.lower, found.upper, found.p, found.p_adjusted))
    assert "no interval and no p-value: they need two runs, and b has fewer" in found.notes


def test_means_that_differ_by_rounding_alone_are_equally_good(tmp_path):
    a, b = fill(tmp_path, {0: 0.3, 1: 0.2, 2: 0.1}, {5: 0.2, 6: 0.2})
    found = a.compare(a, b, "acc")
    assert abs(found.difference) < 1e-15
    assert replace(found, difference=-2.8e-17).better == replace(found, difference=0.0).better == ""
    assert replace(found, difference=-1e-9).better == "b"
    assert replace(found, difference=math.inf, mean_a=math.inf).better == "a"


def test_nothing_but_nan_leaves_a_reason(tmp_path):
    a, b = fill(tmp_path, {0: math.nan, 1: math.nan}, B)
    found = a.compare(a, b, "acc")
    assert math.isnan(found.difference)
    assert math.isnan(found.mean_a)
    assert (found.n_a, found.n_b) == (0, 5)
    assert "2 of 2 runs of a are left out: 2 NaN" in found.notes


def test_many_seeds_are_sampled_the_same_way_each_time(tmp_path):
    a, b = fill(tmp_path, {i: i % 7 / 10 for i in range(22)}, {i: i % 5 / 10 for i in range(22)})
    first, second = (ExperimentHandler(tmp_path, "e").compare("1", "2", "acc") for _ in range(2))
    assert first == second
    assert bits(first) == bits(a.compare(a, b, "acc"))
    assert (first.method, first.arrangements) == ("sampled", 100_000)


def test_the_level_is_that_of_the_interval(tmp_path):
    a, b = fill(tmp_path, A, B)
    wide, narrow = (a.compare(a, b, "acc", level=level) for level in (0.99, 0.5))
    assert wide.lower < narrow.lower < narrow.difference < narrow.upper < wide.upper
    assert (wide.level, wide.p) == (0.99, narrow.p)
    assert narrow.notes == ()


# Several at once


def test_several_are_compared_in_order_and_adjusted_together(tmp_path):
    c = {seed: value - 0.2 for seed, value in A.items()}
    handlers = fill(tmp_path, A, B, c, {0: 0.1})
    found = handlers[0].compare(handlers[0], handlers[1:], "acc")
    alone = [handlers[0].compare(handlers[0], other, "acc") for other in handlers[1:]]
    assert [replace(one, p_adjusted=one.p) for one in found[:2]] == alone[:2]
    assert [one.p for one in found[:2]] == [0.25, 0.0625]
    assert [one.p_adjusted for one in found[:2]] == [0.25, 0.125]
    assert math.isnan(found[2].p_adjusted)


def test_a_list_is_answered_by_a_list(tmp_path):
    a, b = fill(tmp_path, A, B)
    assert a.compare(a, [b], "acc") == [a.compare(a, b, "acc")]
    assert a.compare(a, (), "acc") == []


# Which configurations


def test_configurations_may_be_named_in_every_form_that_is_printed(tmp_path, monkeypatch):
    a, b = fill(tmp_path, A, B)
    expected = comparison_as_dict(a.compare(a, b, "acc"))
    second, first = sorted(a.get_best("acc"), key=lambda place: place.value.mean)
    monkeypatch.chdir(tmp_path)
    ways = [
        (a.fingerprint, b.fingerprint),
        (first, second),
        (first.configuration, second.configuration),
        (first.folder, Path(second.folder)),
        ("1", "2"),
        ("1_0", "2_0"),
        ("e/1_0", Path("e/2_0")),
    ]
    reader = ExperimentHandler(tmp_path, "e")
    for ours, theirs in ways:
        assert comparison_as_dict(reader.compare(ours, theirs, "acc")) == expected
        assert [comparison_as_dict(one) for one in reader.compare(ours, [theirs], "acc")] == [expected]


def test_a_renamed_folder_is_found_by_its_new_name(tmp_path):
    a, b = fill(tmp_path, A, B)
    expected = comparison_as_dict(a.compare(a, b, "acc"))
    (tmp_path / "e" / "1_0").rename(tmp_path / "e" / "the good one")
    found = ExperimentHandler(tmp_path, "e").compare("the good one", "2_0", "acc")
    assert comparison_as_dict(found) == expected


def test_a_name_that_several_have_is_refused_and_their_folders_are_not(tmp_path):
    for depth in (1, 2):
        for seed in range(3):
            with _deep(tmp_path, depth, seed) as made:
                made.set_metric("acc", depth + seed / 10)
    with pytest.raises(ParameterError, match="2 configurations of 'e' are called '1'"):
        made.compare("1", "1_1", "acc")
    assert made.compare("1_0", "1_1", "acc").difference == pytest.approx(-1)


def _deep(root: Path, depth: int, seed: int) -> ExperimentHandler:
    made = ExperimentHandler(root, "e")
    made.set_dict_params({"lr": 1, "depth": depth, "seed": seed})
    made.disable_param("seed")
    made.name_param("lr")
    return made.start()


@pytest.mark.parametrize("unknown", ["11", "", "..", "e/3_0", "a\0b", "v1-0"])
def test_an_unknown_configuration_is_refused(tmp_path, unknown):
    a, b = fill(tmp_path, A, B)
    with pytest.raises(ParameterError, match="'e' has no configuration"):
        a.compare(unknown, b, "acc")


def test_an_unknown_configuration_is_reported_with_the_closest(tmp_path):
    (a,) = fill(tmp_path, A)
    run(tmp_path, 0.125, 0.5, seed=0)
    with pytest.raises(ParameterError, match=r"did you mean '0\.125' or '0\.125_0'\?"):
        a.compare(a, "0.12", "acc")


@pytest.mark.parametrize("wrong", [3, None, {"lr": 1}, {"1"}])
def test_what_names_no_configuration_is_refused(tmp_path, wrong):
    a, _ = fill(tmp_path, A, B)
    with pytest.raises(ParameterError, match=type(wrong).__qualname__):
        a.compare(a, wrong, "acc")


def test_a_configuration_compared_with_itself_or_given_twice_is_refused(tmp_path):
    a, b = fill(tmp_path, A, B)
    for others in (a, [b, "1"], [b, b]):
        with pytest.raises(ParameterError, match="twice"):
            a.compare(a, others, "acc")


def test_another_experiments_configuration_is_refused(tmp_path):
    a, _ = fill(tmp_path, A, B)
    other = ExperimentHandler(tmp_path, "f")
    with pytest.raises(ParameterError, match="of the experiment 'f', not of 'e'"):
        a.compare(a, other, "acc")


def test_a_configuration_without_a_completed_run_is_an_error(tmp_path):
    a, _ = fill(tmp_path, A, B)
    with pytest.raises(StateError, match="no completed run"):
        a.compare(a, handler(tmp_path, lr=3), "acc")


# Which metric


def test_an_unknown_metric_is_reported_with_the_closest(tmp_path):
    a, b = fill(tmp_path, A, B)
    with pytest.raises(MetricError, match=r"has the dev metric 'ac'; did you mean 'acc'\?"):
        a.compare(a, b, "ac")


@pytest.mark.parametrize("metric", [3, None, "", ["acc"]])
def test_what_is_no_metrics_name_is_refused(tmp_path, metric):
    a, b = fill(tmp_path, A, B)
    with pytest.raises(MetricError):
        a.compare(a, b, metric)


@pytest.mark.parametrize(("metric", "test"), [("f1", False), ("acc", True)])
def test_a_metric_of_the_other_kind_is_reported(tmp_path, metric, test):
    a, b = fill(tmp_path, A, B)
    with pytest.raises(MetricError, match=f"test={not test}"):
        a.compare(a, b, metric, test=test)


def test_an_indexed_metric_is_refused(tmp_path):
    for lr in (1, 2):
        with handler(tmp_path, lr=lr).start() as made:
            made.set_dict_metrics({"x1": {"em": 1.0}, "x2": {"em": 0.0}}, test=True)
    with pytest.raises(MetricError, match="'em' has one value per index"):
        made.compare("1", "2", "em", test=True)


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, math.nan, "0.9", None])
def test_a_level_outside_of_0_and_1_is_refused(tmp_path, level):
    a, b = fill(tmp_path, A, B)
    with pytest.raises(LegmError, match="level="):
        a.compare(a, b, "acc", level=level)


# What comes back


def test_it_reads_well(tmp_path):
    a, b = fill(tmp_path, {seed: value - 0.5 for seed, value in A.items()}, {**B, 7: 0.1})
    found = a.compare(a, b, "acc")
    assert str(found).splitlines() == [
        "last acc of a = 1 and b = 2",
        "a: 0.334 (5 runs), b: 0.814 (5 runs), 5 pairs by seed",
        f"a - b = -0.48, 95 % interval {found.lower:.6g} to {found.upper:.6g}",
        "p = 0.0625 (exact, 32 arrangements)",
        "higher is better, by default; b has the better mean",
        "1 of 6 runs of b is left out: 1 without a partner",
        "so few runs cannot give a p-value below 0.0625",
    ]
    assert "p = 0.0625, 0.125 adjusted" in str(replace(found, p_adjusted=0.125))


def test_without_a_p_value_it_reads_well(tmp_path):
    a, b = fill(tmp_path, A, {0: 0.8})
    text = str(a.compare(a, b, "acc"))
    assert "nan" not in text
    assert text.endswith("no interval and no p-value: they need two runs, and b has fewer")


def test_configurations_of_one_name_are_distinguished_by_their_fingerprints(tmp_path):
    for depth in (1, 2):
        for seed in range(2):
            with _deep(tmp_path, depth, seed) as made:
                made.set_metric("acc", depth + seed)
    found = made.compare("1_0", "1_1", "acc")
    assert f"a = {found.a.fingerprint} and b = {found.b.fingerprint}" in str(found)


def test_it_is_plain_values_for_json(tmp_path):
    a, b = fill(tmp_path, A, B)
    found = a.compare(a, b, "acc")
    plain = comparison_as_dict(found)
    assert json.loads(json.dumps(plain)) == plain
    assert plain["a"] == {"name": "1", "fingerprint": a.fingerprint}
    assert (plain["experiment"], plain["metric"], plain["p"]) == ("e", "best_acc", found.p)
    assert plain["seeds"] == ["seed"]


def bits(comparison: Comparison) -> list:
    plain = comparison_as_dict(comparison)
    return [struct.pack("d", v) if isinstance(v, float) else v for v in plain.values()]


def test_mlflow_gives_the_same_answer_bit_for_bit(tmp_path):
    a = {seed: value + 1e-9 / 3 for seed, value in A.items()}
    ours = fill(tmp_path / "local", a, B, {0: 0.1, "x": 0.2, 1: 0.3})
    prepare_store(tmp_path / "mlflow" / "mlflow.db")
    theirs = fill(
        tmp_path / "mlflow", dict(reversed(a.items())), B, {1: 0.3, "x": 0.2, 0: 0.1}, backend="mlflow"
    )
    reader = ExperimentHandler(tmp_path / "mlflow", "e", backend="mlflow")
    for metric, test in (("acc", False), ("time", False), ("f1", True)):
        found = ours[0].compare(ours[0], ours[1:], metric, test=test)
        again = reader.compare(theirs[0].fingerprint, ["2", theirs[2]], metric, test=test)
        assert [bits(one) for one in again] == [bits(one) for one in found]
        assert [one.pairs for one in found] == [5, 2]
    first, second, third = reader.get_best("acc")
    found = reader.compare(first, [second.folder, third], "acc")
    assert [one.difference > 0 for one in found] == [True, True]
