"""``mlflow.statsmodels``: results as signed pickles, statsmodels' only format, and autologging of fits."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from legm.compat.mlflow import fluent
from legm.compat.mlflow.autologging import Autologging, autologged_arguments, autologged_param_value
from legm.compat.mlflow.flavors import Flavor
from legm.compat.mlflow.logged_models import ModelDescription
from legm.compat.mlflow.signed_models import read_signed_model, write_signed_model
from legm.compat.unknown_names import unknown_attribute

__all__ = ["AUTOLOGGING", "FLAVOR", "autolog", "load_model", "log_model", "save_model"]

_METRICS = (
    *("aic", "bic", "centered_tss", "condition_number", "df_model", "df_resid", "ess", "f_pvalue", "fvalue"),
    *("llf", "mse_model", "mse_resid", "mse_total", "rsquared", "rsquared_adj", "scale", "ssr"),
    "uncentered_tss",
)
_SUMMARY = "model_summary.txt"


def _write_statsmodels(model: Any, folder: Path) -> None:
    (folder / _SUMMARY).write_text(model.summary().as_text(), encoding="utf-8")
    write_signed_model(model, folder, "mlflow.statsmodels")


def _read_statsmodels(folder: Path, description: ModelDescription, held: Any) -> Any:
    return held if held is not None else read_signed_model(folder, description.kind)


FLAVOR = Flavor(
    "statsmodels", "statsmodels_model", _write_statsmodels, _read_statsmodels, held=lambda model: model
)
log_model = FLAVOR.log_model
save_model = FLAVOR.save_model
load_model = FLAVOR.load_model


def _wrap_statsmodels(module: Any) -> None:
    import_module("statsmodels.api")  # which defines the classes of models
    for kind in {one for one in _statsmodels_subclasses(module.Model) if "fit" in vars(one)}:
        AUTOLOGGING.wrap(kind, "fit", _fit_statsmodels)


def _statsmodels_subclasses(kind: type) -> Iterator[type]:
    yield kind
    inner: list[type] = kind.__subclasses__()
    for one in inner:
        yield from _statsmodels_subclasses(one)


def _fit_statsmodels(original: Callable[..., Any], model: Any, *args: Any, **kwargs: Any) -> Any:
    arguments = autologged_arguments(original, (model, *args), kwargs)
    defaults = {one.name: one.default for one in inspect.signature(original).parameters.values()}
    values = {name: one for name, one in (defaults | arguments).items() if name != "self"}
    absent = inspect.Parameter.empty  # which MLflow logs as a value
    AUTOLOGGING.log_params(
        {name: str(one) if one is absent else autologged_param_value(one) for name, one in values.items()}
    )
    results = original(model, *args, **kwargs)
    if AUTOLOGGING.option("log_models", True):
        with AUTOLOGGING.report_errors("the model"):
            name = AUTOLOGGING.option("registered_model_name")
            log_model(results, "model", registered_model_name=name)
    with AUTOLOGGING.report_errors("metrics"):
        AUTOLOGGING.log_metrics(dict(_statsmodels_metrics_of(results)))
    with AUTOLOGGING.report_errors("the summary"):
        fluent.log_text(results.summary().as_text(), _SUMMARY)
    return results


def _statsmodels_metrics_of(results: Any) -> Iterator[tuple[str, float]]:
    for name in _METRICS:
        try:
            value = getattr(results, name, None)
            if value is not None and not callable(value):
                yield name, float(value)
        except Exception:  # noqa: BLE001, S112 - a kind of results that has none of this name
            continue


AUTOLOGGING = Autologging(
    "statsmodels",
    ("log_models", "log_datasets", "disable", "exclusive"),
    {"statsmodels.base.model": _wrap_statsmodels},
)
autolog = AUTOLOGGING.autolog


def __getattr__(name: str) -> Any:
    return unknown_attribute("mlflow.statsmodels", name)
