"""Trainings that Hydra launches, each in a process of its own, and what they left in legm."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from legm.records import RunResult
from tests.support.processes import run_at_once
from tests.support.trainer_runs import points

__all__ = [
    "CONFIGURATION",
    "TRAINING",
    "assert_as_hydra_says",
    "by_job",
    "launch",
    "parameters_of",
    "write_training",
]

CONFIGURATION = """
defaults: [{model: small}, _self_]
lr: 0.1
half: ${divided:${lr}}
seed: 0
layers: [4, 2]
late: ???
also_late: ${late}
file: ${hydra:runtime.output_dir}/model.pt
moment: ${now:%H-%M-%S-%f}
choice: ${hydra:runtime.choices.model}
dataset: digits
hydra:
  callbacks:
    legm:
      _target_: legm.integrations.hydra.LegmCallback
      root: results
      experiment: ${dataset}
      backend: local
"""

TRAINING = """
import json, os
import hydra
from omegaconf import OmegaConf
from legm.integrations.hydra import job_handler

OmegaConf.register_new_resolver("divided", lambda value: value / 2, replace=True)


@hydra.main(version_base=None, config_path="conf", config_name="config")
def train(cfg):
    handler = job_handler()
    history = []
    for step in range(3):
        history.append(handler.set_metric("loss", cfg.lr * cfg.model.depth / (step + 1), step=step))
        if cfg.lr > 5:
            raise ArithmeticError("diverged")
    output = hydra.core.hydra_config.HydraConfig.get().runtime.output_dir
    with open(os.path.join(output, "history.json"), "w") as file:
        json.dump({"history": history, "cwd": os.getcwd()}, file)
    return history[-1]


if __name__ == "__main__":
    train()
"""


def write_training(folder: Path, configuration: str = CONFIGURATION, training: str = TRAINING) -> Path:
    """Put a training and its configuration into a folder; returns the script."""
    (folder / "conf" / "model").mkdir(parents=True)
    (folder / "conf" / "config.yaml").write_text(configuration)
    (folder / "conf" / "model" / "small.yaml").write_text("name: linear\ndepth: 2\n")
    (folder / "conf" / "model" / "big.yaml").write_text("name: deep\ndepth: 8\n")
    (folder / "train.py").write_text(training)
    return folder / "train.py"


_LAUNCH = """
script, *overrides = sys.argv[1:]
os.chdir(os.path.dirname(script))
said = os.open("said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.dup2(said, 1)
os.dup2(said, 2)
sys.argv = [script, *overrides]
runpy.run_path(script, run_name="__main__")
"""


def launch(scripts: Mapping[Path, Sequence[str]]) -> list[int]:
    """Run scripts at once, each in its folder with its overrides; what they print is in ``said.txt`` there.

    Returns:
        the exit codes, in the order in which they ended.
    """
    imports = "import runpy, hydra, hydra.main, legm.handler, legm.integrations.hydra"
    arguments = [(script, *overrides) for script, overrides in scripts.items()]
    return run_at_once(_LAUNCH, arguments, imports)


def by_job(found: list[RunResult]) -> dict[int, RunResult]:
    """The runs of a multirun by the number of their job."""
    numbers = [parameters_of(one)["hydra_job"] for one in found]
    assert len({*numbers}) == len(found)
    return dict(zip(numbers, found, strict=True))


def parameters_of(found: RunResult) -> dict[str, Any]:
    """The parameters of a run, those that are not compared as this very run has them."""
    return {**found.run.configuration.parameters, **found.run.parameters}


def assert_as_hydra_says(found: RunResult) -> dict[str, Any]:
    """A completed run has the metrics that its job wrote down, and the overrides that Hydra kept.

    Returns:
        what the job wrote down.
    """
    parameters = parameters_of(found)
    output = Path(str(parameters["hydra_output_dir"]))
    written: dict[str, Any] = json.loads((output / "history.json").read_text())
    assert points(found, "loss") == list(enumerate(written["history"]))
    for override in yaml.safe_load((output / ".hydra" / "overrides.yaml").read_text()):
        name, _, value = override.partition("=")
        if not name.startswith("+"):
            assert parameters[name] == yaml.safe_load(value)
    return written
