"""Runs that only names, groups, tags, data sets or commits distinguish are not averaged; seeds still are."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, Param, RunTag
from mlflow.utils import name_utils

from legm import ParameterError
from legm.backends.mlflow.names import mlflow_sqlite_uri
from legm.cli import main
from legm.importers import import_runs
from legm.importers.identity_inference import infer_identity
from legm.importers.labels import Label, LabelKind, LabelUse, is_made_up_label, label_stem, label_value
from legm.importers.observed import ObservedRuns
from tests.support.imported import results
from tests.support.mlflow_store import prepare_store
from tests.support.wandb_scripts import run_script

# What counts of a text


@pytest.mark.parametrize(
    ("text", "stem"),
    [
        ("RandomForest", "RandomForest"),
        ("svm, seed 3", "svm"),
        ("svm-seed=3-lr0.1", "svm-lr0.1"),
        ("random_seed_12", None),
        ("svm 2024-05-01 12:30:01", "svm"),
        ("20240501_123001-svm", "svm"),
        ("Jan07_12-30-01_svm", "svm"),
        ("svm-1714559401", "svm"),
        ("svm run 7", "svm"),
        ("run_7", None),
        ("run", None),
        ("trial-12 of svm", "of svm"),
        ("svm (2)", "svm"),
        ("svm #12", "svm"),
        ("exp3", None),
        ("svm 1f3a9c2d", "svm"),
        ("<Net object at 0x7f12ab34>", "<Net object>"),
        ("resnet18", "resnet18"),
        ("resnet-50", "resnet-50"),
        ("lr=0.1", "lr=0.1"),
        ("gpt-2", "gpt-2"),
        ("v2", "v2"),
        ("fold 3", "fold 3"),
        ("", None),
    ],
)
def test_what_is_a_seed_a_date_a_counter_or_an_id_in_a_name_does_not_count(text, stem):
    assert label_stem(text) == stem


def test_a_number_counts_unless_it_is_the_seeds():
    assert label_stem("net18-7 x7.5", {"7"}) == "net18-x7.5"
    assert label_value(Label(LabelKind.NAME, "resnet18 s4"), LabelUse.UNSEEDED, [4, "cuda:1"]) == "resnet18 s"
    assert label_value(Label(LabelKind.TAG, ["b", "seed 1", "a"]), LabelUse.STEM, []) == ["a", "b"]
    assert label_value(Label(LabelKind.NAME, "run 1"), LabelUse.WHOLE, [1]) == "run 1"
    assert label_value(Label(LabelKind.NAME, "svm 1"), LabelUse.UNNUMBERED, []) == "svm"


def test_names_that_mlflow_makes_up_are_known_and_a_users_are_not():
    predicates, nouns = (vars(name_utils)[f"_GENERATOR_{words}"] for words in ("PREDICATES", "NOUNS"))
    for predicate, noun in zip(itertools.cycle(predicates), nouns, strict=False):
        assert is_made_up_label(f"{predicate}-{noun}-345")
    assert all(is_made_up_label(f"{predicate}-ox-0") for predicate in predicates)
    assert is_made_up_label("sunny-river-12")
    for name in ("random-forest-1", "gradient-boosting-2", "Sunny-River-12", "sunny-river", "svm-1"):
        assert not is_made_up_label(name)


@given(st.text(max_size=60))
def test_a_stem_is_its_own_stem_and_never_more_than_the_text(text):
    stem = label_stem(text)
    assert stem is None or (len(stem) <= len(text) and label_stem(stem) in {stem, label_stem(stem or "")})


# Which labels are asked


def observed(*runs: tuple[dict, dict]) -> ObservedRuns:
    seen = ObservedRuns()
    for parameters, labels in runs:
        seen.add(parameters, None, {name: Label(LabelKind(name), value) for name, value in labels.items()})
    return seen


@pytest.mark.parametrize(
    ("runs", "labels"),
    [
        ([({}, {"name": "svm"}), ({}, {"name": "forest"})], {"name": "stem"}),
        ([({"a": 1}, {"name": "svm"}), ({"a": 2}, {"name": "forest"})], {}),
        ([({"seed": 1}, {"name": "svm s1"}), ({"seed": 2}, {"name": "svm s2"})], {}),
        ([({}, {"name": "svm-1"}), ({}, {"name": "svm-2"})], {}),
        ([({}, {"name": "svm-1"}), ({}, {"name": "svm-2"}), ({}, {"name": "k"})], {"name": "unnumbered"}),
        (
            [({"seed": s}, {"name": f"k-{k}"}) for k in (1, 2) for s in (1, 2)],
            {"name": "stem"},
        ),
        ([({"seed": s}, {"name": "base v2"}) for s in (1, 2)], {}),
        ([({"seed": s}, {"name": f"{k}{s}"}) for k in "ab" for s in (1, 2)], {"name": "unseeded"}),
        ([({}, {"name": "resnet-18"}), ({}, {"name": "resnet-50"})], {"name": "stem"}),
        ([({}, {"name": "calm-ox-1"}), ({}, {"name": "bold-finch-345"})], {}),
        ([({}, {"name": "svm"}), ({}, {})], {"name": "stem"}),
        ([({}, {"name": "a", "group": "g"}), ({}, {"name": "b", "group": "h"})], {"name": "stem"}),
        ([({}, {"group": "g"}), ({}, {"group": "h"})], {"group": "stem"}),
        ([({}, {"data set": ["a"]}), ({}, {"data set": ["b"]})], {"data set": "stem"}),
        # Code and data that change with the seed: it is the same configuration.
        ([({"seed": 1}, {"commit": "a"}), ({"seed": 2}, {"commit": "b"})], {}),
        ([({"seed": 1}, {"commit": "a"}), ({"seed": 1}, {"commit": "b"})], {"commit": "stem"}),
        ([({"seed": 1}, {"digest of the data": "a"}), ({"seed": 2}, {"digest of the data": "b"})], {}),
        (
            [({"seed": seed}, {"digest of the data": "ab"[seed // 2]}) for seed in range(4)],
            {"digest of the data": "stem"},
        ),
        ([({}, {"script": "a.py"}), ({}, {"script": "b.py"})], {"script": "stem"}),
    ],
)
def test_a_label_is_compared_where_the_parameters_do_not_distinguish_runs(runs, labels):
    for order in itertools.permutations([*runs, runs[0]]) if len(runs) < 4 else [runs]:
        assert infer_identity(observed(*order)).labels == labels


def test_of_captured_runs_what_the_user_named_counts_before_anything_differs():
    run = ({"lr": 1}, {"name": "svm", "commit": "a", "script": "train.py"})
    assert infer_identity(observed(run), more_to_come=True).labels == {"name": "stem"}
    unnamed = ({"lr": 1}, {"name": "bold-finch-345", "commit": "a"})
    assert infer_identity(observed(unnamed), more_to_come=True).labels == {}
    seeded = ({"seed": 1}, {"name": "svm-1", "tag": "v1"})
    assert infer_identity(observed(seeded), more_to_come=True).labels == {"name": "unseeded", "tag": "stem"}
    nothing = ({"seed": 1}, {"name": "bold-finch-345", "commit": "a"})
    assert infer_identity(observed(nothing), more_to_come=True).labels == {"commit": "stem"}


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from(["lr", "seed"]), st.integers(0, 2)),
            st.dictionaries(st.sampled_from(["name", "group", "tag"]), st.sampled_from("abc")),
        ),
        max_size=8,
    )
)
def test_no_two_runs_with_different_names_groups_or_tags_are_averaged(runs):
    identity = infer_identity(observed(*runs))
    for one, other in itertools.combinations(runs, 2):
        same = all(one[0].get(name) == other[0].get(name) for name in identity.compared)
        if same and all(one[1].get(name) == other[1].get(name) for name in identity.labels):
            assert one[1] == other[1]


# Real stores


@pytest.fixture
def store(tmp_path, monkeypatch) -> tuple[MlflowClient, Path]:
    monkeypatch.chdir(tmp_path)
    path = prepare_store(tmp_path / "mlflow.db")
    return MlflowClient(mlflow_sqlite_uri(path)), path


def run(
    client: MlflowClient,
    experiment: str,
    name: str | None = None,
    params: dict | None = None,
    tags: dict | None = None,
    data: str = "",
    value: float = 1.0,
) -> str:
    known = client.get_experiment_by_name(experiment)
    number = known.experiment_id if known else client.create_experiment(experiment)
    made = client.create_run(number, run_name=name).info.run_id
    client.log_batch(
        made,
        params=[Param(key, str(one)) for key, one in (params or {}).items()],
        tags=[RunTag(key, one) for key, one in (tags or {}).items()],
    )
    client.log_metric(made, "accuracy", value)
    if data:
        client.log_inputs(made, [DatasetInput(Dataset(data, f"{data}-digest", "local", "{}"), [])])
    client.set_terminated(made)
    return made


def configurations(root: Path, experiment: str) -> list[list[str]]:
    """The keys of an experiment's runs by configuration."""
    found: dict[str, list[str]] = {}
    for key, one in results(root, experiment).items():
        found.setdefault(one.run.configuration.fingerprint, []).append(key)
    return sorted(sorted(keys) for keys in found.values())


MODELS = {"RandomForest": 0.9, "SVM": 0.7, "LogisticRegression": 0.6}


def test_mlflow_runs_that_parameters_do_not_distinguish_stay_separate(store, tmp_path):
    client, source = store
    named = [run(client, "named", name, value=value) for name, value in MODELS.items()]
    seeds = [run(client, "seeds", None, {"seed": seed}) for seed in range(2)]
    told = [run(client, "seeds", f"net, seed {seed}", {"seed": seed, "x": 1}) for seed in range(2)]
    tagged = [run(client, "tagged", None, {"lr": 1}, {"model": model}) for model in "ab"]
    by_data = [run(client, "data", None, {"seed": seed}, data=data) for data in "ab" for seed in range(2)]
    commits = [run(client, "code", None, {}, {"mlflow.source.git.commit": one}) for one in "aab"]
    root = tmp_path / "root"
    report = import_runs(source, root)
    assert report.is_complete, report
    assert configurations(root, "named") == sorted([one] for one in named)
    assert configurations(root, "seeds") == sorted([sorted(seeds), sorted(told)])
    assert configurations(root, "tagged") == sorted([one] for one in tagged)
    assert configurations(root, "data") == sorted([sorted(by_data[:2]), sorted(by_data[2:])])
    assert configurations(root, "code") == sorted([sorted(commits[:2]), commits[2:]])
    assert {name: dict(one.labels) for name, one in report.identities.items()} == {
        "named": {"mlflow.runName": "stem"},
        "seeds": {},
        "tagged": {"tags.model": "stem"},
        "data": {"mlflow.dataset": "stem"},
        "code": {"mlflow.source.git.commit": "stem"},
    }
    # The name of a configuration says which is which.
    assert {one.parent.name for one in root.glob("named/*/params.yml")} == {f"{one}_0" for one in MODELS}
    assert {one.run.environment["imported"]["name"] for one in results(root, "named").values()} == {*MODELS}
    # Names that differ are said where they are averaged; a tracker's own are not shown.
    assert report.averaged["seeds"]["mlflow.runName"] == ("2 values, such as 'net, seed 0' and 'net, seed 1'")
    assert {*report.averaged} == {"seeds"}
    again = import_runs(source, root)
    assert (again.created, again.updated, again.unchanged) == (0, 0, report.created)


def test_any_of_them_can_be_made_a_parameter_or_left_out(store, tmp_path):
    client, source = store
    for seed in range(2):
        run(client, "e", f"net, seed {seed}", {"lr": 1, "seed": seed}, {"who": f"me{seed}", "what": "a"})
    root, review = tmp_path / "root", tmp_path / "identity.yml"
    command = ["import", str(source), str(root), "--identity", str(review), "--compare", "mlflow.runName"]
    done = CliRunner().invoke(main, [*command, "--name-param", "tags.who", "--json"], catch_exceptions=False)
    report = json.loads(done.output)
    assert report["configurations"] == 2
    assert report["identities"]["e"]["labels"] == {"mlflow.runName": "whole", "tags.who": "whole"}
    (one, _) = sorted(results(root, "e").values(), key=lambda one: one.run.started)
    assert one.run.configuration.parameters["mlflow.runName"] == "net, seed 0"
    assert one.run.configuration.name == "me0"
    assert import_runs(source, root).configurations == 2  # it is kept
    with pytest.raises(ParameterError, match=r"'mlflow\.runName' compared as 'whole', which cannot change"):
        import_runs(source, root, ignore=["mlflow.runName"])
    with pytest.raises(ParameterError, match=r"no run has a parameter 'runName'"):
        import_runs(source, tmp_path / "other", compare=["runName"])
    run(client, "e", "another", {"lr": 1, "seed": 2}, {"who": "you"})
    report = import_runs(source, tmp_path / "joined", ignore=["mlflow.runName", "tags.who", "tags.what"])
    assert report.configurations == 1
    report = import_runs(source, tmp_path / "as read", identity_file=review)
    assert report.configurations == 3


def test_runs_that_were_averaged_part_when_a_later_one_shows_that_names_count(store, tmp_path):
    client, source = store
    svm = [run(client, "e", "svm", {"lr": 1, "seed": seed}) for seed in range(2)]
    root = tmp_path / "root"
    import_runs(source, root)
    forest = run(client, "e", "forest", {"lr": 1, "seed": 0})
    report = import_runs(source, root)
    assert (report.created, report.updated, report.is_complete) == (1, 2, True)
    assert configurations(root, "e") == sorted([sorted(svm), [forest]])
    assert len(list(root.glob("e/*/runs/*.log"))) == 3


def test_wandb_runs_of_different_names_groups_and_tags_stay_separate(tmp_path, wandb_home, prepared):
    script = """
for name in ("svm", "forest"):
    begin(project="named", name=name, id=name).finish()
for group in ("g", "h"):
    for seed in range(2):
        begin(project="groups", group=group, config={"seed": seed}, id=f"{group}{seed}").finish()
for tag in ("base", "new"):
    begin(project="tags", tags=[tag], config={"lr": 1}, id=tag).finish()
for seed in range(2):
    begin(project="seeds", config={"seed": seed}, id=f"s{seed}").finish()
"""
    done = run_script(prepared, tmp_path, script)
    assert not done.returncode, done.stderr
    root = tmp_path / "root"
    report = import_runs(tmp_path / "wandb", root)
    assert report.is_complete, report

    def ids(project: str) -> list[list[str]]:
        return [[key.rpartition("/")[2] for key in keys] for keys in configurations(root, project)]

    assert ids("named") == [["forest"], ["svm"]]
    assert ids("groups") == [["g0", "g1"], ["h0", "h1"]]
    assert ids("tags") == [["base"], ["new"]]
    assert ids("seeds") == [["s0", "s1"]]
