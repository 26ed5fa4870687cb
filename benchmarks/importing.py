"""What it costs to move in: stores of MLflow's, W&B's and TensorBoard's become a root directory of legm's.

MLflow's tables are those that MLflow makes; they are filled by SQL, since MLflow would take hours. W&B's logs
are its own. Event files hold each number as an event with a simple value, as PyTorch writes them. The seconds
are those of ``legm import`` as a process: its start, the look at the runs, the import, and the comparison of
both sides at the end.
"""

from __future__ import annotations

import contextlib
import gc
import json
import random
import resource
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.wandb_store import SETTINGS, log_records
from benchmarks.write import peak_memory, restart_peak

__all__ = [
    "accumulated",
    "build_classic",
    "build_events",
    "build_folders",
    "build_foreign",
    "build_logs",
    "memory",
    "moving",
    "reading",
    "reading_by_wandb",
]

_NAMES = 10  # metrics of a run, which are set together


def build_foreign(folder: str, runs: int, steps: int) -> dict[str, float]:
    """A SQLite store of MLflow's with so many runs of ten metrics, ten seeds a configuration."""
    from mlflow import MlflowClient

    began, numbers = time.perf_counter(), random.Random(0)
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = int(client.create_experiment("foreign", f"{folder}/artifacts"))
    with contextlib.closing(sqlite3.connect(f"{folder}/mlflow.db")) as store, store:
        store.execute("PRAGMA synchronous = OFF")
        for number in range(runs):
            run_id, start = uuid.UUID(int=numbers.getrandbits(128)).hex, 1_700_000_000_000 + number * 1000
            store.execute(
                "INSERT INTO runs (run_uuid, name, source_type, user_id, status, start_time, end_time, "
                "lifecycle_stage, artifact_uri, experiment_id) "
                "VALUES (?, ?, 'LOCAL', 'me', 'FINISHED', ?, ?, 'active', '', ?)",
                (run_id, f"run {number}", start, start + 1000, experiment),
            )
            params = {"seed": number % 10, "lr": 0.1 / (number // 10 + 1), "optimizer": "sgd"}
            store.executemany(
                "INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)",
                [(name, str(value), run_id) for name, value in params.items()],
            )
            store.executemany(
                "INSERT INTO metrics (key, value, timestamp, run_uuid, step) VALUES (?, ?, ?, ?, ?)",
                [
                    (f"metric {name}", numbers.random(), start + step, run_id, step)
                    for step in range(steps)
                    for name in range(_NAMES)
                ],
            )
    return {"runs": runs, "points": runs * steps * _NAMES, "seconds": time.perf_counter() - began}


def build_events(folder: str, runs: int, steps: int) -> dict[str, float]:
    """Folders of event files of so many runs of ten metrics."""
    from tensorboard.compat.proto.event_pb2 import Event

    from legm.backends.local.event_records import encode_event_record

    began, numbers = time.perf_counter(), random.Random(0)
    for number in range(runs):
        start = 1_700_000_000 + number
        path = Path(folder, "runs", f"run {number}", f"events.out.tfevents.{start}.host.1.0")
        path.parent.mkdir(parents=True)
        with path.open("wb") as file:
            events = (
                Event(
                    wall_time=start + step / 100,
                    step=step,
                    summary={"value": [{"tag": f"metric {name}", "simple_value": numbers.random()}]},
                )
                for step in range(steps)
                for name in range(_NAMES)
            )
            file.write(
                encode_event_record(Event(wall_time=start, file_version="brain.Event:2").SerializeToString())
            )
            file.writelines(encode_event_record(event.SerializeToString()) for event in events)
    return {"runs": runs, "points": runs * steps * _NAMES, "seconds": time.perf_counter() - began}


def build_folders(folder: str, runs: int, steps: int) -> dict[str, float]:
    """An ``mlruns`` folder of texts and YAML with so many runs of ten metrics, ten seeds a configuration."""
    began, numbers = time.perf_counter(), random.Random(0)
    experiment = Path(folder, "mlruns", "1")
    experiment.mkdir(parents=True)
    (experiment / "meta.yaml").write_text("experiment_id: '1'\nlifecycle_stage: active\nname: foreign\n")
    for number in range(runs):
        run_id, start = uuid.UUID(int=numbers.getrandbits(128)).hex, 1_700_000_000_000 + number * 1000
        files = {
            "meta.yaml": f"lifecycle_stage: active\nrun_id: {run_id}\nrun_name: run {number}\n"
            f"start_time: {start}\nend_time: {start + 1000}\nstatus: 3\n",
            "params/seed": str(number % 10),
            "params/lr": str(0.1 / (number // 10 + 1)),
            "params/optimizer": "sgd",
            "tags/mlflow.user": "me",
        }
        for name in range(_NAMES):
            lines = (f"{start + step} {numbers.random()} {step}\n" for step in range(steps))
            files[f"metrics/metric {name}"] = "".join(lines)
        for name, text in files.items():
            path = experiment / run_id / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return {"runs": runs, "points": runs * steps * _NAMES, "seconds": time.perf_counter() - began}


def build_classic(folder: str, runs: int, steps: int) -> dict[str, float]:
    """Folders of the original legm with so many runs of ten metrics, ten runs a configuration."""
    import yaml

    began, numbers = time.perf_counter(), random.Random(0)
    for first in range(0, runs, 10):
        path = Path(folder, "classic", "foreign", f"{first}_0")
        path.mkdir(parents=True)
        entries = {
            f"experiment_{number}": {
                "description": "",
                **{f"metric {name}": [numbers.random() for _ in range(steps)] for name in range(_NAMES)},
            }
            for number in range(min(10, runs - first))
        }
        (path / "metrics.yml").write_text(yaml.dump(entries))
        (path / "params.yml").write_text(yaml.dump({"lr": 0.1 / (first + 1), "optimizer": "sgd"}))
        (path / "names.txt").write_text("some:\nlr\n")
    return {"runs": runs, "points": runs * steps * _NAMES, "seconds": time.perf_counter() - began}


def accumulated(source: str) -> dict[str, float]:
    """TensorBoard's own reader over such files, every number kept; nothing is written."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    began, points = time.perf_counter(), 0
    for folder in sorted(Path(source, "runs").iterdir()):
        reader = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
        points += sum(len(reader.Scalars(tag)) for tag in reader.Tags()["scalars"])
    return {"points": points, "seconds": time.perf_counter() - began}


def build_logs(folder: str, runs: int, steps: int) -> dict[str, float]:
    """A folder of W&B's with so many offline runs of ten metrics, ten seeds a configuration."""
    import wandb

    began, numbers = time.perf_counter(), random.Random(0)
    settings = wandb.Settings(mode="offline", **SETTINGS)
    for number in range(runs):
        config = {"seed": number % 10, "lr": 0.1 / (number // 10 + 1), "optimizer": "sgd"}
        run = wandb.init(dir=folder, project="foreign", config=config, settings=settings)
        for _ in range(steps):
            run.log({f"metric {name}": numbers.random() for name in range(_NAMES)})
        run.finish()
    wandb.teardown()
    return {"runs": runs, "points": runs * steps * _NAMES, "seconds": time.perf_counter() - began}


def reading(source: str) -> dict[str, float]:
    """Every number of W&B's logs as legm reads it, without anything that is done with it."""
    from legm.importers.wandb.run_fold import WandbRunFold
    from legm.importers.wandb.transaction_log import TransactionLogReader
    from legm.records import Points

    began, points = time.perf_counter(), 0
    for log in _logs(source):
        told = WandbRunFold()
        for record in TransactionLogReader(log).new_records():
            told.add_record(record)
        points += sum(len(one) for one in told.take_new() if isinstance(one, Points))
    return {"points": points, "seconds": time.perf_counter() - began}


def reading_by_wandb(source: str) -> dict[str, float]:
    """The same numbers by W&B's own messages, whose import is not counted."""
    from wandb.proto import wandb_internal_pb2

    wandb_internal_pb2.Record()
    began, points = time.perf_counter(), 0
    for log in _logs(source):
        points += sum(len(row) for row in rows_by_wandb(log))
    return {"points": points, "seconds": time.perf_counter() - began}


def _logs(source: str) -> list[Path]:
    return sorted(Path(source).glob("wandb/offline-run-*/*.wandb"))


def rows_by_wandb(log: Path) -> Iterator[dict[str, Any]]:
    """The rows of a log of W&B's, by its own messages."""
    for record in log_records(log):
        if record.HasField("history"):
            found = {".".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            yield {name: value for name, value in found.items() if name[0] != "_"}


def moving(folder: str, source: str, store: str = "mlflow.db") -> dict[str, float]:
    """``legm import`` of such a store, in a process of its own, and once more when all is there."""
    command = [sys.executable, "-m", "legm", "import", f"{source}/{store}", f"{folder}/root", "--json"]
    spent = []
    for _ in range(2):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        found = subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        spent.append((time.perf_counter() - began, cpu, json.loads(found.stdout)))
    (first, cpu, report), (again, _, _) = spent
    return {
        "points": report["equal"]["numbers"],
        "runs": report["created"],
        "seconds": first,
        "cpu": cpu,
        "again": again,
        "peak": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
    }


def memory(folder: str, short: str, long: str, points: int) -> dict[str, float]:
    """Bytes by which an import of one long run makes the process grow at most, for each of its numbers.

    Before it, a short run was imported, so that legm's own modules do not count.
    """
    from legm.importers import import_runs

    assert import_runs(short, Path(folder, "short")).is_complete
    gc.collect()
    before = restart_peak()
    report = import_runs(long, Path(folder, "long"))
    assert report.is_complete
    assert report.equal["numbers"] == points, report.equal
    return {"bytes": (peak_memory() - before) / points, "peak": peak_memory()}
