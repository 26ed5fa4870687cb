"""A tracker for Hugging Face accelerate: ``Accelerator(log_with=LegmTracker("results", "gpt"))``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from legm.integrations.lazy_classes import import_library_lazily, lazy_classes
from legm.integrations.trainer_parameters import TrainerParameters, flat_parameters
from legm.integrations.training_run import TrainingRecorder, TrainingRun, split_training_metrics

if TYPE_CHECKING:
    from legm.handler import ExperimentHandler

__all__ = ["LegmTracker"]


class AccelerateTrackerMethods(TrainingRecorder):
    """A tracker that records a training with accelerate as a run of legm.

    The ``config`` of ``init_trackers`` becomes the parameters, ``log`` sets metrics (those with ``test_`` or
    ``test/`` in front are of the test), ``end_training`` completes the run. Only the main process records. A
    process that ends by an exception before ``end_training`` leaves the run failed.

    Args:
        root, experiment, **options: of :class:`~legm.integrations.training_run.TrainingRun`.
    """

    name = "legm"
    requires_logging_directory = False
    main_process_only = True

    @property
    def tracker(self) -> ExperimentHandler:
        """The handler of the run, which begins with ``init_trackers(config=…)``, or the first value."""
        return self._begun().handler

    def _begun(self, config: Mapping[str, Any] | None = None) -> TrainingRun:
        if not self._run.is_open:
            accelerate = import_library_lazily("accelerate", "accelerate", "LegmTracker")
            is_main = accelerate.PartialState().is_main_process
            self._run.begin(TrainerParameters(flat_parameters(config or {})), main_process=is_main)
        return self._run

    def store_init_configuration(self, values: Mapping[str, Any]) -> None:
        """Begin the run with these hyperparameters, or join them to those of the run that has begun."""
        if self._run.is_open:
            self._run.add_parameters(flat_parameters(values))
        self._begun(values)

    def log(self, values: Mapping[str, Any], step: int | None = None, **_: Any) -> None:
        """Set metrics; texts are kept as texts."""
        run = self._run if self._run.is_open else self._begun()
        texts = {name: value for name, value in values.items() if isinstance(value, str)}
        if texts:
            values = {name: value for name, value in values.items() if name not in texts}
            for name, text in texts.items():
                run.call(run.handler.log_text, name, text, step)
        dev, test = split_training_metrics(values)
        if dev:
            run.log_metrics(dev, step)
        if test:
            run.log_metrics(test, test=True)

    def log_images(self, values: Mapping[str, Any], step: int | None = None, **_: Any) -> None:
        """Log pictures, for each name a batch of them."""
        run = self._begun()
        for name, images in values.items():
            run.call(run.handler.log_image, name, list(images), step)

    def log_table(
        self,
        table_name: str,
        columns: Sequence[str] | None = None,
        data: Sequence[Sequence[Any]] | None = None,
        dataframe: Any = None,
        step: int | None = None,
        **_: Any,
    ) -> None:
        """Log a table: a data frame, or rows of data with the names of their columns."""
        table = dataframe
        if table is None:
            names = columns or [str(number) for number in range(len(data[0]) if data else 0)]
            table = {name: [row[index] for row in data or ()] for index, name in enumerate(names)}
        run = self._begun()
        run.call(run.handler.log_table, table_name, table, step)

    def finish(self) -> None:
        """Complete the run."""
        self._run.end("completed")


def _accelerate_bases(name: str) -> tuple[type, ...]:
    return (import_library_lazily("accelerate.tracking", "accelerate", name).GeneralTracker,)


if TYPE_CHECKING:
    LegmTracker = AccelerateTrackerMethods
else:
    __getattr__ = lazy_classes(__name__, {"LegmTracker": AccelerateTrackerMethods}, _accelerate_bases)
