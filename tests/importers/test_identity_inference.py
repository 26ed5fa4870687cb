"""What is inferred of imported parameters: which distinguish configurations, and what texts were."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from legm import CorruptFile
from legm.core.parameter_kinds import infer_parameter_kind
from legm.core.plain_form import canonical_plain_text
from legm.core.value_parsing import parse_value_text
from legm.importers.identity_file import read_identity_file, write_identity_file
from legm.importers.identity_inference import Identity, infer_identity
from legm.importers.observed import ObservedRuns
from legm.importers.valid_names import valid_name, valid_names

# One parameter


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("seed", [0, 1, 2], "seed"),
        ("seed", [42], "seed"),
        ("train.random_seed", [1, None], "seed"),
        ("model/randomState", [1, 2], "seed"),
        ("random_state", [None, 7], "seed"),
        ("seed_everything", [1], "seed"),
        ("device", ["cpu", "cuda:1"], "device"),
        ("gpu_id", [0, 3], "device"),
        ("no_cuda", [True, False], "device"),
        ("use_gpu", [True, None], "device"),
        ("num_workers", [0, 8], "workers"),
        ("n_jobs", [-1, 4], "workers"),
        ("hostname", ["node-17.cluster", "laptop"], "host"),
        ("slurm_job_id", [1234567, 1234568], "host"),
        ("master_port", [29500, 29501], "host"),
        ("sb3._last_obs", ["[[0.1 0.2]]", "[[0.3 0.4]]"], "state of a training"),
        ("num_timesteps", [0, 64], "state of a training"),
        ("output_dir", ["out/a", "out/b"], "path"),
        ("logdir", ["runs/1", "runs/2"], "path"),
        ("checkpoint_path", ["/a/1.pt", "/a/2.pt"], "path"),
        ("data_dir", ["/home/a/mnist", "/scratch/b/mnist/"], "path"),
        ("anything", ["s3://a/x.csv", "./x.csv", "C:\\d\\x.csv"], "path"),
    ],
)
def test_a_parameter_that_looks_like_noise_by_name_and_values_is_proposed(name, values, kind):
    assert infer_parameter_kind(name, values) == kind


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("lr", [0.1, 0.01]),
        ("num_seeds", [3, 5]),
        ("seed_size", [3, 5]),
        ("seed", ["a", "b"]),
        ("seed", [0.5, 0.25]),
        ("device", ["iphone", "pixel"]),
        ("num_gpu", [1, 8]),
        ("lora_rank", [8, 16]),
        ("max_time", [60, 3600]),
        ("total_timesteps", [1_000, 2_000]),
        ("data_dir", ["/data/mnist", "/data/cifar"]),
        ("pretrained", ["/a/net.pt", "/b/net.pt", None]),
        ("pretrained", ["/a/net.pt", None]),
        ("pretrained_model_path", ["/m/small", "/m/big"]),
        ("resume_checkpoint_path", ["/m/a.pt", "/m/b.pt"]),
        ("train_output_file", [1, 2]),
        ("workers", [0.5, 1.5]),
        ("device", ["cpu"]),
        ("output_dir", ["out"]),
        ("", [1, 2]),
        ("seed", [None]),
        ("seed", [True, None]),
    ],
)
def test_a_parameter_that_may_matter_is_compared(name, values):
    assert infer_parameter_kind(name, values) is None


# Times

BEGAN = [1_714_566_600.0, 1_714_637_000.0]  # 12:30 on 1 May 2024, and 8:03 on the next day


def of_two_runs(name: str, values: list, ended: float | None = None) -> ObservedRuns:
    """Two runs whose parameter has these values, and which began when it is said above."""
    seen = ObservedRuns()
    for value, began in zip(values, BEGAN, strict=True):
        seen.add({name: value}, started=began, ended=ended)
    return seen


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("timestamp", [1_714_566_600, 1_714_637_000.5]),
        ("start_time", [1_714_566_601_445_298_166, 1_714_637_000_979_041_136]),  # Stable-Baselines3
        ("start_time", [1_714_566_601.25, 1_714_637_000.5]),
        ("created_time", [1_714_566_601_445, 1_714_637_000_979]),
        ("trainer.started", ["2024-05-01 12:30:01", "2024-05-02T08:00"]),
        ("date", ["2024-05-01_14-30-01", "2024-05-02_10-00-00"]),  # Ray, in local time
        ("date", ["2024-05-01", "20240502"]),
        ("tag", ["20240501-123001", "2024-05-02T08:03:20.5+02:00"]),
    ],
)
def test_times_of_the_runs_themselves_are_not_compared(name, values):
    assert infer_identity(of_two_runs(name, values)).ignored == {name: "looks like a time, 2 values"}
    one = ObservedRuns()
    one.add({name: values[0]}, started=BEGAN[0])
    assert name in infer_identity(one, more_to_come=True).ignored


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("date", ["2023-01-01", "2024-01-01"]),
        ("date", ["2024-05-02", "2024-07-01"]),  # one of them by chance
        ("cutoff", ["2023-06-01T00:00:00", "2023-07-01T00:00:00"]),
        ("timestamp", ["2023-06-01 12:00", "2023-07-01 12:00"]),
        ("start_time", [1_546_300_800, 1_577_836_800]),
        ("start_date", ["2024-05-01", "2024-05-02"]),
        ("train_end_date", ["2024-05-01", "2024-05-02"]),
        ("train_end", ["2024-05-01T00:00:00", "2024-05-02T00:00:00"]),  # trained anew each day
        ("until", ["2024-05-01 00:00", "2024-05-02 00:00"]),
        ("date", ["2024-13-45 12:00:00", "2024-05-02 12:00:00"]),
        ("max_time", [60, 3600]),
        ("time", [1_000_000_000, 2_000_000_000]),
        ("time_limit", [1_714_566_600, 1_714_637_000]),
        ("lead_time", [6, 12]),
        ("datetime_features", [True, False]),
    ],
)
def test_times_that_somebody_chose_are_compared(name, values):
    assert infer_identity(of_two_runs(name, values)).compared == (name,)
    one = ObservedRuns()
    one.add({name: values[1]}, started=BEGAN[0] - 10**7)
    assert infer_identity(one, more_to_come=True).compared == (name,)


def test_a_time_is_of_the_run_itself_until_the_run_ends():
    values = ["2024-05-19 12:00:00", "2024-05-20 12:00:00"]  # as Ray writes with each result
    assert infer_identity(of_two_runs("date", values)).compared == ("date",)
    assert infer_identity(of_two_runs("date", values, ended=1_716_200_000.0)).ignored


def test_without_the_begin_of_a_run_its_times_are_compared():
    assert infer_identity(observed([{"date": "2024-05-01"}, {"date": "2024-05-02"}])).compared == ("date",)


# The parameters of many runs

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(0, 1),
    st.sampled_from(["cpu", "cuda:0", "/a/x", "b"]),
)
NAMES = st.sampled_from(["seed", "device", "lr", "depth", "output_dir", "data_path", "n_jobs", "note"])
RUNS = st.lists(st.dictionaries(NAMES, VALUES), min_size=1, max_size=12)


def observed(runs) -> ObservedRuns:
    seen = ObservedRuns()
    for run in runs:
        seen.add(run)
    return seen


def compared(identity: Identity, run) -> frozenset:
    """What a configuration of these parameters is: those that count, as legm compares them."""
    return frozenset(
        (name, canonical_plain_text(value))
        for name, value in run.items()
        if name not in identity.ignored and value is not None and value is not False
    )


@given(RUNS, st.randoms())
def test_neither_the_order_nor_the_number_of_runs_changes_the_proposal(runs, random):
    shuffled = [*runs, *runs[:3]]
    random.shuffle(shuffled)
    assert infer_identity(observed(shuffled)) == infer_identity(observed(runs))


@given(RUNS)
def test_every_parameter_is_either_compared_or_not_and_only_noise_is_not(runs):
    identity = infer_identity(observed(runs))
    names = {name for run in runs for name in run}
    assert {*identity.ignored} | {*identity.compared} == names
    assert not {*identity.ignored} & {*identity.compared}
    assert {*identity.ignored} <= {"seed", "device", "output_dir", "data_path", "n_jobs"}
    assert {*identity.named} <= {*identity.compared}


@given(RUNS)
def test_runs_that_are_joined_differ_in_nothing_but_what_was_proposed(runs):
    identity = infer_identity(observed(runs))
    for one, other in itertools.combinations(runs, 2):
        if compared(identity, one) == compared(identity, other):
            differ = {name for name, _ in compared(Identity(), one) ^ compared(Identity(), other)}
            assert differ <= {*identity.ignored}


@given(RUNS, st.dictionaries(NAMES, st.just("given"), max_size=3), st.lists(NAMES, max_size=3, unique=True))
def test_what_was_decided_stays(runs, ignored, also):
    decided = [name for name in also if name not in ignored]
    identity = infer_identity(observed(runs), Identity(ignored, tuple(decided), ("lr",)))
    assert {**identity.ignored, **ignored} == {**identity.ignored}
    assert set(decided) <= {*identity.compared}
    assert identity.named == ("lr",)


@given(
    st.lists(st.floats(1e-4, 1.0), min_size=1, max_size=4, unique=True),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=4, unique=True),
    st.sampled_from(["seed", "random_state", "train.seed"]),
)
def test_a_grid_over_seeds_becomes_a_configuration_for_each_point_of_the_rest(rates, seeds, name):
    runs = [
        {"lr": rate, name: seed, "output_dir": f"out/{rate}-{seed}", "host": f"node{seed % 3}"}
        for rate in rates
        for seed in seeds
    ]
    identity = infer_identity(observed(runs))
    assert len({compared(identity, run) for run in runs}) == len(
        {canonical_plain_text(rate) for rate in rates}
    )


def test_a_configuration_is_named_by_few_short_parameters_that_vary_most_first():
    runs = [
        {
            "lr": 10.0**-i,
            "depth": i % 2,
            "fixed": 1,
            "long": "x" * 40 + str(i),
            "seed": i,
            "opt": "abc"[i % 3],
        }
        for i in range(6)
    ]
    assert infer_identity(observed(runs)).named == ("lr", "opt", "depth")


# The file for review

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


@settings(max_examples=50)
@given(
    st.dictionaries(
        TEXTS,
        st.tuples(
            st.dictionaries(TEXTS.map("i".__add__), TEXTS, max_size=3),
            st.lists(TEXTS.map("c".__add__), max_size=3, unique=True),
        ),
        max_size=3,
    )
)
def test_the_file_gives_back_what_was_written(tmp_path_factory, described):
    path = tmp_path_factory.mktemp("review") / "deep" / "identity.yml"
    written = {
        name: Identity(ignored, tuple(some), tuple(some[:1])) for name, (ignored, some) in described.items()
    }
    write_identity_file(path, written)
    assert read_identity_file(path) == written


def test_a_user_may_write_lists(tmp_path):
    path = tmp_path / "identity.yml"
    path.write_text("mnist:\n  not_compared: [seed, fold]\n  name: [lr]\n")
    assert read_identity_file(path) == {
        "mnist": Identity({"seed": "as requested", "fold": "as requested"}, (), ("lr",))
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1, 2]", "a mapping by experiment"),
        ("e: {seeds: [a]}", "not_compared, compared, name"),
        ("e: {compared: [1]}", "a list of parameter names"),
        ("e: {compared: lr}", "a list of parameter names"),
        ("e: {compared: [lr], not_compared: [lr]}", "expected a name in only one of"),
        ("e: !!python/object/apply:os.system [echo no]", "not valid YAML"),
        ("e: [", "not valid YAML"),
    ],
)
def test_a_file_that_says_something_else_is_an_error_that_says_what_it_should(tmp_path, text, said):
    path = tmp_path / "identity.yml"
    path.write_text(text)
    with pytest.raises(CorruptFile, match=r"identity\.yml") as error:
        read_identity_file(path)
    assert said in str(error.value)


# Texts and names

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(PLAIN.filter(lambda value: not isinstance(value, str)))
def test_a_text_that_str_made_of_a_value_is_that_value_again(value):
    found = parse_value_text(str(value))
    if "nan" in str(value) or "inf" in str(value):
        assert str(found) == str(value)
    else:
        assert found == value
        assert type(found) is type(value)


@given(st.text())
def test_no_text_is_lost(text):
    assert str(parse_value_text(text)) == text


@pytest.mark.parametrize(
    "text",
    ["007", "1.50", "1e5", "+1", " 1", "1_000", "[1,2]", "{1, 2}", "b'a'", "1+2j", "true", "null", ""],
)
def test_a_text_that_python_would_write_otherwise_stays_a_text(text):
    assert parse_value_text(text) == text
    assert isinstance(parse_value_text(text), str)


@pytest.mark.parametrize(
    "text", ["[" * 1999, "[" * 900 + "]" * 900, "[" + "9" * 1900 + "]", "9" * 1999, "(" + "-" * 1990 + "1)"]
)
def test_a_text_made_to_trip_the_parser_is_a_text_or_its_value(text):
    assert str(parse_value_text(text)) == text


@pytest.mark.parametrize(("text", "value"), [("nan", math.nan), ("inf", math.inf), ("-inf", -math.inf)])
def test_infinities_and_nan_are_numbers(text, value):
    assert str(parse_value_text(text)) == str(value)
    assert isinstance(parse_value_text(text), float)


@given(st.lists(st.text(st.characters(exclude_categories=()), max_size=300), unique=True, max_size=6))
def test_names_that_are_changed_stay_different_and_can_be_had(names):
    found = valid_names(names, {"plot", "log"}.__contains__)
    assert len(set(found.values())) == len(names)
    for name, new in found.items():
        assert 1 <= len(new) <= 250 + len(names)
        assert new.encode()
        assert new not in {"plot", "log"}
        if 1 <= len(name) <= 250 and name not in {"plot", "log"} and name.isascii():
            assert new == name


def test_a_reserved_name_gets_a_mark_that_no_other_has():
    assert valid_names(["plot", "plot_"], {"plot"}.__contains__) == {"plot": "plot__", "plot_": "plot_"}
    assert valid_name("a" * 300) != valid_name("a" * 301)


# Absent values


def observed_in_time(*runs) -> ObservedRuns:
    seen = ObservedRuns()
    for started, run in runs:
        seen.add(run, started=started)
    return seen


OLD = [(1.0, {"lr": 0.1}), (2.0, {"lr": 0.2})]
NEW = [(3.0, {"lr": 0.1, "x": 0.0}), (4.0, {"lr": 0.2, "x": 0}), (5.0, {"lr": 0.1, "x": 0.5})]


@given(st.permutations([*OLD, *NEW]))
def test_a_dominating_value_of_a_parameter_that_only_newer_runs_have_is_proposed(runs):
    identity = infer_identity(observed_in_time(*runs))
    assert identity.proposed_absent_values == {"x": 0}
    assert identity.absent_values == {}
    assert {*identity.compared} == {"lr", "x"}


@pytest.mark.parametrize(
    "runs",
    [
        NEW,
        [*OLD, NEW[0]],
        [*OLD, NEW[0], NEW[2]],
        [*OLD, *NEW, (6.0, {"lr": 0.1})],
        [(3.0, {"lr": 0.3}), *NEW],
        [*OLD, (3.0, {"x": None}), (4.0, {"x": False}), (5.0, {"x": 1})],
        [*OLD, (3.0, {"seed": 1}), (4.0, {"seed": 1})],
    ],
    ids=["all have it", "one run", "half", "a later run without", "at once", "inactive", "not compared"],
)
def test_otherwise_no_absent_value_is_proposed(runs):
    assert infer_identity(observed_in_time(*runs)).proposed_absent_values == {}


def test_what_was_accepted_is_kept_and_proposed_no_more(tmp_path):
    accepted = Identity(compared=("lr", "x"), absent_values={"x": 0.0}, proposed_absent_values={"lr": 0.1})
    identity = infer_identity(observed_in_time(*OLD, *NEW), accepted)
    assert identity.absent_values == {"x": 0.0}
    assert identity.proposed_absent_values == {"lr": 0.1}
    write_identity_file(tmp_path / "identity.yml", {"e": identity})
    assert read_identity_file(tmp_path / "identity.yml") == {"e": identity}


def test_an_absent_value_that_is_no_plain_value_is_refused_with_its_position(tmp_path):
    path = tmp_path / "identity.yml"
    path.write_text("e:\n  compared: [x]\n  absent_values:\n    x: 2026-01-01\n")
    with pytest.raises(CorruptFile, match="e, absent_values"):
        read_identity_file(path)
