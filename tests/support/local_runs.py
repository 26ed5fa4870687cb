"""Small runs in a root directory, and how they are read back."""

from __future__ import annotations

from pathlib import Path

from legm import ExperimentHandler
from legm.backends.local import folder_reader
from legm.records import RunResult
from legm.runlog.configuration_folders import configuration_folders
from tests.support.sample_runs import comparable


def local_runs(root: Path) -> list[RunResult]:
    found = (
        result for folder in configuration_folders(root) for result in folder_reader.read_runs(folder, None)
    )
    return sorted(found, key=lambda result: result.run.run_id)


def known(results: list[RunResult]) -> list[tuple]:
    """Runs bit for bit, with their ids, starts and parameters."""
    return [
        (
            result.run.run_id,
            result.run.started,
            {name: result.run.configuration.parameters[name] for name in result.run.configuration.active},
            comparable(result),
        )
        for result in results
    ]


def numbers(results: list[RunResult]) -> dict[str, tuple]:
    """Each run's numbers bit for bit, by its id, with its description; no run is there twice."""
    found = {}
    for one in results:
        best, test, histories, about, *rest = comparable(one)
        found[one.run.run_id] = (best, test, histories, about[2], rest)
    assert len(found) == len(results)
    return found


def begun(root: Path, rate: float, experiment: str = "e") -> ExperimentHandler:
    handler = ExperimentHandler(root, experiment)
    handler.set_param("rate", rate)
    return handler.start()


def train(root: Path, experiment: str = "e", **parameters) -> RunResult:
    description = parameters.pop("description", "")
    with ExperimentHandler(root, experiment, description) as handler:
        handler.set_dict_params({"rate": 0.5, "seed": 0, **parameters})
        handler.disable_param("seed")
        handler.name_param("rate")
        handler.start()
        for step in range(4):
            handler.set_dict_metrics({"loss": 1 / (step + 3 + handler.seed), "acc": step / 7}, step=step)
        handler.set_metric("acc", handler.rate / 3, test=True)
        return handler.log()


def values_by_step(result: RunResult, metric: str) -> dict[int, float]:
    """What a run has of a metric, of which it has one series."""
    (found,) = [one for series, one in result.histories.items() if series.name == metric]
    return dict(zip(found.steps.tolist(), found.values.tolist(), strict=True))
