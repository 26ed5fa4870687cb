"""Classes whose base classes are a library's, made on first use: importing the module imports no library."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

from legm.errors import LegmError

__all__ = ["import_library_lazily", "lazy_classes", "library_version"]


def import_library_lazily(module: str, package: str, needed_by: str) -> Any:
    """Import a module of a library.

    Args:
        module: the module.
        package: what is to be installed for it.
        needed_by: what of legm's needs it, for the error message.

    Raises:
        LegmError: the library is not installed. An error inside it is raised as it is.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        raise LegmError(f"{needed_by} needs {package}: install it with: pip install {package}") from error


def library_version(module: str) -> str:
    """A library with its version, such as ``transformers 5.24.0``."""
    return f"{module} {getattr(sys.modules.get(module), '__version__', '')}".strip()


def lazy_classes(
    module: str, bodies: Mapping[str, type], bases: Callable[[str], tuple[type, ...]]
) -> Callable[[str], Any]:
    """The ``__getattr__`` of a module that makes classes on first use.

    Args:
        module: the module's ``__name__``.
        bodies: by the class's public name, the class with all of its methods.
        bases: imports the library, and returns the base classes that follow the body; it is called with the
            public name.

    Returns:
        the function; a class that it made is kept in the module, so that it can be pickled.
    """

    def made_class(name: str) -> Any:
        if name not in bodies:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        body = bodies[name]
        members = {"__module__": module, "__qualname__": name, "__doc__": body.__doc__}
        made = type(name, (body, *bases(name)), members)
        return vars(sys.modules[module]).setdefault(name, made)

    return made_class
