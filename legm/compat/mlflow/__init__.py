"""A stand-in for mlflow: records the calls that training scripts make into legm.

A name that is not here is a null object, and is reported at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

from legm.compat.import_callbacks import call_when_imported
from legm.compat.mlflow import artifacts, data, entities, exceptions, models
from legm.compat.mlflow.client import MlflowClient, register_model_version
from legm.compat.mlflow.entities import ModelVersion
from legm.compat.mlflow.exceptions import MlflowException
from legm.compat.mlflow.fluent import (
    ActiveRun,
    active_run,
    create_experiment,
    delete_run,
    delete_tag,
    end_run,
    get_artifact_uri,
    get_experiment,
    get_experiment_by_name,
    get_parent_run,
    get_run,
    get_tracking_uri,
    last_active_run,
    load_table,
    log_artifact,
    log_artifacts,
    log_dict,
    log_figure,
    log_image,
    log_input,
    log_metric,
    log_metrics,
    log_param,
    log_params,
    log_table,
    log_text,
    search_experiments,
    search_runs,
    set_experiment,
    set_experiment_tag,
    set_tag,
    set_tags,
    set_tracking_uri,
    start_run,
)
from legm.compat.script_session import SESSION
from legm.compat.stand_in_modules import stand_in_module
from legm.compat.unknown_names import unknown_attribute

__all__ = [
    "ActiveRun",
    "MlflowClient",
    "MlflowException",
    "active_run",
    "artifacts",
    "autolog",
    "create_experiment",
    "data",
    "delete_run",
    "delete_tag",
    "end_run",
    "entities",
    "exceptions",
    "get_artifact_uri",
    "get_experiment",
    "get_experiment_by_name",
    "get_parent_run",
    "get_run",
    "get_tracking_uri",
    "last_active_run",
    "load_table",
    "log_artifact",
    "log_artifacts",
    "log_dict",
    "log_figure",
    "log_image",
    "log_input",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "log_table",
    "log_text",
    "models",
    "register_model",
    "search_experiments",
    "search_runs",
    "set_experiment",
    "set_experiment_tag",
    "set_tag",
    "set_tags",
    "set_tracking_uri",
    "start_run",
]

__version__ = "3.17.2"  # the version whose API this is


def register_model(model_uri: str, name: str, **_: Any) -> ModelVersion:
    """Register a run's model under a name, as the next version."""
    return register_model_version(model_uri, name)


def autolog(*args: Any, exclude_flavors: Sequence[str] | None = None, **options: Any) -> None:
    """Log the training of every library with autologging here, once the script has imported it."""
    names = (
        "log_input_examples",
        "log_model_signatures",
        "log_models",
        "log_datasets",
        "log_traces",
        "disable",
    )
    options |= dict(zip(names, args, strict=False))
    for library, flavor in _AUTOLOGGED.items():
        if flavor not in (exclude_flavors or ()):
            call_when_imported(library, partial(_autolog_with, flavor, options))
    for library in _NOT_AUTOLOGGED:
        if library not in (exclude_flavors or ()) and not options.get("disable"):
            call_when_imported(library, _report_no_autologging)


def _report_no_autologging(library: ModuleType) -> None:
    SESSION.notices.report_unsupported(
        f"{library.__name__} by mlflow.autolog", "legm has no autologging for it"
    )


def _autolog_with(flavor: str, options: dict[str, Any], _: ModuleType) -> None:
    import_module(f"legm.compat.mlflow.{flavor}").AUTOLOGGING.apply_global_options(options)


_NOT_AUTOLOGGED = ("pyspark", "statsmodels", "tensorflow", "transformers")
_AUTOLOGGED = {
    "keras": "keras",
    "lightgbm": "lightgbm",
    "lightning": "pytorch",
    "pytorch_lightning": "pytorch",
    "sklearn": "sklearn",
    "xgboost": "xgboost",
}
_SUBMODULES = ("keras", "lightgbm", "pytorch", "sklearn", "xgboost")  # imported on first use


def __getattr__(name: str) -> Any:
    if name == "tracking":
        return stand_in_module("mlflow.tracking")
    if name in _SUBMODULES:
        return import_module(f"legm.compat.mlflow.{name}")
    return unknown_attribute("mlflow", name)
