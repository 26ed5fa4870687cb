"""What legm's logger for Lightning asks of the trainer: best steps, checkpoints, and where it resumes."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from legm.errors import LegmError
from legm.integrations.calling_frames import find_in_callers
from legm.integrations.lazy_classes import import_library
from legm.integrations.training_run import TrainingRun

__all__ = [
    "CHECKPOINTS",
    "logger_bases",
    "monitors",
    "move_checkpoints",
    "resumed_checkpoint",
    "rewind_on_train_start",
    "run_id_of_checkpoint",
    "set_best_step",
]

CHECKPOINTS = "checkpoints"
"""The folder that Lightning makes below a logger's."""

_RUN_ID = re.compile(r"\d{8}-\d{6}-\d{3}-[0-9a-f]+")
_PACKAGES = ("lightning.pytorch", "pytorch_lightning")


def logger_bases(name: str) -> tuple[type, ...]:
    """The base class of each of Lightning's two packages that is loaded; else of the one that is installed.

    Args:
        name: of the class that is made.

    Raises:
        LegmError: none is installed.
    """
    loaded = [one for one in _PACKAGES if one in sys.modules]
    try:
        found = [import_library(one, "lightning", name) for one in loaded or _PACKAGES[:1]]
    except LegmError:
        if loaded:
            raise
        found = [import_library(_PACKAGES[1], "lightning", name)]
    return tuple(one.loggers.logger.Logger for one in found)


def resumed_checkpoint(logger: Any) -> Path | None:
    """The checkpoint that the calling trainer resumes, as long as it does not pass it on to its loggers.

    ``ModelCheckpoint`` asks the logger for its folder before that, and takes its best models from the
    checkpoint only where the folder is the one that they are in.

    Args:
        logger: one of the trainer's.
    """

    def checkpoint_of_trainer(variables: Mapping[str, Any]) -> Path | None:
        path, trainer = variables.get("ckpt_path"), variables.get("self")
        is_own = path and any(one is logger for one in getattr(trainer, "loggers", ()))
        return Path(str(path)).absolute() if is_own else None

    return find_in_callers(checkpoint_of_trainer)


def run_id_of_checkpoint(path: Path) -> str | None:
    """The id of the run that saved a checkpoint, if it is in the folder of a run of legm's.

    Args:
        path: of the checkpoint.
    """
    folder = path.absolute().parent
    is_own = folder.name == CHECKPOINTS and _RUN_ID.fullmatch(folder.parent.name)
    return folder.parent.name if is_own else None


def move_checkpoints(trainer: Any, at_setup: Path, folder: Path) -> None:
    """Put checkpoints for which the user gave no folder into the run's, on every rank.

    Args:
        trainer: of Lightning.
        at_setup: the folder that their callbacks made of the logger's names before the run began.
        folder: the run's.
    """
    shared = trainer.strategy.broadcast(str(folder))
    for callback in trainer.checkpoint_callbacks:
        if (given := getattr(callback, "dirpath", None)) and Path(given) == at_setup:
            callback.dirpath = shared


def monitors(trainer: Any) -> Iterator[tuple[str, Any, bool]]:
    """What the trainer's callbacks monitor: the metric, its best value so far, and whether higher is better.

    Those of ``ModelCheckpoint`` come first, since its best model is the one that is kept.

    Args:
        trainer: of Lightning.
    """
    for callback in (*trainer.checkpoint_callbacks, *trainer.early_stopping_callbacks):
        if monitor := getattr(callback, "monitor", None):
            score = getattr(callback, "best_model_score", getattr(callback, "best_score", None))
            yield monitor, score, callback.mode == "max"


def set_best_step(run: TrainingRun, trainer: Any, steps: Mapping[str, Mapping[float, int]]) -> None:
    """Set the best step, which Lightning does not know: the first one at which the best score was logged.

    Args:
        run: of the training.
        trainer: of Lightning.
        steps: by metric and value, the first step with it, of this process. Where the best score is of a
            process before, which this one resumed, legm finds its step by the metric.
    """
    for monitor, score, higher_better in monitors(trainer):
        known = next((one for one in (monitor, f"{monitor}_epoch") if steps.get(one)), None)
        if known is None or score is None:
            continue
        step = steps[known].get(float(score))
        if step is not None:
            run.set_best_step(step)
        else:
            run.call(run.handler.set_best, "early_stopping", metric=known, higher_better=higher_better)
        return


def rewind_on_train_start(trainer: Any, run: TrainingRun) -> None:
    """Rewind a resumed run to the step of the checkpoint, which the trainer restores after its loggers begin.

    Args:
        trainer: of Lightning.
        run: the resumed run.
    """
    (*_, base) = [one for one in type(trainer.callbacks[0]).__mro__ if one.__name__ == "Callback"]

    class RewindCallback(base):  # type: ignore[misc, valid-type]
        def on_train_start(self, trainer: Any, _: Any) -> None:
            # The step of the n-th optimizer step is n - 1.
            run.call(run.handler.rewind, trainer.global_step - 1)

    trainer.callbacks.append(RewindCallback())
