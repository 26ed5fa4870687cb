"""Of the processes that train one model together, only rank 0 records."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
from pathlib import Path

import pytest

from legm import ExperimentHandler, StateError
from legm.records import Status
from legm.util.process_rank import process_rank
from tests.support.reading import runs_of


def files_below(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def begin(root: Path, **options) -> ExperimentHandler:
    handler = ExperimentHandler(root, "e", **options)
    handler.set_dict_params({"lr": 0.1, "seed": 0})
    handler.disable_param("seed")
    return handler.start()


@pytest.fixture
def alone(monkeypatch) -> pytest.MonkeyPatch:
    """An environment without any launcher."""
    for name in os.environ:
        if name.startswith(("SLURM_", "OMPI_", "PMI_", "LEGM_")) or name.endswith(("RANK", "WORLD_SIZE")):
            monkeypatch.delenv(name)
    return monkeypatch


@pytest.mark.parametrize(
    ("environ", "rank"),
    [
        ({}, 0),
        ({"RANK": "0", "WORLD_SIZE": "2"}, 0),
        ({"RANK": "1", "WORLD_SIZE": "2"}, 1),
        ({"RANK": "3"}, 3),
        ({"RANK": "one"}, 0),
        ({"LOCAL_RANK": "1"}, 0),
        ({"LOCAL_RANK": "1", "WORLD_SIZE": "2"}, 1),
        ({"LOCAL_RANK": "0", "WORLD_SIZE": "4", "NODE_RANK": "1"}, 1),
        ({"RANK": "2", "WORLD_SIZE": "4", "LOCAL_RANK": "0"}, 2),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "4"}, 1),
        ({"SLURM_PROCID": "1"}, 0),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "1", "SLURM_ARRAY_TASK_ID": "7"}, 0),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "RANK": "4", "WORLD_SIZE": "8"}, 4),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "RANK": "0", "WORLD_SIZE": "1"}, 0),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, 1),
        ({"PMI_RANK": "1"}, 1),
    ],
)
def test_the_rank_is_found_from_what_launchers_set(environ, rank):
    assert process_rank(environ) == rank


@pytest.mark.slow
def test_another_rank_reads_and_makes_every_call_without_effect(tmp_path, alone):
    with begin(tmp_path) as first:
        first.set_metric("loss", 0.5)
        alone.setenv("RANK", "1")
        alone.setenv("WORLD_SIZE", "2")
        before = files_below(tmp_path)
        with begin(tmp_path) as other:
            assert (other.lr, other == first, other.run_id) == (0.1, True, None)
            assert other.get_save_filename() == first.get_save_filename()
            assert other.set_metric("loss", 100) == 100
            assert other.set_dict_metrics({"acc": 1}, test=True) == {"acc": 1}
            assert other.set_custom_data([1]) == [1]
            assert other.log_artifact(__file__) == __file__
            other.tensorboard_write("text", "a", 0)
            other.set_best("early_stopping", metric="loss")
            assert other.flush()
            assert other.log().histories == {}
            other.reset(seed=1)
            assert other.seed == 1
        with pytest.raises(ValueError, match="mine"), begin(tmp_path):
            raise ValueError("mine")
        assert files_below(tmp_path) == before
    before = files_below(tmp_path)
    assert other.aggregate_results()["best_loss"]["n"] == 1
    assert other.plot() == other.plot_comparison_bars("loss") == []
    assert [one.value.mean for one in other.get_best("loss")] == [0.5]
    assert {path for path in files_below(tmp_path) if path.name != "catalogue"} == {*before}
    assert len(runs_of(tmp_path)) == 1


def test_slots_are_asked_for_by_rank_0_alone(tmp_path, alone):
    alone.setenv("RANK", "1")
    handler = ExperimentHandler(tmp_path, "e")
    with pytest.raises(StateError, match="rank 0"):
        handler.should_run(3)
    with pytest.raises(StateError, match="rank 0"), handler.claim(3):
        pass


@pytest.mark.parametrize("way", ["main_process=", "LEGM_MAIN_PROCESS"])
def test_the_user_decides_otherwise(tmp_path, alone, way):
    alone.setenv("RANK", "1")
    if way == "LEGM_MAIN_PROCESS":
        alone.setenv(way, "1")
    begin(tmp_path, main_process=True if way == "main_process=" else None).log()
    assert len(runs_of(tmp_path)) == 1
    if way == "LEGM_MAIN_PROCESS":
        alone.setenv(way, "0")
    begin(tmp_path, main_process=False if way == "main_process=" else None).log()
    assert len(runs_of(tmp_path)) == 1


def test_a_folder_that_rank_0_never_makes_is_not_waited_for_for_ever(tmp_path, alone, monkeypatch):
    monkeypatch.setattr("legm.delivery.unrecorded_session._LONGEST_START", 0.0)
    alone.setenv("RANK", "1")
    with pytest.raises(StateError, match="rank 0 has not begun"):
        begin(tmp_path).get_save_filename()
    assert not list(tmp_path.iterdir())


# Copies


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_reads_the_parameters_and_makes_every_call_without_effect(tmp_path, copied):
    with begin(tmp_path) as handler:
        handler.set_metric("loss", 0.5)
        other = copied({"module": [handler]})["module"][0]
        assert (other.lr, other.seed, other == handler, other.run_id) == (0.1, 0, True, None)
        assert other.set_metric("loss", 100) == 100
        other.log()
        assert other.configuration_folder == handler.configuration_folder
        with pytest.raises(StateError, match="rank 0"):
            other.should_run(3)
        del other
    (result,) = runs_of(tmp_path)
    assert result.points == 1
    early = ExperimentHandler(tmp_path, "e")
    early.set_param("depth", [1, 2])
    other = copied(early)
    early.depth.append(3)
    assert other.depth == [1, 2]


class _Module:
    """A module that holds a handler, as a data set or a model may."""

    def __init__(self, handler: ExperimentHandler) -> None:
        self.handler = handler

    def __call__(self, queue) -> None:
        self.handler.set_metric("loss", 7)
        queue.put(self.handler.lr)


def test_a_spawned_process_gets_the_handler(tmp_path):
    context = multiprocessing.get_context("spawn")
    with begin(tmp_path) as handler:
        handler.set_metric("loss", 0.5)
        queue = context.SimpleQueue()
        process = context.Process(target=_Module(handler), args=(queue,))
        process.start()
        assert queue.get() == 0.1
        process.join()
    (result,) = runs_of(tmp_path)
    assert (process.exitcode, result.points) == (0, 1)


class _Data:
    """A data set that holds a handler, and a module that holds it too."""

    def __init__(self, handler: ExperimentHandler, module) -> None:
        self.handler, self.module = handler, module

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> float:
        self.handler.set_metric("loss", 7)
        self.module.handler.set_metric("loss", 8)
        return index * self.handler.lr + self.module.handler.seed


@pytest.mark.libraries
def test_the_spawned_workers_of_a_data_loader_get_the_handler(tmp_path):
    torch = pytest.importorskip("torch")
    with begin(tmp_path) as handler:
        handler.set_metric("loss", 0.5)
        module = torch.nn.Linear(1, 1)
        module.handler = handler
        loader = torch.utils.data.DataLoader(
            _Data(handler, module), batch_size=2, num_workers=2, multiprocessing_context="spawn"
        )
        read = [value for batch in loader for value in batch.tolist()]
        handler.set_metric("loss", 0.25)
    assert read == pytest.approx([0.0, 0.1, 0.2, 0.3])
    (result,) = runs_of(tmp_path)
    assert (result.status, result.points) == (Status.COMPLETED, 2)
