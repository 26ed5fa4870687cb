"""Ray on two nodes, which are two of its node processes on this machine, with one processor each."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
import torch
from ray import train, tune
from ray.cluster_utils import Cluster
from ray.train import RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer, prepare_model

from legm.integrations.ray import LegmLoggerCallback, setup_legm
from legm.records import Status
from tests.support.calling import as_json
from tests.support.ray_trainings import assert_as_ray_says, by_trial, tuned
from tests.support.reading import runs_of
from tests.support.trainer_runs import only_run, points

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module", autouse=True)
def _two_nodes() -> Iterator[None]:
    folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # the paths of its sockets have to be short
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    first, second = "127.0.0.2", "127.0.0.3"  # Ray takes 127.0.0.1 for the machine's own address
    head = {"num_cpus": 1, "node_ip_address": first, "include_dashboard": False, "temp_dir": folder}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        cluster.add_node(num_cpus=1, node_ip_address=second)
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        ray.init(address=cluster.address, _node_ip_address=first, **quiet)
        yield
    finally:
        ray.shutdown()
        cluster.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def node() -> str:
    return str(ray.get_runtime_context().get_node_id())


def fit_in_worker(config: dict[str, Any]) -> None:
    """Three steps of a model whose gradients the workers average."""
    rank, losses = train.get_context().get_world_rank(), []
    model = prepare_model(torch.nn.Linear(1, 1, bias=False))
    torch.nn.init.ones_(model.module.weight)
    optimizer = torch.optim.SGD(model.parameters(), config["params"]["lr"])
    with setup_legm(config["params"], config["root"], "e") as handler:
        for step in range(3):
            loss = model(torch.full((4, 1), 1.0 + rank)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(handler.set_metric("loss", loss.item(), step=step))
            train.report({"loss": loss.item()})
    Path(config["root"], f"worker-{rank}.json").write_text(json.dumps([node(), losses]))


def test_of_the_workers_of_a_torch_trainer_on_two_nodes_only_one_records(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    TorchTrainer(
        fit_in_worker,
        train_loop_config={"params": {"lr": 0.0625, "seed": 1}, "root": str(root)},
        scaling_config=ScalingConfig(num_workers=2, placement_strategy="STRICT_SPREAD"),
        run_config=RunConfig(name="train", storage_path=str(tmp_path / "storage")),
    ).fit()
    (first, losses), (second, others) = (
        json.loads((root / f"worker-{rank}.json").read_text()) for rank in range(2)
    )
    assert first != second
    assert losses != others
    found = only_run(root)
    assert (found.status, found.run.configuration.active) == (Status.COMPLETED, ("lr",))
    assert points(found, "loss") == [*enumerate(losses)]


def test_trials_on_two_nodes_are_runs_in_one_root(tmp_path):
    def reported(config):
        for epoch in range(3):
            tune.report({"loss": config["lr"] / (epoch + 1), "node_text": node()})

    callback = LegmLoggerCallback(tmp_path / "root", "e")
    space = {"lr": tune.grid_search([0.5, 0.25, 0.125, 1.0])}
    grid = tuned(reported, space, tmp_path, [callback], max_concurrent_trials=2, reuse_actors=False)
    assert len({result.metrics["node_text"] for result in grid}) == 2
    assert_as_ray_says(by_trial(runs_of(tmp_path / "root")), grid, "loss")
    best = as_json("best", tmp_path / "root" / "e", "loss")[0]
    assert best["parameters"]["lr"] == grid.get_best_result().config["lr"] == 0.125
