"""Calls a function once the script has imported a module, so that legm does not import it itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["call_when_imported"]


def call_when_imported(name: str, call: Callable[[ModuleType], object]) -> None:
    """Call a function with a module: now if the module is imported already, else right after its import.

    Args:
        name: the full name of the module.
        call: called with the module.
    """
    module = sys.modules.get(name)
    if module is not None and not getattr(module.__spec__, "_initializing", False):
        call(module)
        return
    hooks = next((finder for finder in sys.meta_path if isinstance(finder, _CallbackFinder)), None)
    if hooks is None:
        hooks = _CallbackFinder()
        sys.meta_path.insert(0, hooks)
    hooks.calls.setdefault(name, []).append(call)


class _CallbackFinder(MetaPathFinder):
    """Lets the other finders find a module, and calls its hooks once it has been executed."""

    def __init__(self) -> None:
        self.calls: dict[str, list[Callable[[ModuleType], object]]] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module that has hooks, with a loader that calls them after the import."""
        if name not in self.calls:
            return None
        finders: list[Any] = [finder for finder in sys.meta_path if finder is not self]
        for finder in finders:
            spec: ModuleSpec | None = finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:  # a namespace package has none
                    self._call_after_loading(name, spec.loader)
                return spec
        return None

    def _call_after_loading(self, name: str, loader: Any) -> None:
        execute = loader.exec_module

        def import_and_call(module: ModuleType) -> None:
            del loader.exec_module
            execute(module)
            calls = self.calls[name]
            while calls:  # a hook may add another one
                calls.pop(0)(module)
            del self.calls[name]

        loader.exec_module = import_and_call
