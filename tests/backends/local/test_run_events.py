"""What TensorBoard shows of runs: each once, and each value once, also while they train."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
from tensorboard.plugins.hparams import metadata

from legm import ExperimentHandler


@pytest.fixture
def handler(tmp_path):
    made = ExperimentHandler(tmp_path / "root", "toy")
    made.set_param("rate", 0.1)
    yield made.start()
    made.log()


def shown(handler: ExperimentHandler, tag: str) -> list[tuple[int, float]]:
    """What a TensorBoard that is opened now shows of the run."""
    assert handler.flush(30)
    place = Path(handler.configuration_folder) / "tensorboard" / handler.run_id
    events = EventAccumulator(str(place)).Reload()
    found = events.Scalars(tag) if tag in events.Tags()["scalars"] else []
    return [(one.step, one.value) for one in found]


def test_a_run_is_one_run_with_its_hyperparameters(handler):
    for step in range(3):
        handler.set_metric("loss", step, step=step)
    handler.set_metric("accuracy", 0.5, test=True)
    handler.log()
    root = Path(handler.configuration_folder).parent.parent
    every = EventMultiplexer().AddRunsFromDirectory(str(root)).Reload()
    (run,) = every.Runs()
    assert {"dev/loss", "best/loss", "test/accuracy"} == set(every.Runs()[run]["scalars"])
    content = every.PluginRunToTagToContent(metadata.PLUGIN_NAME)[run]
    assert {metadata.SESSION_START_INFO_TAG, metadata.SESSION_END_INFO_TAG} == set(content)
    handler.set_metric("accuracy", 0.75, test=True)
    handler.log()  # once more
    every = EventMultiplexer().AddRunsFromDirectory(str(root)).Reload()
    assert list(every.Runs()) == [run]
    assert [one.value for one in every.Scalars(run, "test/accuracy")] == [0.75]


def test_test_metrics_are_there_when_they_are_set(handler):
    handler.set_metric("loss", 1.0, step=7)
    handler.set_metric("accuracy", 0.5, test=True)
    assert shown(handler, "test/accuracy") == [(7, 0.5)]


def test_a_step_that_is_set_twice_is_shown_once_during_the_run(handler):
    for step in range(4):
        handler.set_metric("loss", step, step=step)
    handler.set_metric("loss", 9.0, step=3)  # in one batch
    assert shown(handler, "dev/loss") == [(0, 0), (1, 1), (2, 2), (3, 9)]
    handler.set_metric("loss", 8.0, step=2)  # in a later one
    assert shown(handler, "dev/loss") == [(0, 0), (1, 1), (2, 8), (3, 9)]
    handler.set_metric("loss", 4.0, step=4)
    assert shown(handler, "dev/loss") == [(0, 0), (1, 1), (2, 8), (3, 9), (4, 4)]
