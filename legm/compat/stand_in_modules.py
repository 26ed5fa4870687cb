"""The modules that scripts get for wandb and mlflow and everything below them."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import lru_cache
from pkgutil import resolve_name
from types import ModuleType
from typing import Any

from legm.compat.redirection import SHADOW_FOLDER

__all__ = ["StandInModule", "home_module", "stand_in_module"]

_STAND_INS = {
    "wandb.catboost": "legm.compat.wandb.catboost",
    "wandb.integration.catboost": "legm.compat.wandb.catboost",
    "wandb.integration.keras": "legm.compat.wandb.keras",
    "wandb.integration.lightgbm": "legm.compat.wandb.lightgbm",
    "wandb.integration.sb3": "legm.compat.wandb.stable_baselines3",
    "wandb.integration.sklearn": "legm.compat.wandb.sklearn",
    "wandb.integration.xgboost": "legm.compat.wandb.xgboost",
    "wandb.sdk.lib.config_util": "legm.compat.wandb.errors",
    "wandb.sdk.lib.runid": "legm.compat.wandb.util",
    "wandb.sdk.wandb_metric": "legm.compat.wandb.metrics",
    "wandb.sdk.wandb_run": "legm.compat.wandb.wandb_run",
    "wandb.util": "legm.compat.wandb.util",
    "wandb.plots": "legm.compat.wandb.plot",
    "mlflow.models.signature": "legm.compat.mlflow.signatures",
    "mlflow.models.evaluation": "legm.compat.mlflow.evaluation",
    "mlflow.models.model": "legm.compat.mlflow.models",
    "mlflow.types.schema": "legm.compat.mlflow.types",
    "mlflow.data.dataset": "legm.compat.mlflow.data",
    "mlflow.data.dataset_source": "legm.compat.mlflow.data",
    "mlflow.data.huggingface_dataset": "legm.compat.mlflow.library_data",
    "mlflow.data.polars_dataset": "legm.compat.mlflow.library_data",
    "mlflow.data.numpy_dataset": "legm.compat.mlflow.data",
    "mlflow.data.pandas_dataset": "legm.compat.mlflow.data",
    "mlflow.pyfunc.model": "legm.compat.mlflow.pyfunc",
    "mlflow.tracking": "legm.compat.mlflow",
    "mlflow.tracking.client": "legm.compat.mlflow",
    "mlflow.tracking.context": "legm.compat.mlflow.run_context",
    "mlflow.tracking.context.registry": "legm.compat.mlflow.run_context",
    "mlflow.tracking.fluent": "legm.compat.mlflow",
    "mlflow.client": "legm.compat.mlflow",
    "mlflow.store.entities": "legm.compat.mlflow.paging",
    "mlflow.store.entities.paged_list": "legm.compat.mlflow.paging",
}


_ABSENT = object()


@lru_cache(maxsize=1024)
def home_module(name: str) -> ModuleType | None:
    """The module of legm that has the names of a library's module; None where it has none of them.

    Args:
        name: the full name of the library's module.
    """
    home = _STAND_INS.get(name, f"legm.compat.{name}")
    try:
        found = importlib.util.find_spec(home)
    except ModuleNotFoundError:
        return None
    return None if found is None else importlib.import_module(home)


class StandInModule(ModuleType):
    """A module as the script imports it: its attributes are those of the stand-in or unknown names.

    Args:
        name: the full name of the library's module.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []
        self.__file__ = str(SHADOW_FOLDER / f"{name.partition('.')[0]}.py")  # what scripts look for beside it
        home = self.__dict__["_home"] = home_module(name)
        if home is not None and hasattr(home, "__version__"):
            self.__version__ = home.__version__

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = self._value_of_home(name)
        if value is not _ABSENT and not _is_module_of_legm(value):
            return value
        # Found on use: a script that imports neither library needs no session.
        return resolve_name("legm.compat.unknown_names:unknown_name")(f"{self.__name__}.{name}")

    def _value_of_home(self, name: str) -> Any:
        """What legm's module has under a name, also what it only finds on use."""
        home = self._home
        if home is None or name in vars(home):
            return _ABSENT if home is None else vars(home)[name]
        if home.__name__ == f"legm.compat.{self.__name__}" and "__getattr__" in vars(home):
            return getattr(home, name)
        return _ABSENT

    def __dir__(self) -> list[str]:
        return [] if self._home is None else dir(self._home)

    def __reduce__(self) -> Any:
        return importlib.import_module, (self.__name__,)


def _is_module_of_legm(value: object) -> bool:
    """Whether a script would see a module of legm, which has not all names of the library's module."""
    return isinstance(value, ModuleType) and value.__name__.startswith("legm.")


@lru_cache(maxsize=1024)
def _made_module(name: str) -> StandInModule:
    return StandInModule(name)


def stand_in_module(name: str) -> ModuleType:
    """The one module for a library's module, whether or not it is imported.

    Args:
        name: its full name.
    """
    imported = sys.modules.get(name)
    return imported if isinstance(imported, StandInModule) else _made_module(name)
