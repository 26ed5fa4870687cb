"""A logger for PyTorch-Ignite, used as its own ones are: ``LegmLogger("results", "mnist")``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from legm.integrations.lazy_classes import import_library_lazily, lazy_classes
from legm.integrations.trainer_parameters import TrainerParameters
from legm.integrations.training_run import TrainingContext, TrainingRun, split_training_metrics

if TYPE_CHECKING:
    from legm.handler import ExperimentHandler

__all__ = ["LegmLogger", "OptimizerParamsHandler", "OutputHandler"]


class IgniteLoggerMethods(TrainingContext):
    """A logger that records a training with Ignite as a run of legm.

    Its handlers are attached to engines as those of Ignite's loggers are. A metric is called
    ``<tag>/<metric>``; with the tag ``test`` it is a test metric. The run begins with the first value, and
    ``close`` completes it; as a context manager, an exception makes it failed.

    Args:
        root, experiment, **options: of :class:`~legm.integrations.training_run.TrainingRun`. Ignite's
            engines know no hyperparameters: ``params`` are those of the run.
    """

    @property
    def run(self) -> TrainingRun:
        """The run, which begins with the first value."""
        if not self._run.is_open:
            distributed = import_library_lazily("ignite.distributed", "pytorch-ignite", "LegmLogger")
            is_main = distributed.get_rank() == 0 if distributed.get_world_size() > 1 else None
            self._run.begin(TrainerParameters(), main_process=is_main)
        return self._run

    @property
    def handler(self) -> ExperimentHandler:
        """The handler of the run, which begins it."""
        return self.run.handler

    def set_best_step(self, step: int) -> None:
        """Set the best step, such as the epoch in which a ``Checkpoint`` has its best score."""
        self.run.set_best_step(step)

    def close(self) -> None:
        """Complete the run."""
        self._run.end("completed")

    def _create_output_handler(self, *args: Any, **keywords: Any) -> Any:
        return _made("OutputHandler")(*args, **keywords)

    def _create_opt_params_handler(self, *args: Any, **keywords: Any) -> Any:
        return _made("OptimizerParamsHandler")(*args, **keywords)


class IgniteOutputMethods:
    """Sets an engine's metrics and output; the arguments are those of Ignite's own output handlers."""

    def __call__(self, engine: Any, logger: Any, event_name: Any) -> None:
        """Set them at the step that ``global_step_transform`` gives, by default that of the event."""
        own: Any = self
        found = self._setup_output_metrics_state_attrs(engine, key_tuple=False)  # type: ignore[attr-defined]
        dev, test = split_training_metrics(
            {name: value for name, value in found.items() if value is not None}
        )
        if dev:
            logger.run.log_metrics(dev, own.global_step_transform(engine, event_name))
        if test:
            logger.run.log_metrics(test, test=True)


class IgniteOptimizerMethods:
    """Sets a parameter of an optimizer, by default its learning rate, in each of its groups."""

    def __call__(self, engine: Any, logger: Any, event_name: Any) -> None:
        """Set them at the step of the event."""
        own: Any = self
        front = f"{own.tag}/" if own.tag else ""
        metrics = {
            f"{front}{own.param_name}/group_{number}": float(group[own.param_name])
            for number, group in enumerate(own.optimizer.param_groups)
        }
        logger.run.log_metrics(metrics, engine.state.get_event_attrib_value(event_name))


_BODIES = {
    "LegmLogger": (IgniteLoggerMethods, "BaseLogger"),
    "OutputHandler": (IgniteOutputMethods, "BaseOutputHandler"),
    "OptimizerParamsHandler": (IgniteOptimizerMethods, "BaseOptimizerParamsHandler"),
}
"""By name, the methods of a class, and Ignite's base class."""


def _ignite_bases(name: str) -> tuple[type, ...]:
    library = import_library_lazily("ignite.handlers.base_logger", "pytorch-ignite", name)
    return (getattr(library, _BODIES[name][1]),)


_made = lazy_classes(__name__, {name: body for name, (body, _) in _BODIES.items()}, _ignite_bases)

if TYPE_CHECKING:
    LegmLogger, OutputHandler, OptimizerParamsHandler = (
        IgniteLoggerMethods,
        IgniteOutputMethods,
        IgniteOptimizerMethods,
    )
else:
    __getattr__ = _made
