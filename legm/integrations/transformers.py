"""A callback for Hugging Face transformers: ``Trainer(callbacks=[LegmCallback("results", "glue")])``.

Where the trainer is made by a program that takes only the name of a reporter, :func:`register_reporter` gives
it the name "legm".
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from legm.integrations.lazy_classes import import_library_lazily, lazy_classes
from legm.integrations.training_run import TrainingContext, split_training_metrics
from legm.integrations.transformers_arguments import is_transformers_trial_pruned, transformers_parameters

if TYPE_CHECKING:
    from legm.handler import ExperimentHandler

__all__ = ["LegmCallback", "register_reporter"]

_RUN_ID_FILE = "legm-run-id.txt"
"""In the folder of a checkpoint: the run that saved it."""


class TransformersCallbackMethods(TrainingContext):
    """A callback that records trainings with the ``Trainer`` of transformers, trl or sentence-transformers.

    The training arguments become parameters, the model's configuration those with ``model.`` in front, and
    that of PEFT's adapters those with ``peft.``. What equals the default is inactive. Each call of ``train``
    is a run. What ``evaluate`` and ``predict`` measure belongs to it; with ``test_`` in front they are test
    metrics. The best step is the trainer's. ``resume_from_checkpoint`` continues the checkpoint's run.

    Args:
        root, experiment, **options: of :class:`~legm.integrations.training_run.TrainingRun`.
    """

    _is_trained = False

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Begin a run, or continue that of the checkpoint."""
        if self._is_trained or not self._run.is_open:
            self._begin(args, state, model)

    def _begin(self, args: Any, state: Any, model: Any) -> None:
        step = state.global_step
        self._run.begin(
            transformers_parameters(args, model),
            resume=None
            if step == 0 or self._is_trained
            else _transformers_checkpoint_run(args, step) or True,
            rewind_to=step or None,
            main_process=state.is_world_process_zero,
        )
        self._is_trained = False

    def on_log(
        self, args: Any, state: Any, control: Any, logs: Any = None, model: Any = None, **_: Any
    ) -> None:
        """Set metrics at the trainer's step."""
        self._log(args, state, model, logs or {})

    def on_predict(
        self, args: Any, state: Any, control: Any, metrics: Any = None, model: Any = None, **_: Any
    ) -> None:
        """Set the metrics of a prediction."""
        self._log(args, state, model, metrics or {})

    def _log(self, args: Any, state: Any, model: Any, metrics: Mapping[str, Any]) -> None:
        if not self._run.is_open:  # an evaluation before the training
            self._begin(args, state, model)
        dev, test = split_training_metrics(metrics)
        if test:
            self._run.log_metrics({name: value for name, value in test.items() if name != "epoch"}, test=True)
            dev = {name: value for name, value in dev.items() if name != "epoch"}
        if dev:
            self._run.log_metrics(dev, state.global_step)
        if self._is_trained:
            self._run.complete()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Note the run in the checkpoint, for the process that resumes it."""
        folder = _transformers_checkpoint_folder(args, state.global_step)
        if self._run.is_open and (run_id := self._run.handler.run_id) and folder.is_dir():
            (folder / _RUN_ID_FILE).write_text(run_id, encoding="ascii")

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Complete the run, to which later evaluations belong; in a trial that Optuna prunes it is pruned."""
        if is_transformers_trial_pruned():
            self._run.end("pruned", "pruned by Optuna")
            return
        if getattr(state, "best_global_step", None):
            self._run.set_best_step(state.best_global_step)
        self._run.complete()
        self._is_trained = True


def _transformers_checkpoint_folder(args: Any, step: int) -> Path:
    return Path(args.output_dir, f"checkpoint-{step}")


def _transformers_checkpoint_run(args: Any, step: int) -> str | None:
    try:
        return (_transformers_checkpoint_folder(args, step) / _RUN_ID_FILE).read_text(
            encoding="ascii"
        ).strip() or None
    except (OSError, ValueError):
        return None


def register_reporter(
    root: str | os.PathLike[str] | ExperimentHandler, experiment: str | None = None, **options: Any
) -> None:
    """Make ``TrainingArguments(report_to="legm")`` known, for trainers that another program makes.

    Each trainer that is made afterwards with it has a callback of its own. Another call replaces this one.

    Args:
        root, experiment, **options: of :class:`~legm.integrations.training_run.TrainingRun`.

    Raises:
        ParameterError: an experiment or options came with a handler, or there is no experiment.
        LegmError: transformers is not installed.
    """
    from legm.integrations.transformers import LegmCallback

    class LegmReporter(LegmCallback):
        def __init__(self) -> None:
            super().__init__(root, experiment, **options)

    LegmReporter()  # wrong arguments are an error here
    library = import_library_lazily("transformers.integrations", "transformers", "register_reporter")
    library.INTEGRATION_TO_CALLBACK["legm"] = LegmReporter


def _transformers_bases(name: str) -> tuple[type, ...]:
    return (import_library_lazily("transformers.trainer_callback", "transformers", name).TrainerCallback,)


if TYPE_CHECKING:
    LegmCallback = TransformersCallbackMethods
else:
    __getattr__ = lazy_classes(__name__, {"LegmCallback": TransformersCallbackMethods}, _transformers_bases)
