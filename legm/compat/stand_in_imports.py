"""Redirects ``import wandb`` and ``import mlflow``, and every module below them, to the stand-ins."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from legm.compat.redirection import REDIRECTED, SHADOW_FOLDER
from legm.compat.settings import Settings
from legm.compat.stand_in_modules import StandInModule, stand_in_module
from legm.util.real_libraries import is_library_redirected

if TYPE_CHECKING:
    from importlib.metadata import Distribution

__all__ = ["StandInFinder", "redirect_to_stand_ins"]


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

    def find_distributions(self, context: Any = None) -> Iterable[Distribution]:
        """What ``importlib.metadata`` finds of wandb and mlflow: the stand-ins' names and versions."""
        wanted = None if context is None else context.name
        if wanted not in REDIRECTED and (wanted is not None or str(SHADOW_FOLDER) in sys.path):
            return []  # of all distributions those of the folders on the path are found without this finder
        from importlib.metadata import DistributionFinder, MetadataPathFinder  # which the script has imported

        return MetadataPathFinder.find_distributions(
            DistributionFinder.Context(name=wanted, path=[str(SHADOW_FOLDER)])
        )

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The stand-in's module, or one whose names are null objects."""
        return stand_in_module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to execute: the module is complete."""


def redirect_to_stand_ins() -> None:
    """Redirect imports from now on, in this process and in the Python processes that it starts.

    All of them record into the root directory of now, whatever folders they change to. Processes of
    multiprocessing and joblib look for modules where this process does, and not where ``PYTHONPATH`` says.
    """
    os.environ["LEGM_ROOT"] = str(Settings.of(os.environ).root)
    if not is_library_redirected():
        sys.meta_path.insert(0, StandInFinder())
    for name in list(sys.modules):
        if name.partition(".")[0] in REDIRECTED and not isinstance(sys.modules[name], StandInModule):
            del sys.modules[name]
    shadow = str(SHADOW_FOLDER)
    if shadow not in sys.path:
        sys.path.insert(1, shadow)  # behind the folder of the script
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if shadow not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join([shadow, *filter(None, paths)])
