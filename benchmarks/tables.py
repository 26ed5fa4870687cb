"""What reading histories as tables costs, beside the same in a CSV and a Parquet file, and other trackers."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import peers
from benchmarks.importing import rows_by_wandb
from benchmarks.write import NAMES, row

__all__ = [
    "build_histories",
    "by_mlflow",
    "by_trackio",
    "by_wandb",
    "from_csv",
    "from_logs",
    "from_parquet",
    "to_polars",
]

_RUNS = 10
_ROUNDS = 3


def build_histories(folder: str, values: int, single: int) -> dict[str, float]:
    """Ten runs of ten metrics with so many values in all, and one with a single metric.

    Args:
        folder: the root directory; the ten runs are also in a CSV and a Parquet file beside the experiments.
        values: of the ten runs together.
        single: of the run with one metric.
    """
    import pyarrow.csv
    import pyarrow.parquet

    import legm

    for run in range(_RUNS):
        handler = _handler(folder, "many", run)
        for step in range(values // _RUNS // len(NAMES)):
            handler.set_dict_metrics(row(step + run), step=step)
        handler.log()
    handler = _handler(folder, "one", 0)
    for step in range(single):
        handler.set_metric("loss", 1 / (step + 3.7), step=step)
    handler.log()
    table = legm.open(folder).history(experiment="many").arrow()
    pyarrow.parquet.write_table(table, f"{folder}/many.parquet")
    pyarrow.csv.write_csv(table, f"{folder}/many.csv")
    return {"values": table.num_rows}


def _handler(folder: str, experiment: str, run: int) -> Any:
    from legm import ExperimentHandler

    handler = ExperimentHandler(folder, experiment, provenance=False)
    handler.set_dict_params({"learning_rate": 0.1 * (1 + run % 3), "seed": run})
    handler.disable_param("seed")
    return handler.start()


def from_logs(folder: str) -> dict[str, float]:
    """The table of the ten runs, as Arrow and as pandas read it; imports are not counted."""
    import legm

    def arrow() -> int:
        return int(legm.open(folder).history(experiment="many").arrow().num_rows)

    def pandas() -> int:
        return len(legm.open(folder).history(experiment="many").pandas())

    return {
        f"{name}_{what}": number
        for name, call in (("arrow", arrow), ("pandas", pandas))
        for what, number in _timed(call).items()
    }


def from_csv(folder: str) -> dict[str, float]:
    """Pandas reads the file, as it does without being told types."""
    import pandas

    return _timed(lambda: len(pandas.read_csv(f"{folder}/many.csv")), rounds=1)


def from_parquet(folder: str) -> dict[str, float]:
    """Pyarrow reads the file, with its threads, and labels as dictionaries as they were written."""
    import pyarrow.parquet

    return _timed(lambda: int(pyarrow.parquet.read_table(f"{folder}/many.parquet").num_rows))


def to_polars(folder: str) -> dict[str, float]:
    """The run with one metric as a polars frame, from the folder to the end."""
    import polars  # noqa: F401

    import legm

    return _timed(lambda: int(legm.open(folder).history("loss", "one").polars().height), rounds=9)


def _timed(call: Callable[[], int], rounds: int = _ROUNDS) -> dict[str, float]:
    """The least seconds of several calls after one that is not counted, and the least CPU of all threads."""
    if rounds > 1:
        call()
    seconds, cpu, values = [], [], 0
    for _ in range(rounds):
        before, began = time.process_time(), time.perf_counter()
        values = call()
        seconds.append(time.perf_counter() - began)
        cpu.append(time.process_time() - before)
    return {"seconds": min(seconds), "cpu": min(cpu), "values": values}


# Other trackers, whose numbers become a pandas frame


def by_mlflow(folder: str, rows: int) -> dict[str, float]:
    """MLflow's client reads each metric of a run of a SQLite store."""
    import pandas

    peers.mlflow_batched(folder, rows)
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    (run,) = client.search_runs(["1"])

    def read() -> int:
        found = [one for name in NAMES for one in client.get_metric_history(run.info.run_id, name)]
        return len(pandas.DataFrame([(one.key, one.step, one.timestamp, one.value) for one in found]))

    return _timed(read)


def by_trackio(folder: str, rows: int) -> dict[str, float]:
    """What trackio's page reads of its local store."""
    import pandas

    peers.trackio(folder, rows)
    from trackio import SQLiteStorage

    (run,) = SQLiteStorage.get_runs("benchmark")

    def read() -> int:
        return len(pandas.DataFrame(SQLiteStorage.get_logs("benchmark", run))) * len(NAMES)

    return _timed(read, rounds=1)  # it remembers what it has read


def by_wandb(folder: str, rows: int) -> dict[str, float]:
    """W&B's own messages of an offline run; its ``scan_history`` needs a server."""
    import pandas

    peers.wandb(folder, rows)
    (log,) = Path(folder).glob("wandb/offline-run-*/*.wandb")
    return _timed(lambda: len(pandas.DataFrame(rows_by_wandb(log))) * len(NAMES))
