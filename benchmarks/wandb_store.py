"""What W&B costs: legm's W&B backend beside plain ``run.log``, both offline, to the end of ``finish``.

Imports and the first start of W&B's own process are not counted; its CPU time is, since it ends within the
total. Afterwards every row is read from W&B's log.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from benchmarks.write import NAMES, row

__all__ = ["SETTINGS", "legm", "log_records", "plain"]

SETTINGS: dict[str, Any] = {
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "silent": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
}


def legm(folder: str, rows: int) -> dict[str, float]:
    """Rows of ten numbers through legm, to the end of ``log()``."""
    import wandb

    from legm import ExperimentHandler
    from legm.util.wandb_session import WandbSession

    made = [row(step) for step in range(1000)]
    session = WandbSession({})
    with session.active():
        own = wandb.setup()  # legm's runs have a W&B process of their own
        own.ensure_service()
    options = {"mode": "offline", "settings": SETTINGS}
    handler = ExperimentHandler(folder, "write", backend="wandb", backend_options=options)
    handler.set_param("lr", 0.1)
    cpu, began = _cpu(), time.perf_counter()
    handler.start()
    first = time.perf_counter()
    for step in range(rows):
        handler.set_dict_metrics(made[step % 1000])
    called = time.perf_counter()
    handler.log()
    own._teardown()  # noqa: SLF001 - as wandb.teardown() does with the user's
    ended = time.perf_counter()
    numbers = {"caller": called - first, "total": ended - began, "cpu": _cpu() - cpu}
    _require_rows(folder, rows)
    return {"scalars": rows * len(NAMES), **numbers}


def plain(folder: str, rows: int) -> dict[str, float]:
    """The same rows by ``run.log``."""
    import wandb

    made = [row(step) for step in range(1000)]
    wandb.setup().ensure_service()
    cpu, began = _cpu(), time.perf_counter()
    run = wandb.init(dir=folder, mode="offline", project="write", settings=wandb.Settings(**SETTINGS))
    first = time.perf_counter()
    for step in range(rows):
        run.log(made[step % 1000])
    called = time.perf_counter()
    run.finish()
    wandb.teardown()
    ended = time.perf_counter()
    numbers = {"caller": called - first, "total": ended - began, "cpu": _cpu() - cpu}
    _require_rows(folder, rows)
    return {"scalars": rows * len(NAMES), **numbers}


def _cpu() -> float:
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def log_records(log: Path) -> list[Any]:
    """The records of a log, by W&B's own messages."""
    from tests.support.wandb_log import records

    return records(log)


def _require_rows(folder: str, rows: int) -> None:
    (log,) = (Path(folder) / "wandb").glob("offline-run-*/*.wandb")
    found = sum(len(record.history.item) > 0 for record in log_records(log))
    if found != rows:
        raise RuntimeError(f"{found} rows can be read of {rows}")
