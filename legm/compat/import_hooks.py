"""Calls that wait until the script imports a module, so that legm does not import it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["add_import_hook"]


def add_import_hook(name: str, call: Callable[[ModuleType], object]) -> None:
    """Call with a module: at once where it is imported already, else right after its import."""
    module = sys.modules.get(name)
    if module is not None and not getattr(module.__spec__, "_initializing", False):
        call(module)
        return
    waiting = next((finder for finder in sys.meta_path if isinstance(finder, _Waiting)), None)
    if waiting is None:
        waiting = _Waiting()
        sys.meta_path.insert(0, waiting)
    waiting.calls.setdefault(name, []).append(call)


class _Waiting(MetaPathFinder):
    """Finds nothing itself: it lets the others find a module, and sees when it has been executed."""

    def __init__(self) -> None:
        self.calls: dict[str, list[Callable[[ModuleType], object]]] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module that is waited for, with a loader that calls afterwards."""
        if name not in self.calls:
            return None
        finders: list[Any] = [finder for finder in sys.meta_path if finder is not self]
        for finder in finders:
            spec: ModuleSpec | None = finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:  # a folder without a module has none
                    self._hook(name, spec.loader)
                return spec
        return None

    def _hook(self, name: str, loader: Any) -> None:
        execute = loader.exec_module

        def then_call(module: ModuleType) -> None:
            del loader.exec_module
            execute(module)
            calls = self.calls[name]
            while calls:  # which may ask for others
                calls.pop(0)(module)
            del self.calls[name]

        loader.exec_module = then_call
