"""What legm's logger for Lightning asks of the trainer: best steps, checkpoints, and where it resumes."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from legm.errors import LegmError
from legm.integrations.calling_frames import find_in_calling_frames
from legm.integrations.lazy_classes import import_library_lazily
from legm.integrations.trainer_parameters import TrainerParameters, flat_parameters
from legm.integrations.training_run import TrainingRun

__all__ = [
    "CHECKPOINTS",
    "LightningConfiguration",
    "end_training",
    "lightning_logger_bases",
    "move_trainer_checkpoints",
    "rewind_on_train_start",
    "set_best_trainer_step",
    "trainer_checkpoint",
    "trainer_checkpoint_run_id",
    "trainer_folder_to_resume",
    "trainer_monitors",
]

CHECKPOINTS = "checkpoints"
"""The folder that Lightning makes below a logger's."""

_RUN_ID = re.compile(r"\d{8}-\d{6}-\d{3}-[0-9a-f]+")
_PACKAGES = ("lightning.pytorch", "pytorch_lightning")


def lightning_logger_bases(name: str) -> tuple[type, ...]:
    """The base class of each of Lightning's two packages that is loaded; else of the one that is installed.

    Args:
        name: of the class that is made.

    Raises:
        LegmError: none is installed.
    """
    loaded = [one for one in _PACKAGES if one in sys.modules]
    try:
        found = [import_library_lazily(one, "lightning", name) for one in loaded or _PACKAGES[:1]]
    except LegmError:
        if loaded:
            raise
        found = [import_library_lazily(_PACKAGES[1], "lightning", name)]
    return tuple(one.loggers.logger.Logger for one in found)


def trainer_folder_to_resume(logger: Any, run: TrainingRun, known: Mapping[str, Any]) -> Path | None:
    """The folder of the run that the calling trainer resumes, before it says so to its loggers.

    Args:
        logger: one of the trainer's.
        run: the logger's, which has not begun.
        known: hyperparameters that the logger was given.

    Returns:
        None where it resumes none of legm's.
    """
    trainer, path = _resumed_training(logger) or (None, "")
    if path == "last":
        return _trainer_checkpoint_folder(run, trainer, known)
    checkpoint = Path(path).absolute()
    return checkpoint.parent.parent if trainer_checkpoint_run_id(checkpoint) else None


def _resumed_training(logger: Any) -> tuple[Any, str] | None:
    """The calling trainer and the checkpoint that it resumes, before it passes them on to its loggers.

    ``ModelCheckpoint`` asks the logger for its folder before that, looks there for ``ckpt_path="last"``, and
    takes its best models from a checkpoint only where the folder is the one that they are in.
    """

    def trainer_with_checkpoint(variables: Mapping[str, Any]) -> tuple[Any, str] | None:
        path, trainer = variables.get("ckpt_path"), variables.get("self")
        is_own = path and any(one is logger for one in getattr(trainer, "loggers", ()))
        return (trainer, str(path)) if is_own else None

    return find_in_calling_frames(trainer_with_checkpoint)


def trainer_checkpoint(trainer: Any) -> str:
    """A checkpoint of the trainer's last ``fit``, which processes of its own may have made (``ddp_spawn``).

    The logger has no run then, and what is tested belongs to the run of the checkpoint.

    Args:
        trainer: of Lightning.
    """
    paths = (getattr(one, "best_model_path", "") for one in trainer.checkpoint_callbacks)
    return next(filter(None, paths), "")


def _trainer_checkpoint_folder(run: TrainingRun, trainer: Any, known: Mapping[str, Any]) -> Path | None:
    """The folder of the newest run with a last checkpoint that the trainer may resume, on each rank."""
    values = dict(known)
    for one in (trainer.lightning_module, trainer.datamodule):
        values |= flat_parameters(getattr(one, "hparams_initial", {}))
    runs = run.call(run.unfinished_runs, TrainerParameters(values)) or {}
    folders = (folder / run_id for run_id, folder in runs.items())
    return next((one for one in folders if any((one / CHECKPOINTS).glob("last*"))), None)


class LightningConfiguration:
    """The file with the arguments of ``LightningCLI``, which it writes before the run has a folder."""

    def __init__(self) -> None:
        self._folder: str | None = None

    def folder(self) -> str | None:
        """Where to write the file, if it is ``LightningCLI`` that asks for a folder; None if it is not."""
        if find_in_calling_frames(
            lambda variables: hasattr(variables.get("self"), "save_to_log_dir") or None
        ):
            self._folder = self._folder or tempfile.mkdtemp(prefix="legm-")
            return self._folder
        return None

    def log(self, run: TrainingRun) -> None:
        """Keep the file with a run that has begun."""
        if self._folder is not None:
            for path in sorted(Path(self._folder).iterdir()):
                run.call(run.handler.log_artifact, path)
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def trainer_checkpoint_run_id(path: Path) -> str | None:
    """The id of the run that saved a checkpoint, if it is in the folder of a run of legm's.

    Args:
        path: of the checkpoint.
    """
    folder = path.absolute().parent
    is_own = folder.name == CHECKPOINTS and _RUN_ID.fullmatch(folder.parent.name)
    return folder.parent.name if is_own else None


def move_trainer_checkpoints(trainer: Any, at_setup: Path, folder: Path) -> None:
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


def trainer_monitors(trainer: Any) -> Iterator[tuple[str, Any, bool]]:
    """What the trainer's callbacks monitor: the metric, its best value so far, and whether higher is better.

    Those of ``ModelCheckpoint`` come first, since its best model is the one that is kept.

    Args:
        trainer: of Lightning.
    """
    for callback in (*trainer.checkpoint_callbacks, *trainer.early_stopping_callbacks):
        if monitor := getattr(callback, "monitor", None):
            score = getattr(callback, "best_model_score", getattr(callback, "best_score", None))
            yield monitor, score, callback.mode == "max"


def set_best_trainer_step(run: TrainingRun, trainer: Any, steps: Mapping[str, Mapping[float, int]]) -> None:
    """Set the best step, which Lightning does not know: the first one at which the best score was logged.

    Args:
        run: of the training.
        trainer: of Lightning; nothing is set where it is None, or did not train.
        steps: by metric and value, the first step with it, of this process. Where the best score is of a
            process before, which this one resumed, legm finds its step by the metric.
    """
    is_trained = trainer is not None and trainer.state.fn == "fit"
    for monitor, score, higher_better in trainer_monitors(trainer) if is_trained else ():
        known = next((one for one in (monitor, f"{monitor}_epoch") if steps.get(one)), None)
        if known is None or score is None:
            continue
        step = steps[known].get(float(score))
        if step is not None:
            run.set_best_step(step)
        else:
            run.call(run.handler.set_best, "early_stopping", metric=known, higher_better=higher_better)
        return


def end_training(run: TrainingRun, status: str) -> None:
    """End the run of a training that did not end as usual, by the exception that ended it, if there is one.

    Args:
        run: of the training.
        status: that Lightning says.
    """
    error = sys.exc_info()[1] if status == "failed" else None
    if error is None:
        run.end("failed" if status == "failed" else "interrupted", f"the trainer says {status!r}")
    elif type(error).__name__ == "SIGTERMException":  # a SystemExit, as of a process that ends normally
        run.end("interrupted", "SIGTERM")
    else:
        run.fail(error)


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
