"""Objects of different classes with equal fields are two configurations, unless one is from before that."""

from __future__ import annotations

import logging
import pickle
import shutil
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import yaml

from legm import ExperimentHandler, ParameterError, StateError
from legm.compat.classic import ExperimentManager
from legm.delivery import run_start
from tests.support.calling import as_json, failed, shown


@dataclass
class Adam:
    lr: float = 0.1


@dataclass
class SGD:
    lr: float = 0.1


@dataclass
class Empty:
    pass


@dataclass(frozen=True)
class Frozen:
    lr: float = 0.1


@dataclass(frozen=True)
class Other:
    lr: float = 0.1


class Adagrad(NamedTuple):
    lr: float = 0.1


def handler(root, *, flatten: bool = False, **parameters: object) -> ExperimentHandler:
    made = ExperimentHandler(root, "e")
    made.set_dict_params(parameters, flatten=flatten)
    return made


def run(root, *, loss: float = 0.5, **parameters: Any) -> ExperimentHandler:
    made = handler(root, **parameters)
    with made.start():
        made.set_metric("loss", loss)
    return made


def start_as_before(made: ExperimentHandler) -> ExperimentHandler:
    """Start a run as it was stored before classes were compared."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(run_start, "run_with_classes", lambda run, _: run)
        return made.start()


def old_run(root, **parameters: Any) -> ExperimentHandler:
    made = handler(root, **parameters)
    with start_as_before(made):
        made.set_metric("loss", 0.5)
    return made


@pytest.mark.parametrize("flatten", [False, True])
def test_two_classes_with_equal_fields_are_two_configurations(flatten, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "legm"):
        first = run(tmp_path, flatten=flatten, optimizer=Adam(), loss=0.25)
        run(tmp_path, flatten=flatten, optimizer=Adam(), loss=0.75)
        second = run(tmp_path, flatten=flatten, optimizer=SGD(), loss=1.0)
    assert caplog.text == ""
    assert first != second
    assert first == handler(tmp_path, flatten=flatten, optimizer=Adam())
    means = [(one["value"]["mean"], one["value"]["n"]) for one in as_json("best", tmp_path, "loss")]
    assert means == [(0.5, 2), (1.0, 1)]
    (difference,) = first.explain_difference(second)
    assert ("Adam" in str(difference.ours), "SGD" in str(difference.theirs)) == (True, True)


@pytest.mark.parametrize("flatten", [False, True])
def test_a_mapping_and_objects_of_two_classes_are_three_configurations(flatten, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "legm"):
        values: list[Any] = [{"lr": 0.1}, Adam(), SGD()]
        given = [{"flatten": flatten, "optimizer": one, "loss_of": Empty()} for one in values]
        first = [run(tmp_path, **one).fingerprint for one in given]
        again = [run(tmp_path, **one).fingerprint for one in reversed(given)]
    assert len(set(first)) == 3
    assert first == [*reversed(again)]
    assert caplog.text == ""


def test_no_object_joins_a_configuration_whose_runs_are_deleted(tmp_path):
    deleted = old_run(tmp_path, optimizer={"lr": 0.1})
    for log in (tmp_path / "e" / "_0").rglob("*.log"):
        log.unlink()
    assert run(tmp_path, optimizer=Adam()) == deleted  # the backend has it
    for found in (tmp_path / "e" / "_0").iterdir():
        if found.name != "params.yml":
            shutil.rmtree(found) if found.is_dir() else found.unlink()
    assert run(tmp_path, optimizer=Adam()) != deleted


def test_classes_are_only_recorded_beside_what_looks_like_fields(tmp_path):
    run(tmp_path, optimizer="adam", sizes=[1, 2])
    run(tmp_path, optimizer={"lr": 0.1})
    run(tmp_path, flatten=True, optimizer=Adam(0.5), layers=[SGD()])
    wanted = {"_0": None, "_1": {}, "_2": {"layers[0]": "SGD"}}
    for name, classes in wanted.items():
        (found,) = as_json("show", tmp_path / "e" / name)["runs"]
        shown_run = as_json("show", f"{tmp_path}/{found['run_id']}")
        assert shown_run["environment"].get("classes") == classes


def test_an_object_is_found_as_it_is_shown(tmp_path):
    for made in (Adam(), SGD()):
        one = handler(tmp_path, optimizer=made)
        one.name_param("optimizer")
        with one.start():
            pass
    for words in (["ls"], ["ls", "--where", "optimizer='Adam(lr=0.1)'"], ["ls", "--where", "optimizer~Adam"]):
        text = shown(words[0], tmp_path, *words[1:])
        assert "optimizer=Adam(lr=0.1)" in text or "Adam+lr=0.1_0" in text
        assert ("SGD" in text) == (len(words) == 1)
        assert "legm:class" not in text
    (found,) = as_json("ls", tmp_path, "--where", "optimizer=SGD(lr=0.1)")
    assert found["parameters"]["optimizer"] == {"legm:class": "SGD", "lr": 0.1}
    assert "known: 'Adam(lr=0.1)', 'SGD(lr=0.1)'" in failed("ls", tmp_path, "--where", "optimizer=Lion")


def test_flat_parameters_of_objects_have_their_class_beside_them(tmp_path):
    made = handler(tmp_path, flatten=True, optimizer=Adam(), other=Adagrad())
    wanted = {"optimizer.class": "Adam", "optimizer.lr": 0.1, "other.class": "Adagrad", "other.lr": 0.1}
    assert made == handler(tmp_path, **wanted)
    assert getattr(made, "optimizer.class") == "Adam"


def test_after_start_another_class_is_another_value(tmp_path):
    made = run(tmp_path, optimizer=Adam())
    made.reset()
    made.set_param("optimizer", Adam())
    with pytest.raises(StateError):
        made.set_param("optimizer", SGD())
    made.end()


def test_a_loaded_configuration_has_the_fields_of_the_object_and_is_the_same(tmp_path):
    first = run(tmp_path, optimizer=Adam(), nested={"of": [Adam()]})
    (folder,) = (tmp_path / "e").glob("_*")
    stored = yaml.safe_load((folder / "params.yml").read_text(encoding="utf-8"))["parameters"]
    assert stored["optimizer"] == {"legm:class": "Adam", "lr": 0.1}
    loaded = ExperimentHandler.load_existent(folder)
    assert loaded == first
    assert Adam(**loaded.optimizer) == Adam()
    assert repr(loaded.optimizer) == "Adam(lr=0.1)"


def test_objects_in_sets_and_as_keys_are_loaded_and_pickled(tmp_path):
    def made(*kinds: type) -> ExperimentHandler:
        objects = tuple(kind() for kind in kinds)
        return handler(tmp_path, optimizers={*objects}, rates=dict.fromkeys(objects, 1), groups={objects})

    first = made(Frozen, Other)
    with first.start():
        first.set_metric("loss", 0.5)
    loaded = ExperimentHandler.load_existent(tmp_path / "e" / "_0")
    assert loaded == first == pickle.loads(pickle.dumps(loaded)) == made(Frozen, Other)
    assert {repr(one) for one in loaded.optimizers} == {"Frozen(lr=0.1)", "Other(lr=0.1)"}
    assert len(loaded.rates) == 2
    assert {one.name for one in first.explain_difference(made(Frozen))} == {"optimizers", "rates", "groups"}


@pytest.mark.parametrize("flatten", [False, True])
def test_an_old_script_joins_its_configuration_from_before_classes_were_kept(flatten, tmp_path, caplog):
    old = old_run(tmp_path, flatten=flatten, optimizer={"lr": 0.1}, nested={"of": [{"lr": 0.2}]})
    with caplog.at_level(logging.WARNING, "legm"):
        new = handler(tmp_path, flatten=flatten, optimizer=Adam(), nested={"of": [Adam(0.2)]})
        assert new == old
        assert new.explain_difference(old) == ()
        assert new.should_run(2)
        assert not new.should_run(1)
        with new.start():
            new.set_metric("loss", 1.0)
        assert caplog.text == ""
        other = run(tmp_path, flatten=flatten, optimizer=Adam(0.2), nested={"of": [Adam(0.2)]})  # a new one
        assert caplog.text == ""
        assert run(tmp_path, flatten=flatten, optimizer=SGD(), nested={"of": [SGD(0.2)]}) == old
    assert new.fingerprint == old.fingerprint != other.fingerprint
    assert new.aggregate_results()["best_loss"]["n"] == 3
    messages = [one.getMessage() for one in caplog.records]
    assert sorted(one.split(" in the run")[0] for one in messages) == [
        f"{name} is an object of the class SGD, and of the class Adam"
        for name in ("nested.of[0]", "optimizer")
    ]
    assert all("from before classes were compared" in one for one in messages)


def test_a_pickled_manager_of_the_original_legm_joins_the_same_configuration(tmp_path):
    old = old_run(tmp_path, optimizer={"lr": 0.1})
    manager = ExperimentManager(tmp_path, "e")
    manager.set_dict_params({"optimizer": Adam()})
    for made in (manager, pickle.loads(pickle.dumps(manager))):
        made.start()
        made.set_metric("loss", 0.5)
        made.log_metrics()
        assert pickle.loads(pickle.dumps(made)) == made
    (one,) = as_json("ls", tmp_path)
    assert one["fingerprint"] == old.fingerprint


def test_flat_parameters_with_a_parent_join_their_configuration_from_before(tmp_path):
    def made(optimizer: object) -> ExperimentHandler:
        one = handler(tmp_path, use=True)
        one.set_dict_params({"optimizer": optimizer}, flatten=True, parent="use")
        return one

    old = made({"lr": 0.1})
    with start_as_before(old):
        old.set_metric("loss", 0.5)
    assert made(Adam()) == old


def test_conditions_and_absent_values_from_before_hold_for_objects(tmp_path):
    def made(first: object, off: object) -> ExperimentHandler:
        one = handler(tmp_path, optimizer=first, schedule=off, momentum=0.9)
        one.set_parent("momentum", "optimizer", first)
        one.set_param_metadata({"schedule": {"absent_value": off}})
        return one

    old = made({"lr": 0.1}, {"lr": 0.5})
    with start_as_before(old):
        old.set_metric("loss", 0.5)
    new = made(Adam(), Adam(0.5))
    with new.start():
        new.set_metric("loss", 0.5)
    assert new == old == ExperimentHandler.load_existent(tmp_path / "e" / "_0")
    assert made(Adam(0.2), Adam(0.5)) != old
    with pytest.raises(ParameterError, match="absent_value"):
        made(Adam(), SGD(0.25)).start()


def test_a_value_selects_those_of_its_class_and_one_without_a_class_those_of_any(tmp_path):
    run(tmp_path, optimizer={"lr": 0.4})
    for value in (Adam(), SGD(), Adam(0.2)):
        found = run(tmp_path, optimizer=value)

    def chosen(*where: str) -> int:
        return len(as_json("ls", tmp_path, *where))

    assert len(found.get_best("loss", optimizer=Adam())) == 1
    assert len(found.get_best("loss", optimizer={"lr": 0.1})) == 2
    assert len(found.get_best("loss", optimizer=Adam(0.4))) == 1
    assert chosen("--where", 'optimizer={"legm:class": "Adam", "lr": 0.1}') == 1
    assert chosen("--where", 'optimizer={"lr": 0.1}') == 2
    assert chosen("--where", "optimizer~Adam") == 2


def test_the_runs_of_an_old_configuration_get_their_classes_by_amendments(tmp_path):
    old = old_run(tmp_path, optimizer={"lr": 0.1})
    joined = run(tmp_path, optimizer=SGD())
    assert joined == old
    last = as_json("show", tmp_path / "e" / "_0")["runs"][-1]["run_id"]
    for kind, where in (("SGD", ["--where", f"run:{last}"]), ("Adam", ["--where", "optimizer={lr: 0.1}"])):
        value = f'optimizer={{"legm:class": "{kind}", "lr": 0.1}}'
        shown("amend", tmp_path / "e", "--correct", value, *where, "--yes")
    stored = {one["fingerprint"]: one["runs"][0]["completed"] for one in as_json("ls", tmp_path)}
    now = [handler(tmp_path, optimizer=kind()).fingerprint for kind in (SGD, Adam)]
    assert stored == dict.fromkeys(now, 1)
