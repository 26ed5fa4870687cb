"""What the real libraries keep of the scripts in ``compat_scripts``, run once for all workers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.support.compat_stores import Held, flat, run_all
from tests.support.mlflow_store import prepare_store
from tests.support.shared import once
from tests.support.wandb_log import RunLog


def of_mlflow(group: str = "mlflow") -> dict[str, list[Held]]:
    """By experiment, the runs that the real mlflow has in SQLite, oldest first."""

    def make(folder: Path) -> None:
        prepare_store(folder / "mlflow.db")
        run_all(
            group,
            folder,
            MLFLOW_TRACKING_URI=f"sqlite:///{folder}/mlflow.db",
            MLFLOW_DISABLE_TELEMETRY="true",
            MLFLOW_LOGGING_LEVEL="ERROR",
        )

    return runs_of_mlflow(once(f"original-{group}", make) / "mlflow.db")


def runs_of_mlflow(database: Path) -> dict[str, list[Held]]:
    """By experiment, the runs that an SQLite store of mlflow has, oldest first."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{database}")
    found = {}
    for experiment in client.search_experiments():
        found[experiment.name] = [
            Held(
                run.data.params,
                {
                    name: list(
                        {
                            one.step: (one.step, one.value)
                            for one in client.get_metric_history(run.info.run_id, name)
                        }.values()
                    )  # of two values at one step the last counts
                    for name in run.data.metrics
                },
            )
            for run in sorted(
                client.search_runs([experiment.experiment_id]), key=lambda run: run.info.start_time
            )
        ]
    return found


def wandb_logs(group: str = "wandb") -> list[RunLog]:
    """The logs that the real wandb has written, of all scripts of a group."""

    def make(folder: Path) -> None:
        run_all(
            group,
            folder,
            WANDB_MODE="offline",
            WANDB_SILENT="true",
            WANDB_DIR=str(folder),
            WANDB_DISABLE_GIT="true",
            WANDB_CONSOLE="off",
        )

    folder = once(f"original-{group}", make)
    return [RunLog(place) for place in folder.glob("wandb/offline-run-*")]


def histograms_of_wandb(project: str, group: str = "wandb") -> dict[tuple[str, int], tuple[list, list]]:
    """By name and step, the bins' edges and counts that the real wandb has in its log of a project's run."""
    (log,) = (one for one in wandb_logs(group) if one.run.project == project)
    return {
        (name, row["_step"]): (row[f"{name}/bins"], row[f"{name}/values"])
        for row in log.rows
        for name in {key.removesuffix("/_type") for key, kind in row.items() if kind == "histogram"}
    }


def chart_tables_of_wandb(
    project: str, group: str = "wandb"
) -> dict[tuple[str, int], tuple[list[str], list[list[Any]]]]:
    """By name and step, the columns and rows of the charts and tables in the real wandb's log of a run."""
    (log,) = (one for one in wandb_logs(group) if one.run.project == project)
    found = {}
    for row in log.rows:
        for key, kind in row.items():
            if key.endswith("/_type") and kind == "table-file":
                name = key.removesuffix("/_type")
                path = log.folder / "files" / row[f"{name}/path"]
                table = json.loads(path.read_text(encoding="utf-8"))
                found[name.removesuffix("_table"), row["_step"]] = table["columns"], table["data"]
    return found


def of_wandb(group: str = "wandb") -> dict[str, list[Held]]:
    """By project, the runs that the real wandb has written, oldest first."""
    return runs_of_wandb(wandb_logs(group))


def runs_of_wandb(logs: Iterable[RunLog]) -> dict[str, list[Held]]:
    """By project, the runs of logs of wandb, oldest first."""
    found: dict[str, list[tuple[float, Held]]] = {}
    for log in logs:
        started = log.run.start_time.seconds + log.run.start_time.nanos / 1e9
        points: dict[str, list[tuple[int, float]]] = {}
        for row in log.rows:
            media = {name.rpartition("/")[0] for name in row if name.endswith("/_type")}
            for name, value in row.items():
                number = _number(value)
                if not name.startswith("_") and number is not None and name.rpartition("/")[0] not in media:
                    points.setdefault(name.replace("/", "."), []).append((_step(log, row, name), number))
        config = {name: value for name, value in flat(log.config) if not name.startswith("_wandb")}
        found.setdefault(log.run.project, []).append((started, Held(config, points)))
    return {
        project: [held for _, held in sorted(runs, key=lambda one: one[0])] for project, runs in found.items()
    }


def _step(log: RunLog, row: dict[str, Any], name: str) -> int:
    """The value of the row's metric that the script says counts the steps, else the number of the row."""
    several = [one for one in log.metrics if one.endswith("*") and name.startswith(one[:-1])]
    definition = name if name in log.metrics else max(several, key=len, default="")
    counting = log.step_metrics.get(definition, "_step")
    return row["_step" if counting == name else counting]


def _number(value: object) -> float | None:
    if isinstance(value, (int, float)):
        return float(value)
    return {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}.get(str(value))
