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
from legm.compat.mlflow.client import MlflowClient, parse_artifact_uri
from legm.compat.mlflow.entities import ModelVersion, RegisteredModel
from legm.compat.mlflow.evaluation import evaluate, validate_evaluation_results
from legm.compat.mlflow.exceptions import MlflowException
from legm.compat.mlflow.fluent import (
    ActiveRun,
    active_run,
    create_experiment,
    delete_experiment,
    delete_experiment_tag,
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
    log_inputs,
    log_metric,
    log_metrics,
    log_param,
    log_params,
    log_table,
    log_text,
    restore_experiment,
    restore_run,
    search_experiments,
    search_runs,
    set_experiment,
    set_experiment_tag,
    set_experiment_tags,
    set_tag,
    set_tags,
    set_tracking_uri,
    start_run,
)
from legm.compat.mlflow.image import Image
from legm.compat.mlflow.registry_client import register_model_version
from legm.compat.mlflow.tracking_store import STORE
from legm.compat.script_session import SESSION
from legm.compat.stand_in_modules import stand_in_module
from legm.compat.unknown_names import unknown_attribute

__all__ = [
    "ActiveRun",
    "Image",
    "MlflowClient",
    "MlflowException",
    "active_run",
    "artifacts",
    "autolog",
    "create_experiment",
    "data",
    "delete_experiment",
    "delete_experiment_tag",
    "delete_run",
    "delete_tag",
    "end_run",
    "entities",
    "evaluate",
    "exceptions",
    "flush_artifact_async_logging",
    "flush_async_logging",
    "get_artifact_uri",
    "get_experiment",
    "get_experiment_by_name",
    "get_parent_run",
    "get_registry_uri",
    "get_run",
    "get_tracking_uri",
    "is_tracking_uri_set",
    "last_active_run",
    "load_table",
    "log_artifact",
    "log_artifacts",
    "log_dict",
    "log_figure",
    "log_image",
    "log_input",
    "log_inputs",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "log_table",
    "log_text",
    "models",
    "register_model",
    "restore_experiment",
    "restore_run",
    "search_experiments",
    "search_model_versions",
    "search_registered_models",
    "search_runs",
    "set_experiment",
    "set_experiment_tag",
    "set_experiment_tags",
    "set_model_version_tag",
    "set_registry_uri",
    "set_tag",
    "set_tags",
    "set_tracking_uri",
    "start_run",
    "validate_evaluation_results",
]

__version__ = "3.17.2"  # the version whose API this is


def register_model(
    model_uri: str, name: str, await_registration_for: int | None = None, *, tags: Any = None, **_: Any
) -> ModelVersion:
    """Register a model under a name, as the next version.

    Raises:
        MlflowException: there is no such run, or the name is invalid.
    """
    del await_registration_for  # it is registered when the call returns
    run_id, _path = parse_artifact_uri(model_uri)
    STORE.find_snapshot(run_id)
    return register_model_version(model_uri, name, run_id, tags)


def search_model_versions(
    max_results: int | None = None, filter_string: str | None = None, order_by: Sequence[str] | None = None
) -> list[ModelVersion]:
    """The versions of registered models that match a filter, those that changed last first."""
    return list(MlflowClient().search_model_versions(filter_string, max_results, order_by))


def search_registered_models(
    max_results: int | None = None, filter_string: str | None = None, order_by: Sequence[str] | None = None
) -> list[RegisteredModel]:
    """The registered models that match a filter, by name."""
    return list(MlflowClient().search_registered_models(filter_string, max_results, order_by))


def set_model_version_tag(name: str, version: Any = None, key: str = "", value: Any = None) -> None:
    """Set a tag of a version of a registered model."""
    MlflowClient().set_model_version_tag(name, version, key, value)


def set_registry_uri(uri: str) -> None:
    """Remember an address; models are registered in legm's root directory all the same."""
    STORE.registry_uri = str(uri)


def get_registry_uri() -> str:
    """The address that was set, or else the tracking address."""
    return STORE.registry_uri or STORE.tracking_uri()


def is_tracking_uri_set() -> bool:
    """Whether the script or its environment names a tracking address."""
    return STORE.is_uri_set()


def flush_async_logging() -> None:
    """Nothing: what is logged with ``synchronous=False`` is logged when the call returns."""


flush_artifact_async_logging = flush_async_logging


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


_NOT_AUTOLOGGED = ("pyspark", "tensorflow", "transformers")
_AUTOLOGGED = {
    "keras": "keras",
    "lightgbm": "lightgbm",
    "lightning": "pytorch",
    "pytorch_lightning": "pytorch",
    "sklearn": "sklearn",
    "statsmodels": "statsmodels",
    "xgboost": "xgboost",
}
_SUBMODULES = (
    "keras",
    "lightgbm",
    "pyfunc",
    "pytorch",
    "sklearn",
    "statsmodels",
    "types",
    "xgboost",
)  # imported on first use


def __getattr__(name: str) -> Any:
    if name == "tracking":
        return stand_in_module("mlflow.tracking")
    if name in _SUBMODULES:
        return import_module(f"legm.compat.mlflow.{name}")
    return unknown_attribute("mlflow", name)
