"""A stand-in for wandb: records the calls that training scripts make into legm.

``wandb.run``, ``wandb.config`` and ``wandb.summary`` belong to the current run. A name that is not here is a
null object, and is reported at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO, Any

from legm.compat.unknown_names import unknown_attribute
from legm.compat.wandb import errors, plot, util
from legm.compat.wandb.api import Api
from legm.compat.wandb.artifacts import Artifact
from legm.compat.wandb.configs import Config, UninitializedObject
from legm.compat.wandb.current_run import CURRENT_RUN, Settings, init, required_run
from legm.compat.wandb.errors import CommError, Error, UsageError
from legm.compat.wandb.media import Audio, Histogram, Html, Image, Object3D, Plotly, Table, Video
from legm.compat.wandb.metrics import Metric
from legm.compat.wandb.plot import plot_table
from legm.compat.wandb.sweeps import agent, sweep
from legm.compat.wandb.wandb_run import Run

__all__ = [
    "AlertLevel",
    "Api",
    "Artifact",
    "Audio",
    "CommError",
    "Config",
    "Error",
    "Histogram",
    "Html",
    "Image",
    "Object3D",
    "Plotly",
    "Run",
    "Settings",
    "Table",
    "UsageError",
    "Video",
    "agent",
    "alert",
    "define_metric",
    "errors",
    "finish",
    "init",
    "link_model",
    "log",
    "log_artifact",
    "login",
    "mark_preempting",
    "plot",
    "plot_table",
    "restore",
    "save",
    "setup",
    "sweep",
    "unwatch",
    "use_artifact",
    "use_model",
    "util",
    "watch",
]

__version__ = "0.31.0"  # the version whose API this is


class AlertLevel:
    """How urgent an alert is."""

    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


def login(*_: Any, **__: Any) -> bool:
    """Do nothing: there is no server to log in to."""
    return True


def setup(*_: Any, **__: Any) -> None:
    """Do nothing: there is nothing to set up."""


def log(
    data: Mapping[str, Any], step: int | None = None, commit: bool | None = None, sync: bool | None = None
) -> None:
    """See :meth:`~legm.compat.wandb.wandb_run.Run.log`."""
    required_run("log").log(data, step, commit, sync)


def finish(exit_code: int | None = None, quiet: bool | None = None) -> None:
    """End the current run, if there is one."""
    if CURRENT_RUN.run is not None:
        CURRENT_RUN.run.finish(exit_code, quiet)


join = finish


def define_metric(name: str, *args: Any, **kwargs: Any) -> Metric:
    """See :meth:`~legm.compat.wandb.wandb_run.Run.define_metric`."""
    return required_run("define_metric").define_metric(name, *args, **kwargs)


def save(*args: Any, **kwargs: Any) -> list[str]:
    """See :meth:`~legm.compat.wandb.wandb_run.Run.save`."""
    return required_run("save").save(*args, **kwargs)


def log_artifact(artifact_or_path: Any, *args: Any, **kwargs: Any) -> Artifact:
    """See :meth:`~legm.compat.wandb.wandb_run.Run.log_artifact`."""
    return required_run("log_artifact").log_artifact(artifact_or_path, *args, **kwargs)


def log_model(*args: Any, **kwargs: Any) -> None:
    """See :meth:`~legm.compat.wandb.wandb_run.Run.log_model`."""
    required_run("log_model").log_model(*args, **kwargs)


def link_model(*args: Any, **kwargs: Any) -> Artifact:
    """See :meth:`~legm.compat.wandb.wandb_run.Run.link_model`."""
    return required_run("link_model").link_model(*args, **kwargs)


def use_model(name: str) -> str:
    """See :meth:`~legm.compat.wandb.wandb_run.Run.use_model`."""
    return required_run("use_model").use_model(name)


def restore(name: str, run_path: str | None = None, replace: bool = False, root: Any = None) -> IO[str]:
    """See :meth:`~legm.compat.wandb.wandb_run.Run.restore`."""
    return required_run("restore").restore(name, run_path, replace, root)


def use_artifact(*args: Any, **kwargs: Any) -> Artifact:
    """See :meth:`~legm.compat.wandb.wandb_run.Run.use_artifact`."""
    return required_run("use_artifact").use_artifact(*args, **kwargs)


def alert(title: str, text: str = "", level: str | None = None, wait_duration: Any = None) -> None:
    """See :meth:`~legm.compat.wandb.wandb_run.Run.alert`."""
    required_run("alert").alert(title, text, level)


def mark_preempting() -> None:
    """See :meth:`~legm.compat.wandb.wandb_run.Run.mark_preempting`."""
    required_run("mark_preempting").mark_preempting()


def watch(models: Any = None, *args: Any, **kwargs: Any) -> None:
    """See :meth:`~legm.compat.wandb.wandb_run.Run.watch`."""
    required_run("watch").watch(models, *args, **kwargs)


def unwatch(models: Any | Sequence[Any] | None = None) -> None:
    """See :meth:`~legm.compat.wandb.wandb_run.Run.unwatch`."""
    required_run("unwatch").unwatch(models)


_SUBMODULES = ("catboost", "integration", "lightgbm", "sklearn", "xgboost")  # imported on first use


def __getattr__(name: str) -> Any:
    if name == "run":
        return CURRENT_RUN.run
    if name in {"config", "summary"}:
        return (
            UninitializedObject(f"wandb.{name}")
            if CURRENT_RUN.run is None
            else getattr(CURRENT_RUN.run, name)
        )
    if name in _SUBMODULES:
        from importlib import import_module

        return import_module(f"legm.compat.wandb.{name}")
    return unknown_attribute("wandb", name)
