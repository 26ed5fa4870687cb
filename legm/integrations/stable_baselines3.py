"""A callback for Stable-Baselines3: ``model.learn(10_000, callback=LegmCallback("results", "cartpole"))``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from legm.integrations.lazy_classes import import_library_lazily, lazy_classes
from legm.integrations.stable_baselines3_model import stable_baselines_model_parameters
from legm.integrations.trainer_parameters import TrainerParameters
from legm.integrations.training_run import TrainingContext, TrainingRun

if TYPE_CHECKING:
    from legm.handler import ExperimentHandler

__all__ = ["LegmCallback", "LegmOutputFormat"]


class StableBaselinesOutputMethods:
    """An output of Stable-Baselines3's logger that fills a run: every key of the logger at its timestep.

    Args:
        run: that the values belong to; a handler whose run was started, or that of a callback.
    """

    def __init__(self, run: TrainingRun | ExperimentHandler) -> None:
        super().__init__()
        self._run = run if isinstance(run, TrainingRun) else TrainingRun(run)
        if not isinstance(run, TrainingRun):
            self._run.begin(TrainerParameters())

    def write(self, key_values: Mapping[str, Any], key_excluded: Mapping[str, Any], step: int = 0) -> None:
        """Set what the logger dumps: numbers, texts, figures, pictures, videos and hyperparameters."""
        metrics = {}
        for name, value in key_values.items():
            kind = type(value).__name__
            if isinstance(value, str):
                self._run.call(self._run.handler.log_text, name, value, step)
            elif kind == "Figure" and hasattr(value, "figure"):
                self._run.call(self._run.handler.log_figure, name, value.figure, step)
            elif kind == "Image" and hasattr(value, "dataformats"):
                image = value.image
                is_chw = str(value.dataformats).upper() == "CHW"
                self._run.call(
                    self._run.handler.log_image, name, image.transpose(1, 2, 0) if is_chw else image, step
                )
            elif kind == "HParam" and hasattr(value, "metric_dict"):
                metrics.update(value.metric_dict)
            elif kind == "Video" and hasattr(value, "frames"):
                frames = [frame.transpose(1, 2, 0) for frame in _stable_baselines_array(value.frames[0])]
                self._run.call(self._run.handler.log_image, name, frames, step)
            else:
                metrics[name] = value
        if metrics:
            self._run.log_metrics(metrics, step)

    def close(self) -> None:
        """Nothing: who began the run ends it."""


class StableBaselinesCallbackMethods(TrainingContext):
    """A callback that records each call of ``learn`` as a run; a step is a timestep.

    The arguments of the algorithm, the environment and the number of timesteps become parameters; what equals
    the algorithm's default is inactive. Every key of the model's logger is a metric, beside what the logger
    writes anyway, and so are ``episode/reward`` and ``episode/length`` of each episode. ``learn`` with
    ``reset_num_timesteps=False`` continues the run.

    Args:
        root, experiment, **options: of :class:`~legm.integrations.training_run.TrainingRun`.
    """

    _output: Any = None

    def _on_training_start(self) -> None:
        model = self.model  # type: ignore[attr-defined]
        timesteps = self.locals.get("total_timesteps")  # type: ignore[attr-defined]
        is_continued = self.locals.get("reset_num_timesteps") is False and self._run.is_open  # type: ignore[attr-defined]
        if not is_continued:
            self._run.begin(stable_baselines_model_parameters(model, timesteps))
        self._output = _made("LegmOutputFormat")(self._run)
        model.logger.output_formats.append(self._output)

    def _on_step(self) -> bool:
        infos = self.locals.get("infos") or ()  # type: ignore[attr-defined]
        for number, info in enumerate(infos):
            if "episode" in info:
                episode = {"episode/reward": info["episode"]["r"], "episode/length": info["episode"]["l"]}
                # The environments of a vector make their steps one after the other.
                self._run.log_metrics(episode, self.num_timesteps - len(infos) + number + 1)  # type: ignore[attr-defined]
        return True

    def _on_training_end(self) -> None:
        outputs = self.model.logger.output_formats  # type: ignore[attr-defined]
        if self._output in outputs:
            outputs.remove(self._output)
        self._run.complete()


def _stable_baselines_array(frames: Any) -> Any:
    return frames.numpy() if hasattr(frames, "numpy") else frames


def _stable_baselines_bases(name: str) -> tuple[type, ...]:
    library = "stable_baselines3.common"
    if name == "LegmCallback":
        return (import_library_lazily(f"{library}.callbacks", "stable-baselines3", name).BaseCallback,)
    return (import_library_lazily(f"{library}.logger", "stable-baselines3", name).KVWriter,)


_made = lazy_classes(
    __name__,
    {"LegmCallback": StableBaselinesCallbackMethods, "LegmOutputFormat": StableBaselinesOutputMethods},
    _stable_baselines_bases,
)

if TYPE_CHECKING:
    LegmCallback, LegmOutputFormat = StableBaselinesCallbackMethods, StableBaselinesOutputMethods
else:
    __getattr__ = _made
