"""``import wandb`` and ``import mlflow``, and whatever is below them, answered by the stand-ins."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["Answers", "answer"]

_TOPS = ("wandb", "mlflow")
_HOMES = {
    "wandb.integration.lightgbm": "legm.compat.wandb.lightgbm",
    "wandb.integration.sklearn": "legm.compat.wandb.sklearn",
    "wandb.integration.xgboost": "legm.compat.wandb.xgboost",
    "wandb.sdk.lib.config_util": "legm.compat.wandb.errors",
    "wandb.sdk.lib.runid": "legm.compat.wandb.util",
    "wandb.sdk.wandb_run": "legm.compat.wandb.runs",
    "wandb.util": "legm.compat.wandb.util",
    "wandb.plots": "legm.compat.wandb.plot",
    "mlflow.tracking": "legm.compat.mlflow",
    "mlflow.tracking.client": "legm.compat.mlflow",
    "mlflow.tracking.fluent": "legm.compat.mlflow",
    "mlflow.client": "legm.compat.mlflow",
}


class Answers(Loader):
    """A finder and loader of modules that gives the stand-ins their public names."""

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Every name below wandb and mlflow is found."""
        if name.partition(".")[0] not in _TOPS:
            return None
        return ModuleSpec(name, self, origin="legm.compat", is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The stand-in's module, or one that absorbs everything."""
        home = _HOMES.get(spec.name, f"legm.compat.{spec.name}")
        try:
            found = importlib.util.find_spec(home)
        except ModuleNotFoundError:
            found = None
        return _Shown(spec.name, importlib.import_module(home) if found is not None else None)

    def exec_module(self, module: ModuleType) -> None:
        """It is there already."""


class _Shown(ModuleType):
    """A module of the script's: everything of it is the stand-in's."""

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
        from legm.compat.session import SESSION

        return SESSION.notices.null_object(f"{self.__name__}.{name}")

    def __dir__(self) -> list[str]:
        return [] if self._home is None else dir(self._home)


def answer() -> None:
    """Answer from now on, here and in the Python processes that are begun from here."""
    if not any(isinstance(finder, Answers) for finder in sys.meta_path):
        sys.meta_path.insert(0, Answers())
    for name in list(sys.modules):
        if name.partition(".")[0] in _TOPS and not isinstance(sys.modules[name], _Shown):
            del sys.modules[name]
    shadow = str(Path(__file__).with_name("shadow"))
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if shadow not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join([shadow, *filter(None, paths)])
