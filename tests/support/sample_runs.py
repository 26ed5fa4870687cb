"""Runs with a bit of everything, and how two results are compared bit for bit."""

from __future__ import annotations

import math
import struct

import numpy as np

from legm import ExperimentHandler


def script(handler: ExperimentHandler) -> list:
    """A bit of everything, in two runs; what log() returned."""
    handler.set_dict_params({"lr": 0.1, "net": "lenet", "seed": 0})
    handler.disable_param("seed")
    handler.start()
    results = []
    numbers = [0.1, 1 / 3, math.nan, -math.inf, -0.0, 5e-324, 1e300, np.float32(0.1)]
    for run in range(2):
        for step, value in enumerate(numbers):
            handler.set_dict_metrics({"loss": value, "acc": -value * run})
            handler.set_metric("time", 0.1 * step + run)
            if step == 3:
                handler.flush()
        handler.set_metric("loss", 7, step=2)
        handler.set_metric("sparse", 1e-7, step=-3)
        handler.set_dict_metrics({"a": {"iou": 0.1}, "b": {"iou": 0.7}}, step=1)
        handler.set_dict_metrics({"acc": 0.5, "f1": 0.1 + run})
        handler.set_dict_metrics({"acc": 0.1 + 0.2, "f1": math.nan}, test=True)
        handler.set_best("early_stopping", metric="loss", higher_better=bool(run))
        results.append(handler.log())
        handler.set_metric("loss", 3, step=10)
        results.append(handler.log())
        handler.reset(seed=run + 1)
    return results


def bits(value: float) -> bytes:
    """A float's own bytes; NaN has no sign or payload that would mean anything."""
    return b"nan" if math.isnan(value) else struct.pack("<d", value)


def comparable(result) -> tuple:
    """All of a result but what names the run and its time, bit for bit."""
    by_series = [{str(s): bits(v) for s, v in values.items()} for values in (result.best, result.test)]
    histories = {
        str(s): (h.steps.tolist(), [bits(v) for v in h.values.tolist()]) for s, h in result.histories.items()
    }
    run = result.run
    about = (run.configuration.fingerprint, run.configuration.active, run.description, dict(run.parameters))
    steps = {str(s): step for s, step in result.best_steps.items()}
    rest = (result.status, result.rule, result.best_step, result.points, result.last_step, result.error)
    return (*by_series, histories, about, steps, rest)
