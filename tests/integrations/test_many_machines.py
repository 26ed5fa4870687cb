"""The programs of the page about many machines: each ranking is that of one process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tests.support.calling import as_json
from tests.support.mlflow_server import Server
from tests.support.paths import ROOT
from tests.support.postgres import running_postgres

ENGINES = ("slurm", "hydra", "ray", "optuna", "dask")
IN_ONE_PROCESS = "import training as t; [t.train(lr, seed) for lr in t.RATES for seed in t.SEEDS]"


@dataclass
class Machines:
    """A folder with the programs, and where their runs are kept.

    Args:
        folder: with the programs and the root directory.
        backend: of legm.
        environment: what all programs have in their environment.
    """

    folder: Path
    backend: str
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, experiment: str, *commands: list[str], **more: str) -> None:
        """Run programs at once; each has to end well."""
        names = {"RESULTS": str(self.folder / "results"), "EXPERIMENT": experiment, "BACKEND": self.backend}
        alone = {"RAY_ADDRESS": "local"}  # not the cluster of another test
        environment = {**os.environ, **alone, **self.environment, **names, **more}
        started = []
        for number, command in enumerate(commands):
            said = self.folder / f"{experiment}-{number}.txt"
            task = {"SLURM_ARRAY_TASK_ID": str(number)}
            with said.open("w") as output:
                process = subprocess.Popen(
                    [sys.executable, *command],
                    cwd=self.folder,
                    env={**environment, **task},
                    stdout=output,
                    stderr=output,
                )
            started.append((process, said))
        for process, said in started:
            assert process.wait() == 0, said.read_text()[-3000:]

    def ranking(self, experiment: str) -> list[tuple[Any, ...]]:
        """What ``legm best`` says: the rates, means, deviations and numbers of runs, best first."""
        found = as_json("best", self.folder / "results" / experiment, "loss", "--backend", self.backend)
        values = [[one["value"][name] for name in ("mean", "std", "n")] for one in found]
        return [(one["parameters"]["lr"], *value) for one, value in zip(found, values, strict=True)]


@pytest.fixture(scope="module", params=["local", "mlflow"])
def machines(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Machines, list[tuple[Any, ...]], str]]:
    """The programs, the ranking of one process, and the address of a database where there is one."""
    folder = tmp_path_factory.mktemp("machines")
    shutil.copytree(ROOT / "examples" / "many_machines", folder, dirs_exist_ok=True)
    if request.param == "local":
        made = Machines(folder, "local")
        made.run("one", ["-c", IN_ONE_PROCESS])
        yield made, made.ranking("one"), ""
        return
    prepared = request.getfixturevalue("prepared")
    with running_postgres(prepared) as database, pytest.MonkeyPatch.context() as patched:
        (folder / "server").mkdir()
        server = Server(folder / "server", prepared, database)
        server.start()
        patched.setenv("MLFLOW_TRACKING_URI", server.uri)
        try:
            made = Machines(folder, "mlflow", {"MLFLOW_TRACKING_URI": server.uri})
            made.run("one", ["-c", IN_ONE_PROCESS])
            yield made, made.ranking("one"), database
        finally:
            server.stop()


def optuna_storage(database: str) -> str:
    """A database of Optuna's own beside that of MLflow, or "" for its journal."""
    if not database:
        return ""
    engine = create_engine(database, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CREATE DATABASE optuna"))
    engine.dispose()
    return database.rpartition("/")[0] + "/optuna"


@pytest.mark.parametrize("engine", ENGINES)
def test_the_ranking_is_that_of_one_process(machines, engine):
    made, expected, database = machines
    assert [(lr, number) for lr, _, _, number in expected] == [(0.03, 2), (0.01, 2), (0.1, 2)]
    if engine == "slurm":
        made.run(engine, ["slurm_task.py"], ["slurm_task.py"])
        assert made.ranking(engine) == expected
        made.run(engine, *[["slurm_task.py"]] * 3)  # submitted again: nothing is missing
    elif engine == "hydra":
        made.run(engine, ["hydra_job.py", "--multirun", "lr=0.01,0.03,0.1", "seed=0,1"])
    elif engine == "optuna":
        storage = optuna_storage(database)
        commands = [["optuna_worker.py", "0.01", "0.03"], ["optuna_worker.py", "0.1"]]
        if storage:
            made.run(engine, ["optuna_worker.py"], OPTUNA_STORAGE=storage)
        made.run(engine, *commands, OPTUNA_STORAGE=storage)
    else:
        made.run(engine, [f"{engine}_tasks.py"])
    assert made.ranking(engine) == expected
