"""What a report costs: the page of many configurations with many runs each."""

from __future__ import annotations

import os
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path

__all__ = ["build_reported", "report"]

_METRICS = ("accuracy", "f1", "loss", "precision", "train_loss")


def build_reported(folder: str, configurations: int, runs: int, steps: int) -> dict[str, float]:
    """Make so many configurations with so many completed runs each, of five metrics over so many steps.

    The runs of one are logged; the others' are what logging them would have left, written by the local
    backend's own files with numbers of their own, but not forced to disk. There are no event files, which
    a report does not read.
    """
    from legm import ExperimentHandler
    from legm.backends.local.backend import LocalBackend
    from legm.backends.local.entry_file import EntryFile
    from legm.backends.local.result_yaml import metrics_yaml_head, series_yaml, steps_yaml_head
    from legm.records import History, Query

    def handler(number: int) -> ExperimentHandler:
        made = ExperimentHandler(folder, "report")
        made.set_dict_params(
            {"learning_rate": number / 1000, "batch_size": 2 ** (number % 8), "momentum": 0.9}
        )
        made.set_dict_params({"layers": [number % 10 * 16, 64], "optimizer": ["adam", "sgd"][number % 2]})
        made.set_dict_params({"model": "LeNet", "dropout": number % 5 / 10, "seed": 0})
        made.set_parent("momentum", "optimizer", "sgd")
        made.disable_param("seed")
        made.name_params(["learning_rate", "batch_size"])
        return made

    began = time.perf_counter()
    first = handler(0).start()
    for run in range(runs):
        if run:
            first.reset(seed=run)
        for step in range(steps):
            first.set_dict_metrics(
                {name: 1 / (step + place + 3.7 + run / 7) for place, name in enumerate(_METRICS)}
            )
        first.set_best("early_stopping", metric="loss", higher_better=False)
        first.set_dict_metrics(
            {name: 1 / (place + 3.7 + run / 7) for place, name in enumerate(_METRICS)}, test=True
        )
        first.log()
    results = list(
        LocalBackend(Path(folder)).legm_read_runs(Query("report", first.fingerprint, histories=None))
    )
    logs = sorted((first.configuration_folder / "runs").glob("*.log"))
    os.fsync = lambda _: None  # type: ignore[assignment]
    backend = LocalBackend(Path(folder))
    for number in range(1, configurations):
        place = backend.legm_folder(handler(number)._current(), create=True)  # noqa: SLF001
        assert place is not None
        (place / "runs" / "open").mkdir(parents=True)
        (place / "runs" / ".lock").touch()
        metrics, kept_steps = EntryFile(place / "metrics.yml"), EntryFile(place / "steps.yml")
        factor = 1 + number / 997
        for result, log in zip(results, logs, strict=True):
            run_id = f"{result.run.run_id[:-6]}{number:06x}"
            made = replace(
                result,
                run=replace(result.run, run_id=run_id),
                best={series: value * factor for series, value in result.best.items()},
                test={series: value * factor for series, value in result.test.items()},
                histories={s: History(h.steps, h.values * factor) for s, h in result.histories.items()},
            )
            values_text, steps_text = series_yaml(made)
            kept_steps.put(steps_yaml_head(made), steps_text)
            metrics.put(metrics_yaml_head(made), values_text)
            (place / "runs" / log.with_stem(run_id).name).write_bytes(log.read_bytes())
    return {"seconds": time.perf_counter() - began, "configurations": configurations, "runs": runs}


def report(folder: str) -> dict[str, float]:
    """Seconds of making the page, imports included, its size, and the peak of memory."""
    began = time.perf_counter()
    from legm.delivery.client import BackendClient
    from legm.delivery.registry import make_backend
    from legm.report import build

    root = Path(folder)
    page = build(BackendClient(make_backend("local", root, {}), root), ["report"])
    seconds = time.perf_counter() - began
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = most if sys.platform == "darwin" else most * 1024
    return {"seconds": seconds, "bytes": len(page), "peak": peak}
