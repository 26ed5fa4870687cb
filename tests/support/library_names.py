"""Makes the tables of the public names of wandb and mlflow: ``python -m tests.support.library_names``.

The tables are in ``legm/compat/public_names``, one a library and version, made from the installed libraries.
"""

from __future__ import annotations

import contextlib
import enum
import importlib
import inspect
import io
import logging
import pkgutil
import re
import sys
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from legm.compat.public_names import HEADER, TABLES, PublicName

PARTS = {
    "wandb": (
        r"apis|apis\.public|data_types|env|errors(\.\w+)?|integration(\.\w+){0,2}|plot|sklearn|util|wandb_run",
        r"sdk|sdk\.(artifacts|artifacts\.artifact|data_types(\.\w+){0,2})",
        r"sdk\.lib|sdk\.lib\.(config_util|disabled|ipython|runid|telemetry)",
        r"sdk\.wandb_(alerts|config|init|login|run|settings|setup|summary|sweep|watch)",
    ),
    "mlflow": (
        r"\w+|data\.\w+|entities\.\w+|models\.\w+|protos\.databricks_pb2|pyfunc\.\w+|pytorch\.\w+",
        r"store\.(entities|tracking)|tracking\.\w+|tracking\.context\.registry|types\.\w+",
        r"utils\.(annotations|autologging_utils|environment|file_utils|logging_utils|mlflow_tags)",
        r"utils\.(name_utils|time|uri|validation)",
    ),
}
"""The modules below each library that scripts and clients import: patterns of what follows its name."""
NOT_IMPORTED = {
    "wandb": r"integration\.(kfp|prodigy|weave)\b.*",
    "mlflow": r"cli|db|experiments|runs|mcp|mismatch|protos|server|store|agent|assistant|demo|gateway",
}
"""What does something when it is imported, or is the library's own command line or server."""
PLAIN = (bool, int, float, str, bytes, type(None))


def module_names(library: str) -> list[str]:
    """The full names of the library's modules that the table is about."""
    package = importlib.import_module(library)
    below = [
        found.name for found in pkgutil.walk_packages(package.__path__, f"{library}.", onerror=lambda _: None)
    ]
    allowed, refused = re.compile("|".join(PARTS[library])), re.compile(NOT_IMPORTED.get(library, "(?!)"))
    names = [name for name in below if not any(part.startswith("_") for part in name.split("."))]
    inner = {name: name.removeprefix(f"{library}.") for name in names}
    return [
        library,
        *(name for name in names if allowed.fullmatch(inner[name]) and not refused.fullmatch(inner[name])),
    ]


def imported_modules(library: str, *, only_imported: bool = False) -> Iterator[ModuleType]:
    """The modules that can be imported with what is installed, or those that the library itself imports."""
    for name in module_names(library):
        if only_imported and name not in sys.modules:
            continue
        with contextlib.suppress(Exception, SystemExit):
            yield importlib.import_module(name)


def is_plain(value: Any) -> bool:
    """Whether a value is written as a literal that means the same on every machine."""
    if type(value) in {tuple, list}:
        return all(is_plain(one) for one in value) and len(repr(value)) < 300
    return type(value) in PLAIN and len(repr(value)) < 300 and not re.search(r"/\w+/|\\\\|0x", repr(value))


def signature(value: Any) -> str:
    """The parameters' names and plain defaults; "" where they cannot be read."""
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return ""
    if len(parameters) > 40:  # settings, whose defaults are of this machine too
        return f"({', '.join(f'{one.name}=…' for one in parameters)})"
    found = []
    for one in parameters:
        stars = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
        default = "" if one.default is one.empty else f"={one.default!r}" if is_plain(one.default) else "=…"
        found.append(f"{stars}{one.name}{default}")
    return f"({', '.join(found)})"


def describe(library: str, module: str, name: str, value: Any) -> Iterator[PublicName]:
    """The rows of one name: none where it is another library's."""
    home = getattr(value, "__module__", None) or ""
    own = f"{home}.{getattr(value, '__qualname__', name)}"
    # What a function made is not found by its name; else its parameters are said where it is defined.
    origin = "" if own == f"{module}.{name}" or "<locals>" in own else own
    if inspect.ismodule(value):
        if value.__name__.partition(".")[0] == library:
            origin = "" if value.__name__ == f"{module}.{name}" else value.__name__
            yield PublicName(module, name, "module", "", origin)
    elif is_plain(value):
        yield PublicName(module, name, "value", repr(value), "")
    elif home.partition(".")[0] != library:
        return
    elif inspect.isclass(value) and issubclass(value, BaseException):
        bases = [f"{one.__module__}.{one.__qualname__}" for one in value.__mro__[1:]]
        yield PublicName(module, name, "error", bases[0], origin)
    elif inspect.isclass(value):
        yield PublicName(module, name, "class", "" if origin else signature(value), origin)
        for inner, one in vars(value).items():
            plain = one.value if isinstance(one, enum.Enum) else one
            if inner.isupper() and not inner.startswith("_") and is_plain(plain):
                yield PublicName(module, f"{name}.{inner}", "value", repr(plain), "")
    elif isinstance(getattr(value, "__qualname__", None), str):
        yield PublicName(module, name, "function", "" if origin else signature(value), origin)
    else:
        yield PublicName(module, name, "object", "", "")


def names_of(library: str, *, only_imported: bool = False) -> list[PublicName]:
    """The rows of the library that is installed."""
    found: list[PublicName] = []
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.disable()
        for module in imported_modules(library, only_imported=only_imported):
            listed = {*dir(module), *(getattr(module, "__all__", None) or ())}
            for name in sorted(one for one in listed if not one.startswith("_")):
                with contextlib.suppress(Exception):
                    found += describe(library, module.__name__, name, getattr(module, name))
        logging.disable(logging.NOTSET)
    return sorted(set(found))


def main() -> None:
    """Write the tables of the installed libraries."""
    for library in sys.argv[1:] or PARTS:
        version = ".".join(importlib.import_module(library).__version__.split(".")[:2])
        path = TABLES / f"{library}-{version}.tsv"
        lines = ["\t".join(row).rstrip("\t") for row in names_of(library)]
        path.write_text("\n".join([HEADER, *lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
