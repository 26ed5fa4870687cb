"""Folders of the original legm: every completed run, with what was known of its parameters; nothing runs."""

from __future__ import annotations

import io
import math
import os
import pickle
import random
import shutil
import struct
import sys
import tracemalloc
import types
from argparse import Namespace
from collections import OrderedDict, defaultdict
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from legm import CorruptFile, ExperimentHandler, LegmError
from legm.cli import main
from legm.importers import import_runs
from legm.importers.classic.source import ClassicSource
from legm.importers.detection import open_detected_source
from legm.importers.plain_yaml import parse_plain_yaml
from legm.importers.unevaluated import PlainConverter, UnevaluatedName, UnevaluatedObject
from legm.importers.unpickling import unpickle_unevaluated
from legm.records import BestRule, Series, Split, Status
from tests.support.imported import files_in, log_of, results
from tests.support.paths import SAMPLES

CLASSIC = SAMPLES / "original-legm"
LENET = "LeNet@MNIST"
SGD = "sgd,100,1e-01,0.9_0"


def is_long(value: int) -> bool:
    return value > 5


def short(value: float) -> str:
    return f"{value:.0e}"


def pickled(folder: Path, parameters: dict, protocol: int = 4, **state) -> None:
    """A handler, pickled as the original's are."""
    module = types.ModuleType("legm.exp_manager")

    class ExperimentManager:
        pass

    ExperimentManager.__module__, ExperimentManager.__qualname__ = module.__name__, "ExperimentManager"
    module.ExperimentManager = ExperimentManager
    handler = ExperimentManager()
    edges = defaultdict(dict)
    for child, (parent, active) in state.pop("parents", {}).items():
        edges[child][parent] = active
        state.setdefault("_parent_param_dict", {})[child] = parent
    handler.__dict__ = {
        "_param_dict": parameters,
        "_disabled_params": set(state.pop("disabled", ())),
        "_name_params": set(state.pop("named", ())),
        "_parent_param_value_dict": edges,
        "_experiment_category": state.pop("experiment", folder.parent.name),
        **state,
    }
    sys.modules[module.__name__] = module
    try:
        (folder / "obj.pkl").write_bytes(pickle.dumps(handler, protocol))
    finally:
        del sys.modules[module.__name__]


def write(folder: Path, parameters: dict, runs: list[dict], *, steps: dict | None = None, **state) -> Path:
    """A configuration's folder in the original's layout; with a pickle where parameters are described."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = {f"experiment_{i}": {"description": "", **run} for i, run in enumerate(runs)}
    (folder / "metrics.yml").write_text(yaml.dump(entries))
    (folder / "params.yml").write_text(yaml.dump(parameters))
    if steps is not None:
        (folder / "steps.yml").write_text(yaml.dump(steps))
    (folder / "names.txt").write_text("\n".join(["some:", *sorted(state.get("named", ()))]))
    if state:
        pickled(folder, parameters, **state)
    return folder


def copied(tmp_path: Path, era: str) -> Path:
    return Path(shutil.copytree(CLASSIC / era, tmp_path / era))


# Everything arrives


@pytest.fixture(scope="module")
def manager(tmp_path_factory):
    root = tmp_path_factory.mktemp("manager")
    report = import_runs(CLASSIC / "manager", root)
    assert report.is_complete, report
    assert report.omitted == {}
    return root, report, results(root, LENET)


@pytest.fixture(scope="module")
def handler(tmp_path_factory):
    root = tmp_path_factory.mktemp("handler")
    report = import_runs(CLASSIC / "handler", root)
    assert report.is_complete, report
    return root, report, results(root, "toy")


def test_every_number_comes_with_its_step(manager):
    _, report, found = manager
    assert (report.kind, report.created, report.configurations) == ("original-legm", 5, 3)
    for key, result in found.items():
        experiment, *folders, entry = key.split("/")
        folder = CLASSIC / "manager" / Path(experiment, *folders)
        recorded = yaml.safe_load((folder / "metrics.yml").read_text())[entry]
        examples = yaml.safe_load((folder / "indexed_metrics.yml").read_text())[entry]
        expected = {
            "best_of_k" if name == "_best_of_k" else name: values
            for name, values in recorded.items()
            if isinstance(values, list) and not name.startswith(("best_", "test_"))
        }
        plain = {s.name: h for s, h in result.histories.items() if s.index is None}
        assert {name: history.values.tolist() for name, history in plain.items()} == expected
        assert {*expected} == {"loss", "accuracy", "best_of_k", "time", "dev_f1"}
        for index in "78":
            history = result.histories[Series("loss_indexed", index=index)]
            assert history.values.tolist() == examples[index]["loss"]
            assert result.test[Series("correct", Split.TEST, index)] == examples[index]["test_correct"]
            best = result.best[Series("loss_indexed", index=index)]
            assert best == examples[index]["best_loss"]
        assert all(
            history.steps.tolist() == [100, 200, 300, 400, 500] for history in result.histories.values()
        )
        assert result.test[Series("accuracy", Split.TEST)] == recorded["test_accuracy"]
        assert result.best[Series("accuracy")] == recorded["best_accuracy"]
        assert result.best[Series("best_of_k")] == recorded["best__best_of_k"]
        assert result.rule == BestRule("early_stopping", step=300)
        assert (result.status, result.run.description) == (Status.COMPLETED, recorded["description"])


def test_what_is_no_number_is_kept_as_a_file(manager):
    root, _, found = manager
    run = found[f"{LENET}/{SGD}/experiment_1"].run
    (folder,) = root.glob(f"*/*/artifacts/{run.run_id}")
    others = yaml.safe_load((folder / "not-numbers.yml").read_text())
    assert others["metrics"] == {"test_confusion": [[1, 2], [3, 4]]}
    assert others["examples"]["7"] == {"test_answer": "a cat", "scores": [[0.25, 0.75]] * 5}
    assert run.environment["imported"]["renamed"] == {"dev/loss_indexed": "loss"}


def test_the_files_of_a_folder_are_those_of_the_last_run_with_their_description(manager):
    root, _, found = manager
    held = {}
    for number in range(3):
        run = found[f"{LENET}/{SGD}/experiment_{number}"].run
        held[number] = {
            name: data
            for path in root.glob(f"*/*/artifacts/{run.run_id}")
            for name, data in files_in(path).items()
            if not name.startswith("tensorboard")
        }
    assert {*held[0]} == {"not-numbers.yml"}
    assert {*held[1]} - {*held[0]} == {
        "aggregated_metrics.yml", "custom_data.yml", "log.txt", "model.pt", str(Path("plots", "loss.png")),
    }  # fmt: skip
    assert held[1]["model.pt"] == b"weights 2"
    assert held[2]["no shuffling-model.pt"] == b"weights 3"
    assert str(Path("no shuffling-plots", "loss.png")) in held[2]
    events = {path.name for path in root.glob("*/*/artifacts/*/tensorboard/*tfevents*")}
    assert events == {path.name for path in (CLASSIC / "manager").rglob("*tfevents*")}


def test_parameters_of_each_run_come_with_their_types(manager):
    _, _, found = manager
    for seed in (1, 2, 3):
        run = found[f"{LENET}/{SGD}/experiment_{seed - 1}"].run
        active = {name: run.configuration.parameters[name] for name in run.configuration.active}
        assert active == {
            "learning_rate": 0.1, "optimizer": "sgd", "momentum": 0.9, "warmup": 10, "warmup_kind": "linear",
            "train_size": 100, "layers": [64, 32], "model.name": "lenet/5", "model.depth": 2, "fix_seed": 7,
        }  # fmt: skip
        assert run.parameters == {"seed": seed, "device": f"cuda:{seed}", "dropout": None}


def test_tags_of_pythons_objects_are_read_and_nothing_is_made(handler):
    _, _, found = handler
    parameters = found["toy/0.1,sgd_0/experiment_1"].run.configuration.parameters
    assert parameters["lr"] == 0.1
    assert parameters["betas"] == [0.9, 0.999]
    assert parameters["data"] == "data/mnist"
    assert parameters["tags"] == {"legm:set": ["a", "b"]}
    assert parameters["schedule"] == "schedules.short"
    values = found["toy/0.1,sgd_0/experiment_1"].histories[Series("loss")]
    assert values.steps.tolist() == [0, 1, 2, 3]
    assert np.array_equal(values.values, [4.0, math.nan, 1.00001, math.inf], equal_nan=True)
    assert found["toy/0.1,sgd_0/experiment_1"].test == {Series("loss", Split.TEST): 1.25}


def test_only_the_last_run_of_an_old_folder_has_what_is_not_compared(handler):
    _, report, found = handler
    known = {key: one.run.parameters for key, one in found.items()}
    assert known == {
        "toy/0.1,sgd_0/experiment_0": {},
        "toy/0.1,sgd_0/experiment_1": {"seed": 1, "num_workers": 1},
        "toy/0.5,adam_0/experiment_0": {},
        "toy/0.5,adam_0/experiment_1": {"seed": 2, "num_workers": 2},
    }
    ((remark, (count, _)),) = report.omitted.items()
    assert "the original legm kept only the last run's" in remark
    assert count == 2


def test_what_was_known_of_parameters_decides(manager, handler):
    root, report, found = manager
    assert {*report.identities[LENET].ignored} == {"device", "seed"}  # fix_seed looks like a seed
    assert report.identities[LENET].named == ("optimizer", "train_size", "learning_rate", "momentum")
    assert (root / LENET / SGD).is_dir()
    metadata = found[f"{LENET}/{SGD}/experiment_0"].run.configuration.metadata
    assert metadata["momentum"]["parents"] == {"optimizer": {"equals": "sgd"}}
    assert metadata["warmup_kind"]["parents"] == {"warmup": {"holds": True, "for": 10}}
    assert metadata["learning_rate"]["name"]["text"] == "1e-01"
    adam = found[f"{LENET}/adam,100,1e-02_0/experiment_0"].run.configuration
    assert "momentum" in adam.parameters
    assert "momentum" not in adam.active
    _, report, found = handler
    assert {*report.identities["toy"].ignored} == {"num_workers", "seed"}
    assert len({one.run.configuration.fingerprint for one in found.values()}) == 2


def test_further_runs_with_the_same_metadata_join_the_configuration(tmp_path):
    import_runs(CLASSIC / "manager", tmp_path)
    handler = ExperimentHandler(tmp_path, LENET)
    namespace = Namespace(
        learning_rate=0.1, optimizer="sgd", momentum=0.9, warmup=10, warmup_kind="linear", train_size=100,
        layers=[64, 32], dropout=None, seed=9, device="cpu", fix_seed=7,
        model={"name": "lenet/5", "depth": 2},
    )  # fmt: skip
    handler.set_namespace_params(namespace, flatten=True)
    handler.set_param_metadata(
        {
            "optimizer": {"name": True, "name_priority": 1},
            "momentum": {"parent": "optimizer", "parent_active": "sgd", "name": True},
            "learning_rate": {"name": True, "name_transform": short},
            "warmup_kind": {"parent": "warmup", "parent_active": is_long},
            "seed": {"disable_comparison": True},
            "device": {"disable_comparison": True},
        },
        namespace,
    )
    handler.start()
    handler.set_dict_metrics({"accuracy": 0.9}, step=100)
    handler.log()
    assert handler.aggregate_results()["best_accuracy"]["n"] == 3
    again = ExperimentHandler.load_existent(tmp_path / LENET / SGD)
    again.start()
    assert again.aggregate_results()["test_accuracy"]["n"] == 2


def test_runs_begin_when_their_configuration_did(manager):
    _, _, found = manager
    begins = [found[f"{LENET}/{SGD}/experiment_{i}"].run.started for i in range(3)]
    stamps = [int(p.name.split(".")[3]) for p in (CLASSIC / "manager" / LENET / SGD).rglob("*tfevents*")]
    assert begins == [min(stamps) + i / 1000 for i in range(3)]


# Again


@pytest.mark.parametrize("chunk", [7, 50, 1 << 20])
def test_the_number_of_runs_is_known_before_they_are_read(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr("legm.importers.classic.entry_locations._CHUNK", chunk)
    copied(tmp_path, "manager")
    write(tmp_path / "more/a_0", {"lr": 1}, [{"loss": [0.5], "note": "experiment_99: no"}] * 12)
    folder = write(tmp_path / "more/b_0", {"lr": 2}, [{"loss": [0.5]}] * 2)
    (folder / "indexed_metrics.yml").write_text(yaml.dump({"experiment_1": {"x": {"test_ok": 1}}}))
    source = ClassicSource(tmp_path)
    assert source.number_of_runs() == len(list(source.runs())) == 19


@pytest.mark.parametrize("era", ["manager", "handler"])
def test_a_second_import_adds_nothing_wherever_it_begins(tmp_path, era):
    source, root = copied(tmp_path, era), tmp_path / "root"
    count = import_runs(source, root).created
    before = {name: data for name, data in files_in(root).items() if ".legm" not in name}
    (experiment,) = source.iterdir()
    found = 0
    for place in [source, experiment, *(path.parent for path in experiment.rglob("params.yml"))]:
        report = import_runs(place, root)
        assert report.is_complete, report
        assert report.created == 0
        found += report.unchanged
    assert found == 3 * count
    assert {name: data for name, data in files_in(root).items() if ".legm" not in name} == before


def test_a_run_that_was_added_is_all_that_a_second_import_takes(tmp_path):
    source, root = copied(tmp_path, "handler"), tmp_path / "root"
    import_runs(source, root)
    folder = source / "toy" / "0.1,sgd_0"
    with (folder / "metrics.yml").open("a") as file:
        file.write("experiment_2:\n  best_loss: 9.0\n  description: ''\n  loss:\n  - 9.0\n")
    text = (folder / "params.yml").read_text()
    (folder / "params.yml").write_text(text.replace("seed: 1", "seed: 2"))
    report = import_runs(source, root)
    assert report.is_complete, report
    assert (report.created, report.unchanged) == (1, 4)
    known = {key: one.run.parameters.get("seed") for key, one in results(root, "toy").items() if "sgd" in key}
    assert [*known.values()] == [None, 1, 2]


def test_the_command_line_imports_and_says_so(tmp_path):
    done = CliRunner().invoke(main, ["import", str(CLASSIC / "handler"), str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "(original-legm): 4 runs" in done.output
    assert "seed is not compared: its source does not compare it" in done.output


# What was known, and what was not


def two_seeds(tmp_path: Path, **state) -> Path:
    for seed in (0, 1):
        write(tmp_path / "logs" / "e" / f"a_{seed}", {"lr": 0.1, "seed": seed}, [{"loss": [1.0]}], **state)
    return tmp_path / "logs"


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_seed_that_was_compared_stays_compared_unless_the_user_overrides_it(tmp_path, protocol):
    source = two_seeds(tmp_path, named=["lr"], protocol=protocol)
    report = import_runs(source, tmp_path / "root")
    assert (report.configurations, report.identities["e"].compared) == (2, ("lr", "seed"))
    assert import_runs(source, tmp_path / "other", seed_params=["seed"]).configurations == 1


def test_an_uncompared_parameter_is_compared_if_the_user_asks_for_it(tmp_path):
    source = two_seeds(tmp_path, disabled=["seed"])
    assert import_runs(source, tmp_path / "root").configurations == 1
    assert import_runs(source, tmp_path / "other", compare=["seed"]).configurations == 2


def test_without_its_pickle_an_experiment_is_inferred_but_for_its_names(tmp_path):
    source = two_seeds(tmp_path, named=["lr"])
    for path in source.rglob("obj.pkl"):
        path.unlink()
    report = import_runs(source, tmp_path / "root")
    assert report.is_complete
    assert (report.configurations, {*report.identities["e"].ignored}) == (1, {"seed"})


def test_what_configurations_disagree_on_stays_as_it_was_for_each(tmp_path):
    write(tmp_path / "logs/e/a_0", {"lr": 0.1, "kind": "x"}, [{"loss": [1.0]}], disabled=["kind"])
    write(tmp_path / "logs/e/a_1", {"lr": 0.2, "kind": "y"}, [{"loss": [1.0]}], disabled=[])
    write(tmp_path / "logs/e/a_2", {"lr": 0.2, "kind": "z"}, [{"loss": [1.0]}], disabled=[])
    report = import_runs(tmp_path / "logs", tmp_path / "root")
    assert report.configurations == 3
    assert "kind" not in {*report.identities["e"].ignored, *report.identities["e"].compared}
    active = {key: one.run.configuration.active for key, one in results(tmp_path / "root", "e").items()}
    assert active["e/a_0/experiment_0"] == ("lr",)
    assert active["e/a_1/experiment_0"] == ("kind", "lr")
    assert import_runs(tmp_path / "logs", tmp_path / "root").created == 0


@pytest.mark.parametrize(
    ("active", "value", "disabled", "counts"),
    [
        (None, "linear", [], True),
        (None, None, ["child"], False),
        (None, 0, ["child"], False),  # in legm a parent of 0 is active by itself
        ("linear", "linear", [], True),
        ("linear", "cosine", ["child"], False),
        (is_long, 9, [], True),
        (is_long, 3, ["child"], False),
    ],
)
def test_a_child_counts_where_its_parent_was_active(tmp_path, active, value, disabled, counts):
    parameters = {"parent": value, "child": 5, "lr": 0.1}
    write(
        tmp_path / "logs/e/a_0", parameters, [{"loss": [1.0]}],
        disabled=disabled, parents={"child": ("parent", active)},
    )  # fmt: skip
    report = import_runs(tmp_path / "logs", tmp_path / "root")
    assert report.is_complete
    (result,) = results(tmp_path / "root", "e").values()
    assert ("child" in result.run.configuration.active) == counts
    assert not report.identities["e"].ignored


def test_parents_in_a_circle_or_missing_are_left_out(tmp_path):
    circle = {"a": ("b", None), "b": ("a", None), "c": ("gone", 1)}
    write(tmp_path / "logs/e/a_0", {"a": 1, "b": 2, "c": 3}, [{"loss": [1.0]}], parents=circle)
    report = import_runs(tmp_path / "logs", tmp_path / "root")
    assert report.is_complete
    (result,) = results(tmp_path / "root", "e").values()
    assert result.run.configuration.active == ("a", "b", "c")


def test_a_name_that_legm_needs_is_changed_in_metadata_too(tmp_path):
    write(
        tmp_path / "logs/e/a_0", {"log": "x", "child": 1, "lr": 2}, [{"loss": [1.0]}],
        disabled=["log"], named=["lr"], parents={"child": ("lr", 2)},
    )  # fmt: skip
    report = import_runs(tmp_path / "logs", tmp_path / "root")
    assert {*report.identities["e"].ignored} == {"log_"}
    (result,) = results(tmp_path / "root", "e").values()
    assert result.run.parameters == {"log_": "x"}
    assert result.run.environment["imported"]["renamed"] == {"log_": "log"}


def test_a_copy_for_the_name_is_a_name_and_no_parameter(tmp_path):
    parameters = {"train_lr": 0.1, "__ctrain_lr___": "1e-1", "lr": 2, "lonely___": 3}
    write(
        tmp_path / "logs/e/a_0", parameters, [{"loss": [1.0]}],
        disabled=["__ctrain_lr___"], named=["__ctrain_lr___", "lr"],
    )  # fmt: skip
    import_runs(tmp_path / "logs", tmp_path / "root")
    (result,) = results(tmp_path / "root", "e").values()
    assert result.run.configuration.active == ("lonely___", "lr", "train_lr")
    assert result.run.configuration.name == "1e-1,2"


# Numbers that do not fit together


def test_steps_are_the_stored_ones_and_positions_otherwise(tmp_path):
    steps = {"a": [5, 10, 15], "b": [5], "c": [None, None], "d": [1, None], "e": [0.5, 1], "f": [2.0, 4.0]}
    run = {name: [1.0, 2.0] for name in "abcdefg"}
    write(tmp_path / "logs/e/a_0", {"lr": 1}, [run, {"a": [3.0]}], steps=steps)
    report = import_runs(tmp_path / "logs", tmp_path / "root")
    assert report.is_complete
    first, second = (results(tmp_path / "root", "e")[f"e/a_0/experiment_{i}"] for i in range(2))
    found = {series.name: history.steps.tolist() for series, history in first.histories.items()}
    assert found == {
        "a": [5, 10],
        "b": [0, 1],
        "c": [0, 1],
        "d": [0, 1],
        "e": [0, 1],
        "f": [2, 4],
        "g": [0, 1],
    }
    assert second.histories[Series("a")].steps.tolist() == [5]
    (remark,) = [one for one in report.omitted if "steps" in one]
    assert report.omitted[remark] == (1, "e/a_0/experiment_0")


def test_values_that_are_no_numbers_do_not_cost_the_others(tmp_path):
    run = {
        "loss": [1, True, None, 0.5], "text": ["a", "b"], "huge": [10**400], "best_loss": 0.5, "odd": 3,
        "test_": 1, "test_loss": None, "test_list": [1, 2], "test_dev": [1.0, 2.0], "best_test_dev": 2.0,
    }  # fmt: skip
    write(tmp_path / "logs/e/a_0", {"lr": 1}, [run])
    assert import_runs(tmp_path / "logs", tmp_path / "root").is_complete
    (result,) = results(tmp_path / "root", "e").values()
    histories = {series.name: history for series, history in result.histories.items()}
    assert {*histories} == {"loss", "test_dev"}
    assert histories["loss"].steps.tolist() == [0, 1, 3]
    assert histories["loss"].values.tolist() == [1, 1, 0.5]
    (path,) = (tmp_path / "root").glob("*/*/artifacts/*/not-numbers.yml")
    others = yaml.safe_load(path.read_text())["metrics"]
    assert {*others} == {"loss", "text", "huge", "odd", "test_", "test_loss", "test_list"}


@pytest.mark.parametrize(
    ("best", "rule"),
    [
        ({"best_loss": 3.0, "best_acc": 0.3}, BestRule()),
        ({"best_loss": 1.0, "best_acc": 0.9}, BestRule("early_stopping", step=20)),
        ({"best_loss": 2.0}, BestRule("early_stopping", step=10)),
        ({"best_loss": 1.0, "best_acc": 0.1}, None),
    ],
)
def test_the_best_step_is_the_one_that_has_the_best_values(tmp_path, best, rule):
    run = {"loss": [2.0, 1.0, 3.0], "acc": [0.1, 0.9, 0.3], "time": [1.0], **best}
    write(tmp_path / "logs/e/a_0", {"lr": 1}, [run], steps={"loss": [10, 20, 30], "acc": [10, 20, 30]})
    report = import_runs(tmp_path / "logs", tmp_path / "root")
    (result,) = results(tmp_path / "root", "e").values()
    assert result.rule == (rule or BestRule())
    assert any("best steps" in remark for remark in report.omitted) == (rule is None)


def test_an_alias_may_refer_to_a_value_of_another_run(tmp_path):
    values = [3.0, 4.0]
    folder = write(tmp_path / "logs/e/a_0", {"lr": 1}, [{"loss": values}, {"loss": values}])
    assert "*id001" in (folder / "metrics.yml").read_text()
    assert import_runs(tmp_path / "logs", tmp_path / "root").is_complete
    found = [
        one.histories[Series("loss")].values.tolist() for one in results(tmp_path / "root", "e").values()
    ]
    assert found == [values, values]


def test_metrics_of_examples_alone_are_a_run_too(tmp_path):
    folder = write(tmp_path / "logs/e/a_0", {"lr": 1}, [])
    (folder / "metrics.yml").unlink()
    entries = {f"experiment_{i}": {"description": "d", "x": {"test_ok": i}} for i in range(12)}
    (folder / "indexed_metrics.yml").write_text(yaml.dump(entries))
    assert import_runs(tmp_path / "logs", tmp_path / "root").created == 12
    found = results(tmp_path / "root", "e")
    assert [one.test[Series("ok", Split.TEST, "x")] for one in found.values()] == list(range(12))


def test_runs_that_were_begun_and_never_logged_are_left_out(tmp_path):
    folder = write(tmp_path / "logs/e/a_0", {}, [{"loss": [1.0]}])
    (folder / "params.yml").write_text(yaml.dump({f"experiment_{i}": {"seed": i} for i in range(2)}))
    report = import_runs(tmp_path / "logs", tmp_path / "root")
    assert report.created == 1
    assert any("never logged" in remark for remark in report.omitted)
    write(tmp_path / "logs/e/a_1", {"lr": 2}, []).joinpath("metrics.yml").write_text("{}\n")
    report = import_runs(tmp_path / "logs", tmp_path / "root")
    assert any("without a completed run" in remark for remark in report.omitted)


# Damage


def test_a_truncated_file_gives_an_interrupted_run_that_is_updated_when_it_is_complete(tmp_path):
    source, root = copied(tmp_path, "manager"), tmp_path / "root"
    path = source / LENET / SGD / "metrics.yml"
    text = path.read_bytes()
    path.write_bytes(text[:-30])
    report = import_runs(source, root)
    assert report.is_complete, report
    assert any("is cut" in remark for remark in report.omitted)
    key = f"{LENET}/{SGD}/experiment_2"
    assert results(root, LENET)[key].status is Status.INTERRUPTED
    path.write_bytes(text)
    report = import_runs(source, root)
    assert (report.updated, report.unchanged, report.is_complete) == (1, 4, True)
    assert results(root, LENET)[key].status is Status.COMPLETED


@pytest.mark.parametrize("name", ["metrics.yml", "indexed_metrics.yml", "steps.yml", "params.yml", "obj.pkl"])
def test_wherever_a_file_is_cut_the_other_configurations_come(tmp_path, name):
    source = copied(tmp_path, "manager")
    path = source / LENET / SGD / name
    data = path.read_bytes()
    for size in random.Random(name).sample(range(len(data)), 4):
        path.write_bytes(data[:size])
        report = import_runs(source, tmp_path / f"root{size}")
        assert report.created >= 2
        assert not report.differences
        assert all(key.startswith(f"{LENET}/{SGD}") for key in report.failed)


def test_wherever_a_pickle_is_damaged_it_is_refused_or_read(tmp_path):
    data = (CLASSIC / "manager" / LENET / SGD / "obj.pkl").read_bytes()
    path, dice = tmp_path / "obj.pkl", random.Random(7)
    for _ in range(1000):
        damaged = bytearray(data)
        for _ in range(dice.randint(1, 3)):
            damaged[dice.randrange(len(data))] = dice.randrange(256)
        path.write_bytes(damaged)
        try:
            PlainConverter(10_000, lambda problem: CorruptFile(path, "", problem, "")).convert(
                unpickle_unevaluated(path)
            )
        except LegmError:
            continue


DAMAGE = {
    "params.yml": [
        (b"lr: [1,", "line 2: it is not valid YAML"),
        (b"- 1\n", "it is not a mapping"),
        (b"lr: 1\n---\nlr: 2\n", "a second document begins"),
        (b"lr: " + b"[" * 500, "it is n"),
        (b"lr: " + b"- " * 500, "it is n"),
        (b"a: &a [*a]", "contains itself"),
        (b"\xff\xfe\xfa", "it is not valid YAML"),
        (b"when: 2023-99-99", "it is not valid YAML"),
        (b"{a.b: 1, a: {b: 2}}", "two parameters have the name 'a.b'"),
    ],
    "metrics.yml": [
        (b"loss: [1]\n", "expected the start of a run"),
        (b"experiment_0: [1]\n", "is not a mapping of metrics"),
        (b"experiment_0:\n  loss: [1\n  b: 2\n", "it is not valid YAML"),
        (b"experiment_0: !!python/object/apply:os.abort []\n", "is not a mapping of metrics"),
    ],
    "steps.yml": [(b"- 1\n", "it is not a mapping"), (b"loss: {", "it is not valid YAML")],
}
OTHER_CONTENT = {
    "params.yml": b"experiment_0:\n  fix_seed: 1\n  layers: [10, 10]\n  test_size: 0.2\n",
    "metrics.yml": b"experiment_0:\n  best_loss: 0.5\n  description: ''\n  loss: [1.0, 0.5]\n  test_f1: 1\n",
    "indexed_metrics.yml": b"experiment_0:\n  a: {test_f1: 0.5}\n  description: ''\n",
    "steps.yml": b"loss: [1]\n",
    "aggregated_metrics.yml": b"? ''\n: best_loss: 0.5+-0.0\n",
    "metrics.yml of this legm": b"experiment_0: {run_id: 'r', description: '', loss: [1], legm: {}}\n",
    "steps.yml of this legm": b"experiment_0: {run_id: 'r', loss: [0, 1]}\n",
}
READ_AS_BOTH = {("indexed_metrics.yml", "metrics.yml"), ("metrics.yml of this legm", "indexed_metrics.yml")}


@pytest.mark.parametrize(
    ("name", "content", "problem"), [(name, *one) for name, several in DAMAGE.items() for one in several]
)
def test_damage_only_affects_its_configuration_and_is_reported(tmp_path, name, content, problem):
    for i in range(2):
        write(tmp_path / f"logs/e/a_{i}", {"lr": i}, [{"loss": [1.0]}], steps={"loss": [1]})
    (tmp_path / "logs/e/a_0" / name).write_bytes(content)
    report = import_runs(tmp_path / "logs", tmp_path / "root")
    assert report.created == 1
    (failure,) = report.failed.values()
    assert problem in failure
    assert not report.is_complete
    assert not report.differences


def test_the_content_of_another_file_is_no_number_and_no_parameter(tmp_path):
    names = ["params.yml", "metrics.yml", "indexed_metrics.yml", "steps.yml"]
    swapped = {(other, name) for name in names for other in OTHER_CONTENT if other != name} - READ_AS_BOTH
    write(tmp_path / "logs/e/whole", {"lr": 0}, [{"loss": [1.0]}])
    for other, name in swapped:
        folder = tmp_path / f"logs/e/{other} as {name}"
        write(folder, {"lr": 1}, [{"loss": [1.0]}], steps={"loss": [1]})
        (folder / name).write_bytes(OTHER_CONTENT[other])
    report = import_runs(tmp_path / "logs", tmp_path / "root")
    assert (report.created, len(report.failed)) == (1, len(swapped))
    for key, failure in report.failed.items():
        name = key.removesuffix("/experiment_0").partition(" as ")[2]
        assert f"{name}, line 1: expected" in failure


# Malice


def bomb() -> bytes:
    lines = [b"a0: &a0 [x]"]
    lines += [b"a%d: &a%d [%s]" % (i, i, b",".join([b"*a%d" % (i - 1)] * 10)) for i in range(1, 30)]
    return b"\n".join(lines)


def merges() -> bytes:
    lines = [b"a0: &a0 {x: 1}"]
    lines += [b"a%d: &a%d {<<: [%s]}" % (i, i, b",".join([b"*a%d" % (i - 1)] * 10)) for i in range(1, 30)]
    return b"\n".join(lines)


@pytest.mark.parametrize("content", [bomb(), merges()], ids=["aliases", "merges"])
@pytest.mark.parametrize("name", ["params.yml", "steps.yml"])
def test_aliases_that_expand_exponentially_are_refused(tmp_path, name, content):
    for i in range(2):
        write(tmp_path / f"logs/e/a_{i}", {"lr": i}, [{"loss": [1.0]}], steps={"loss": [1]})
    (tmp_path / "logs/e/a_0" / name).write_bytes(content)
    report = import_runs(tmp_path / "logs", tmp_path / "root")
    assert report.created == 1
    (failure,) = report.failed.values()
    assert "its aliases expand to more than" in failure


def test_a_line_of_200_megabytes_is_refused_without_reading_it(tmp_path):
    for i in range(2):
        write(tmp_path / f"logs/e/a_{i}", {"lr": i}, [{"loss": [1.0]}])
    with (tmp_path / "logs/e/a_0/metrics.yml").open("wb") as file:
        file.write(b"experiment_0:\n  loss: ")
        file.truncate(200 << 20)
    tracemalloc.start()
    report = import_runs(tmp_path / "logs", tmp_path / "root")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    (failure,) = report.failed.values()
    assert "line 2: a line of more than" in failure
    assert report.created == 1
    assert peak < 40 << 20


def test_no_name_leads_out_of_the_root(tmp_path):
    names = ["../out", "/etc/passwd", "..", "a\\b", "a\nb", "x" * 400]
    runs = [{"description": name, name: [1.0], f"test_{name}": 2.0} for name in names]
    parameters = dict.fromkeys(names, "../../up")
    folder = write(
        tmp_path / "in/logs/e/a_0", parameters, runs, named=names, experiment="../../../out",
    )  # fmt: skip
    (folder / "secret").symlink_to("/etc/passwd")
    (folder / "plots").symlink_to("/etc")
    report = import_runs(tmp_path / "in" / "logs", tmp_path / "in" / "root")
    assert report.is_complete, report
    assert report.created == len(names)
    assert any("links that lead out" in remark for remark in report.omitted)
    assert {path.name for path in tmp_path.iterdir()} == {"in"}
    assert {path.name for path in (tmp_path / "in").iterdir()} == {"logs", "root"}
    assert {path.name for path in (tmp_path / "in" / "root").iterdir()} == {".legm", "e"}
    found = results(tmp_path / "in" / "root", "e").values()
    assert {one.run.description for one in found} > {"../out", "/etc/passwd", "..", "a\\b"}
    assert not [path for path in (tmp_path / "in" / "root").rglob("*") if path.name in {"secret", "passwd"}]


def test_tags_of_yaml_run_nothing(tmp_path):
    canary = tmp_path / "canary"
    folder = write(tmp_path / "logs/e/a_0", {"lr": 1}, [{"loss": [1.0]}])
    calls = [
        f"!!python/object/apply:os.system ['touch {canary}']",
        f"!!python/object/new:os.system ['touch {canary}']",
        f"!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{canary}']]",
        f"!!python/object/apply:builtins.exec [import pathlib; pathlib.Path({canary}).touch()]",
        "!!python/module:antigravity ''",
        "!!python/name:antigravity.x ''",
    ]
    (folder / "params.yml").write_text("".join(f"p{i}: {call}\n" for i, call in enumerate(calls)))
    (folder / "steps.yml").write_text(f"loss: {calls[0]}\n")
    before = {*sys.modules}
    assert import_runs(tmp_path / "logs", tmp_path / "root").created == 1
    assert not canary.exists()
    assert "antigravity" not in {*sys.modules} - before
    (result,) = results(tmp_path / "root", "e").values()
    assert result.run.configuration.parameters["p0"] == f"os.system(touch {canary})"


class Call:
    """What a pickle makes a call of."""

    def __init__(self, function, *arguments, state=None) -> None:
        self.reduced = function, arguments, *([] if state is None else [state])

    def __reduce__(self):
        return self.reduced


def hostile(canary: Path) -> dict[str, bytes]:
    touch, text = f"touch {canary}", str(canary).encode()
    code = f"__import__('pathlib').Path({str(canary)!r}).touch()"
    line = text + b"\n"
    return {
        "os.system": pickle.dumps(Call(os.system, touch)),
        "builtins.eval": pickle.dumps(Call(eval, code)),
        "inside a parameter": pickle.dumps({"_param_dict": {"lr": Call(exec, code)}}, 2),
        "INST": b"(S'touch " + line[:-1] + b"'\nios\nsystem\n.",
        "OBJ": b"(cos\nsystem\nX" + struct.pack("<I", len(touch)) + touch.encode() + b"o.",
        "NEWOBJ": b"\x80\x02cos\nsystem\nX" + struct.pack("<I", len(touch)) + touch.encode() + b"\x85\x81.",
        "BUILD": pickle.dumps(Call(io.StringIO, "", state=(code, 0, Call(eval, code), None))),
        "BUILD on a function": b"cos\nsystem\n}X\x01\x00\x00\x00aX\x01\x00\x00\x00bsb.",
        "getattr": pickle.dumps(Call(getattr, Call(__import__, "os"), "system")),
        "a module of the user's": b"\x80\x04\x8c\x06canary\x8c\x01x\x93.",
        "EXT1": b"\x80\x02\x82\x01.",
        "EXT2": b"\x80\x02\x83\x01\x00.",
        "EXT4": b"\x80\x02\x84\x01\x00\x00\x00.",
        "PERSID": b"Pcanary\n.",
        "BINPERSID": b"\x80\x02X\x01\x00\x00\x00aQ.",
        "NEXT_BUFFER": b"\x80\x05\x97.",
        "READONLY_BUFFER": b"\x80\x05\x97\x98.",
    }


@pytest.mark.parametrize("kind", hostile(Path("/tmp")))
def test_a_pickle_runs_nothing_and_its_configuration_comes_all_the_same(tmp_path, monkeypatch, kind):
    canary = tmp_path / "canary-was-here"
    (tmp_path / "canary.py").write_text(f"open({str(canary)!r}, 'w'); x = 1")
    monkeypatch.syspath_prepend(tmp_path)
    folder = write(tmp_path / "logs/e/a_0", {"lr": 1}, [{"loss": [1.0]}])
    (folder / "obj.pkl").write_bytes(hostile(canary)[kind])
    report = import_runs(tmp_path / "logs", tmp_path / "root")
    assert (report.created, report.is_complete) == (1, True)
    assert any("parameter metadata" in remark for remark in report.omitted)
    assert not canary.exists()
    assert "canary" not in sys.modules


def test_the_hostile_pickles_would_have_done_it(tmp_path):
    done = []
    for kind in ("os.system", "builtins.eval", "inside a parameter", "INST", "OBJ"):
        canary = tmp_path / kind.replace(" ", "-")
        pickle.loads(hostile(canary)[kind])
        done.append(canary.exists())
    assert all(done)


HARMLESS = {"a memo of 2**31": [], "a frame of 2**40": None}  # for an interpreter that sets nothing aside
GREEDY = {
    "a memo of 2**31": b"\x80\x02]r\xff\xff\xff\x7f.",
    "bytes of 2**62": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b".",
    "text of 2**40": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 40) + b".",
    "a bytearray of 2**40": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b".",
    "a frame of 2**40": b"\x80\x04\x95" + struct.pack("<Q", 1 << 40) + b"N.",
    "a whole number of 2**31 bytes": b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b".",
    "a negative length": b"\x80\x02\x8b" + struct.pack("<i", -5) + b".",
    "a whole number of 200 kB": b"\x80\x02\x8b" + struct.pack("<i", 200_000) + b"\x01" * 200_000 + b".",
    "the same, doubled 200 times": b"\x80\x02]" + b"2\x86" * 200 + b".",
    "the same, as a key": b"\x80\x02}]" + b"2\x86" * 200 + b"Ns.",
    "tuples in tuples, as a key": b"\x80\x02}N" + b"\x85" * 100_000 + b"Ns.",
    "lists in lists": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "itself": b"\x80\x02]q\x00h\x00a.",
    "a million instructions": b"N0" * 500_001 + b"N.",
    "nothing": b"",
    "the empty stack": b"\x80\x02.",
    "a mark that is not there": b"\x80\x02Ne.",
    "below a mark": b"\x80\x02]((0a.",
    "no end": pickle.dumps([1, 2, 3])[:-1],
}


@pytest.mark.parametrize("kind", GREEDY)
def test_a_pickle_that_wants_too_much_is_refused(tmp_path, kind):
    path = tmp_path / "obj.pkl"
    path.write_bytes(GREEDY[kind])
    tracemalloc.start()
    try:
        values = unpickle_unevaluated(path)
        found = PlainConverter(100_000, lambda problem: CorruptFile(path, "", problem, "")).convert(values)
    except CorruptFile as error:
        found = error.path
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == HARMLESS.get(kind, path)
    assert peak < 120 << 20


def test_a_pickle_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "obj.pkl"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(CorruptFile, match="larger than any valid file"):
        unpickle_unevaluated(path)


# The two readers


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**60), 2**60),
    st.floats(),
    st.text(max_size=9),
    st.binary(max_size=9),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.text(max_size=5), inner, max_size=4),
        st.sets(st.integers(0, 9), max_size=3),
    ),
    max_leaves=20,
)


def same(value, other) -> bool:
    return repr(value) == repr(other)  # nan is nan, and -0.0 is not 0.0


@given(VALUES, st.integers(3, 5))
def test_a_pickle_of_plain_data_is_read_as_pickle_reads_it(tmp_path_factory, value, protocol):
    path = tmp_path_factory.getbasetemp() / f"one-{os.getpid()}.pkl"
    path.write_bytes(pickle.dumps(value, protocol))
    found = unpickle_unevaluated(path)
    if protocol > 3:  # before, a set was a call
        assert same(found, value)
    plain = PlainConverter(10_000, ValueError).convert(found)
    assert same(plain, PlainConverter(10_000, ValueError).convert(value))


@given(VALUES)
def test_yaml_that_python_dumped_is_read_as_yaml_reads_it(value):
    text = yaml.dump(value).encode()
    try:
        expected = yaml.load(text, yaml.UnsafeLoader)
    except yaml.YAMLError:
        return
    assert same(parse_plain_yaml(Path("x"), text), PlainConverter(10_000, ValueError).convert(expected))


@pytest.mark.parametrize("reader", ["pickle", "yaml"])
def test_objects_that_hold_plain_values_are_read_as_these(tmp_path, reader):
    value = {
        "float": np.float64(0.1), "single": np.float32(0.5), "int": np.int64(-7), "bool": np.bool_(True),
        "path": PurePosixPath("/a/b"), "ordered": OrderedDict(x=1), "default": defaultdict(list, x=[1]),
        "space": Namespace(a=1, b=[2]), "function": is_long, "type": PlainConverter, "frozen": frozenset({1}),
        "complex": 1 + 2j, "big": np.dtype(">f8").type(1.5),
    }  # fmt: skip
    if reader == "pickle":
        (tmp_path / "x").write_bytes(pickle.dumps(value))
        found = PlainConverter(1000, ValueError).convert(unpickle_unevaluated(tmp_path / "x"))
    else:
        found = parse_plain_yaml(Path("x"), yaml.dump(value).encode())
    assert found == {
        "float": 0.1, "single": 0.5, "int": -7, "bool": True, "path": "/a/b", "ordered": {"x": 1},
        "default": {"x": [1]}, "space": {"a": 1, "b": [2]}, "function": f"{__name__}.is_long",
        "type": "legm.importers.unevaluated.PlainConverter", "frozen": {1}, "complex": 1 + 2j, "big": 1.5,
    }  # fmt: skip


def test_an_object_is_a_text_that_says_what_it_was():
    plain = PlainConverter(100, ValueError)
    assert plain.convert(UnevaluatedObject("shapes.Colour", (1,))) == "shapes.Colour(1)"
    assert plain.convert([UnevaluatedName("a.b"), UnevaluatedObject("c", (), state=[1])]) == ["a.b", "c([1])"]


# Which folder is whose


def test_the_first_versions_kept_no_steps_no_conditions_and_no_names(tmp_path):
    for count in (1, 2):
        parameters = {"lr": count, "a": 1, "b": 2, "seed": 5}
        folder = write(
            tmp_path / "logs" / "e" / f"a_{count}", parameters, [{"loss": [2.0, 1.0]}] * count,
            disabled=["seed"], parents={"b": ("a", None)},
            _parent_param_value_dict=None, _experiment_category=None, _experiment_name="e",
        )  # fmt: skip
        (folder / "params.yml").unlink()
        (folder / "names.txt").unlink()
    report = import_runs(tmp_path / "logs", tmp_path / "root")
    assert report.is_complete, report
    found = results(tmp_path / "root", "e")
    assert [one.run.parameters for one in found.values()] == [{"seed": 5}, {}, {"seed": 5}]
    for one in found.values():
        assert one.run.configuration.active == ("a", "b", "lr")
        assert one.run.configuration.metadata["b"]["parents"] == {"a": {}}
        assert one.histories[Series("loss")].steps.tolist() == [0, 1]


def test_memory_does_not_grow_with_the_number_of_runs(tmp_path):
    peaks = []
    for count in (1, 3, 12):  # the first time modules are loaded
        source = tmp_path / f"logs{len(peaks)}"
        runs = [{name: [i / 7 for i in range(500)] for name in "abcd"} for _ in range(count)]
        write(source / "e" / "a_0", {"lr": 1}, runs)
        del runs
        tracemalloc.start()
        assert import_runs(source, tmp_path / f"root{len(peaks)}").created == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.3 * peaks[1]


def test_folders_behind_links_are_left_out(tmp_path):
    write(tmp_path / "logs/e/a_0", {"lr": 1}, [{"loss": [1.0]}])
    write(tmp_path / "elsewhere/a_1", {"lr": 2}, [{"loss": [1.0]}])
    (tmp_path / "logs/e/a_1").symlink_to(tmp_path / "elsewhere/a_1")
    report = import_runs(tmp_path / "logs", tmp_path / "root")
    assert report.created == 1
    assert any("links to folders" in remark for remark in report.omitted)


def test_a_root_of_legms_own_is_never_one_of_the_original(tmp_path):
    handler = ExperimentHandler(tmp_path / "ours", "e")
    handler.set_param("lr", 0.1)
    handler.start()
    handler.set_metric("loss", 1.0)
    handler.log()
    for place in (tmp_path / "ours", tmp_path / "ours" / "e", *(tmp_path / "ours" / "e").glob("*_0")):
        assert ClassicSource.find_store(place) is None
    assert open_detected_source(tmp_path / "ours").kind == "legm"


def test_in_a_root_of_both_an_experiment_gives_the_runs_of_the_original(tmp_path):
    write(tmp_path / "logs/e/a_0", {"lr": 1}, [{"loss": [1.0]}])
    with ExperimentHandler(tmp_path / "logs", "e") as handler:
        handler.set_param("lr", 1)
        handler.start()
        handler.set_metric("loss", 2.0)
    assert import_runs(tmp_path / "logs", tmp_path / "other").kind == "legm"
    report = import_runs(tmp_path / "logs" / "e", tmp_path / "logs")
    assert (report.kind, report.created, report.is_complete) == ("original-legm", 1, True)
    assert handler.aggregate_results()["best_loss"]["n"] == 2
    assert import_runs(tmp_path / "logs" / "e", tmp_path / "logs").created == 0


@pytest.mark.parametrize("depth", range(3))
def test_a_folder_of_the_original_is_distinguished_from_its_event_files(depth):
    place = [CLASSIC / "manager", CLASSIC / "manager" / LENET, CLASSIC / "manager" / LENET / SGD][depth]
    source = open_detected_source(place)
    assert source.kind == "original-legm"
    assert {(run.key.split("/")[0], run.experiment) for run in source.runs()} == {(LENET, LENET)}


def test_a_parameter_called_fingerprint_does_not_make_a_folder_a_configuration(tmp_path):
    write(tmp_path / "logs/e/a_0", {"fingerprint": "abc", "lr": 1}, [{"loss": [1.0]}])
    assert open_detected_source(tmp_path / "logs").kind == "original-legm"


def test_configurations_below_other_names_belong_to_their_experiment(manager):
    _, _, found = manager
    assert f"{LENET}/sweeps/lr=1e-02_0/experiment_0" in found
    assert (
        found[f"{LENET}/sweeps/lr=1e-02_0/experiment_0"].run.environment["imported"]["folder"] == "lr=1e-02_0"
    )


def test_several_roots_in_a_folder_stay_separate(tmp_path):
    for root in ("one", "two"):
        write(tmp_path / "all" / root / "e" / "a_0", {"lr": 1}, [{"loss": [1.0]}], disabled=[])
    report = import_runs(tmp_path / "all", tmp_path / "root")
    assert (report.created, {*report.identities}) == (2, {"one/e", "two/e"})


def test_times_are_kept_in_the_run_log(manager):
    root, _, found = manager
    result = found[f"{LENET}/{SGD}/experiment_0"]
    times = {
        time for record in log_of(root, result).records if hasattr(record, "times") for time in record.times
    }
    assert times == {result.run.started}
