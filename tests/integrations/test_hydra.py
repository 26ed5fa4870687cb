"""Jobs of Hydra, compared with what Hydra keeps of them; the launchers are in another module."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import pytest

from legm import ExperimentHandler, ParameterError, StateError, UnstableValue
from legm.integrations.hydra import LegmCallback, job_handler, legm_job
from legm.records import Status
from tests.support.reading import runs_of
from tests.support.trainer_runs import only_run, points

hydra = pytest.importorskip("hydra")

from omegaconf import MISSING, OmegaConf  # noqa: E402

from tests.support.hydra_jobs import (  # noqa: E402
    assert_as_hydra_says,
    by_job,
    launch,
    write_training,
)

BLOCK = """
import os, hydra
from legm.integrations.hydra import legm_job

@hydra.main(version_base=None, config_path="conf", config_name="config")
def train(cfg):
    with legm_job(cfg, "results", description="in a block") as handler:
        handler.set_metric("loss", cfg.lr)
        if cfg.lr > 5:
            raise ArithmeticError("diverged")

train()
"""
PLAIN = "defaults: [{model: small}, _self_]\nlr: 0.1\n"
GROUPS = """
defaults: [{model: small}, {optim: sgd}, {plan: flat}, {experiment: short}, _self_]
moment: ${now:%f}
of_moment: run-${moment}
layers: [1, "${of_moment}"]
half: ${oc.decode:"${lr}"}
copied: ${schedule}
copied_moment: {inner: "${..moment}"}
"""
GROUP_FILES = {
    "optim/sgd.yaml": "# @package schedule\nname: sgd\nwarmup: null\n",
    "optim/adam.yaml": "# @package schedule\nname: adam\nwarmup: 5\n",
    "plan/flat.yaml": "# @package schedule\nshape: flat\n",
    "plan/cosine.yaml": "# @package schedule\nshape: cos\n",
    "experiment/short.yaml": "# @package _global_\nlr: 0.5\nsteps: 10\n",
    "experiment/long.yaml": "# @package _global_\nlr: 0.25\nsteps: 20\n",
}


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a folder for each launch, which ran at once."""
    top = tmp_path_factory.mktemp("hydra")
    grid = ["dataset=digits,mnist", "lr=0.1,9.0", "model=big", "+extra={a:1}", "seed=3"]
    scripts = {
        write_training(top / "grid"): ["--multirun", "hydra.job.chdir=true", *grid],
        write_training(top / "block", PLAIN, BLOCK): ["-m", "lr=1,9", "hydra.job.chdir=true"],
    }
    groups = write_training(top / "groups", GROUPS, BLOCK)
    for path, text in GROUP_FILES.items():
        (groups.parent / "conf" / path).parent.mkdir(exist_ok=True)
        (groups.parent / "conf" / path).write_text(text)
    scripts[groups] = ["optim=adam", "plan=cosine", "experiment=long", "model=big", "model.depth=3"]
    assert launch(scripts) == [0, 1, 1]
    return top


def test_jobs_of_a_multirun_are_in_the_root_of_its_beginning(launched):
    """Each changes its folder; what is interpolated in the callback's arguments is that of the job."""
    folder = launched / "grid"
    found = {name: by_job(runs_of(folder / "results", name)) for name in ("digits", "mnist")}
    assert sorted(number for by_number in found.values() for number in by_number) == [*range(4)]
    for name, by_number in found.items():
        for one in by_number.values():
            parameters = one.run.configuration.parameters
            assert (parameters["dataset"], parameters["extra.a"], parameters["seed"]) == (name, 1, 3)
            if parameters["lr"] > 5:
                assert (one.status, one.error) == (Status.FAILED, "ArithmeticError: diverged")
                assert len(points(one, "loss")) == 1
    assert [*folder.rglob("results")] == [folder / "results"]
    assert [*(folder / "multirun").glob("*/*/*/history.json")] != []


def test_what_differs_by_job_is_not_compared(launched):
    (one,) = (
        one for one in runs_of(launched / "grid" / "results", "digits") if one.status is Status.COMPLETED
    )
    configuration = one.run.configuration
    assert_as_hydra_says(one)
    assert configuration.parameters["file"] == f"{configuration.parameters['hydra_output_dir']}/model.pt"
    assert {name: configuration.parameters[name] for name in configuration.active} == {
        "model.name": "deep",
        "model.depth": 8,
        "lr": 0.1,
        "half": 0.05,
        "layers": [4, 2],
        "choice": "big",
        "dataset": "digits",
        "extra.a": 1,
    }
    said = (launched / "grid" / "said.txt").read_text()
    assert "without a value, only '???', and so no parameter: also_late, late" in said


def test_overrides_are_in_the_configurations_name(launched):
    names = {one.run.configuration.name for one in runs_of(launched / "grid" / "results", "mnist")}
    assert names == {"mnist,1,0.1,big", "mnist,1,9.0,big"}


def test_a_block_in_the_job_records_it_without_a_callback(launched):
    root = launched / "block" / "results"
    found = by_job(runs_of(root, "train"))
    assert [found[number].status for number in (0, 1)] == [Status.COMPLETED, Status.FAILED]
    assert [points(found[number], "loss") for number in (0, 1)] == [[(0, 1.0)], [(0, 9.0)]]
    assert found[0].run.description == "in a block"


def test_groups_of_one_package_and_of_the_whole_configuration_each_have_their_choice_in_the_name(launched):
    found = only_run(launched / "groups" / "results", "train").run.configuration
    assert found.name == "long,3,big,adam,cosine"


def test_what_is_interpolated_from_the_time_by_way_of_others_is_not_compared(launched):
    configuration = only_run(launched / "groups" / "results", "train").run.configuration
    moments = {"moment", "of_moment", "layers", "copied_moment.inner"}
    assert moments <= configuration.parameters.keys()
    assert {name: configuration.parameters[name] for name in configuration.active} == {
        "model.name": "deep",
        "model.depth": 3,
        "lr": 0.25,
        "steps": 20,
        "half": 0.25,
        **{f"{path}.name": "adam" for path in ("schedule", "copied")},
        **{f"{path}.warmup": 5 for path in ("schedule", "copied")},
        **{f"{path}.shape": "cos" for path in ("schedule", "copied")},
    }


class Kind(Enum):
    SGD = 1
    ADAM = 2


@dataclass
class Optimizer:
    kind: Kind = Kind.ADAM
    betas: list[float] = field(default_factory=lambda: [0.9, 0.99])
    rate: float = MISSING


@dataclass
class Training:
    optimizer: Optimizer = field(default_factory=Optimizer)
    path: Path = Path("data/train")
    steps: int | None = None


def test_a_structured_configuration_is_recorded_outside_of_hydra(tmp_path, caplog):
    cfg = OmegaConf.structured(Training())
    with legm_job(cfg, tmp_path, "e", params={"fold": 1}) as handler:
        handler.set_metric("loss", 1.0)
    cfg.optimizer.rate = 0.5
    with legm_job(cfg, ExperimentHandler(tmp_path, "e")):
        pass
    first, second = runs_of(tmp_path)
    parameters = first.run.configuration.parameters
    assert {name: parameters[name] for name in first.run.configuration.active} == {
        "optimizer.kind": "ADAM",
        "optimizer.betas": [0.9, 0.99],
        "path": "data/train",
        "fold": 1,
    }
    assert second.run.configuration.parameters["optimizer.rate"] == 0.5
    assert "no parameter: optimizer.rate" in caplog.text


def test_values_in_a_list_have_to_be_there_and_interpolations_to_be_right(tmp_path):
    with pytest.raises(UnstableValue, match=r"'other' of the configuration cannot be resolved: .*nothing"):
        legm_job(OmegaConf.create({"a": {"b": 1}, "other": "${nothing}"}), tmp_path, "e").__enter__()
    with pytest.raises(UnstableValue, match=r"layers.*only '\?\?\?'"):
        legm_job(OmegaConf.create({"layers": [1, "???"]}), tmp_path, "e").__enter__()
    with pytest.raises(ParameterError, match="is a DictConfig, not ListConfig"):
        legm_job(OmegaConf.create([1]), tmp_path, "e").__enter__()
    assert [*tmp_path.iterdir()] == []


def test_without_a_callback_there_is_no_handler():
    with pytest.raises(StateError, match=r"finds no LegmCallback: add it to hydra\.callbacks"):
        job_handler()


def test_a_callback_says_at_once_what_is_wrong_with_its_arguments(tmp_path):
    with pytest.raises(ParameterError, match="there is no option 'no_option'"):
        LegmCallback(str(tmp_path), "e", no_option=1)


def test_a_seed_that_is_compared_by_the_metadata_is_an_override_as_any_other(tmp_path):
    cfg = OmegaConf.create({"seed": 3})
    with legm_job(cfg, tmp_path, "e", metadata={"seed": {"disable_comparison": False}}):
        pass
    assert only_run(tmp_path).run.configuration.active == ("seed",)
