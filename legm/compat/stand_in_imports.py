"""Redirects ``import wandb`` and ``import mlflow``, and every module below them, to the stand-ins."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from legm.compat.redirection import REDIRECTED, SHADOW_FOLDER
from legm.util.real_libraries import is_library_redirected

__all__ = ["StandInFinder", "redirect_to_stand_ins"]

_STAND_INS = {
    "wandb.integration.lightgbm": "legm.compat.wandb.lightgbm",
    "wandb.integration.sklearn": "legm.compat.wandb.sklearn",
    "wandb.integration.xgboost": "legm.compat.wandb.xgboost",
    "wandb.sdk.lib.config_util": "legm.compat.wandb.errors",
    "wandb.sdk.lib.runid": "legm.compat.wandb.util",
    "wandb.sdk.wandb_run": "legm.compat.wandb.wandb_run",
    "wandb.util": "legm.compat.wandb.util",
    "wandb.plots": "legm.compat.wandb.plot",
    "mlflow.tracking": "legm.compat.mlflow",
    "mlflow.tracking.client": "legm.compat.mlflow",
    "mlflow.tracking.fluent": "legm.compat.mlflow",
    "mlflow.client": "legm.compat.mlflow",
}


class StandInFinder(Loader):
    """The finder and loader that provides the stand-ins under the names of the libraries."""

    provides_stand_ins = True

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """The spec of any name below wandb and mlflow."""
        if name.partition(".")[0] not in REDIRECTED:
            return None
        return ModuleSpec(name, self, origin="legm.compat", is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The stand-in's module, or one whose names are null objects."""
        home = _STAND_INS.get(spec.name, f"legm.compat.{spec.name}")
        try:
            found = importlib.util.find_spec(home)
        except ModuleNotFoundError:
            found = None
        return _StandInModule(spec.name, importlib.import_module(home) if found is not None else None)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to execute: the module is complete."""


class _StandInModule(ModuleType):
    """A module as the script imports it: its attributes are those of the stand-in."""

    def __init__(self, name: str, home: ModuleType | None) -> None:
        super().__init__(name)
        self.__dict__["_home"] = home
        if home is not None and hasattr(home, "__version__"):
            self.__version__ = home.__version__

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if self._home is not None:
            return getattr(self._home, name)
        from legm.compat.script_session import SESSION

        return SESSION.notices.make_null_object(f"{self.__name__}.{name}")

    def __dir__(self) -> list[str]:
        return [] if self._home is None else dir(self._home)


def redirect_to_stand_ins() -> None:
    """Redirect imports from now on, in this process and in the Python processes that it starts."""
    if not is_library_redirected():
        sys.meta_path.insert(0, StandInFinder())
    for name in list(sys.modules):
        if name.partition(".")[0] in REDIRECTED and not isinstance(sys.modules[name], _StandInModule):
            del sys.modules[name]
    shadow = str(SHADOW_FOLDER)
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if shadow not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join([shadow, *filter(None, paths)])
