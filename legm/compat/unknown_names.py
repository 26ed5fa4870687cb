"""What a script gets for a public name of wandb or mlflow that no module of legm has.

The tables of public names say what it is: a constant has its value, an error its base class, and a name that
has another one in legm is the same object.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import importlib.util
import re
import sys
from functools import lru_cache
from typing import Any

from legm.compat.null_objects import NullObject, make_null_class
from legm.compat.public_names import PublicName, PublicNames, public_names
from legm.compat.script_session import SESSION
from legm.compat.stand_in_modules import home_module, stand_in_module

__all__ = ["answered_name", "unknown_attribute", "unknown_name"]

_ERROR = re.compile(r"[A-Z]\w*[a-z]\w*(Error|Exception|Warning)")
_CLASS = re.compile(r"_?[A-Z]\w*[a-z]\w*")
_CONSTANT = re.compile(r"[A-Z][A-Z0-9_]+")
_LIMIT = re.compile(r"(MAX|LIMIT|LENGTH|SIZE|COUNT|TIMEOUT)")
_CLIENT_CLASSES = {
    "keras": ("keras.callbacks", "Callback"),
    "lightning": ("lightning.pytorch.callbacks", "Callback"),
    "pytorch_lightning": ("pytorch_lightning.callbacks", "Callback"),
    "sb3": ("stable_baselines3.common.callbacks", "BaseCallback"),
    "tensorflow": ("keras.callbacks", "Callback"),
    "transformers": ("transformers", "TrainerCallback"),
    "xgboost": ("xgboost.callback", "TrainingCallback"),
    "fastai": ("fastai.callback.core", "Callback"),
}
"""By a part of a module's name, the class that the client requires of callbacks from there."""


def answered_name(table: PublicNames, name: str) -> Any:
    """The object of legm that stands for a name or for another name of the same object; None for none.

    Args:
        table: the library's public names.
        name: the full name.
    """
    row = table.by_name.get(name)
    for path in [name] if row is None else table.paths[row.origin or name]:
        module, _, short = path.rpartition(".")
        home = home_module(module)
        if short in getattr(home, "__all__", ()):
            return getattr(home, short)
        if row is not None and home is not None and short in vars(home):
            return vars(home)[short]
    return None


def unknown_name(name: str) -> Any:
    """What stands for a name that the module in it does not have.

    Args:
        name: the full name, as ``wandb.sdk.lib.RunDisabled``.
    """
    library = name.partition(".")[0]
    table = public_names(library)
    row = table.by_name.get(name)
    if name in table.modules or home_module(name) is not None or (row and row.kind == "module"):
        return stand_in_module((row and row.origin) or name)
    if row is not None and row.kind == "value":
        return ast.literal_eval(row.detail)
    answered = answered_name(table, name)
    if answered is not None:
        return answered
    if row is None:
        return _made_for_unknown(name, None)
    paths = {name, *table.paths[row.origin or name]}
    shortest = min(paths, key=lambda path: (path.count("."), path))  # what a script most likely writes
    return _made_for_unknown(shortest, table.by_name[shortest])


def unknown_attribute(module: str, name: str) -> Any:
    """What ``__getattr__`` of a module of legm returns for a name that the module does not have.

    Args:
        module: the full name of the library's module.
        name: in the module.

    Raises:
        AttributeError: it is one of Python's own names, such as ``__file__``.
    """
    if name.startswith("__"):
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    return unknown_name(f"{module}.{name}")


@lru_cache(maxsize=4096)
def _made_for_unknown(name: str, row: PublicName | None) -> Any:
    module, _, short = name.rpartition(".")
    kind = _unknown_kind_by_spelling(module, short) if row is None else row.kind
    if kind == "error":
        return _unknown_error_class(name, row)
    if kind == "class":
        return make_null_class(
            name, SESSION.notices, _unknown_client_class(module), _constants_of_unknown(module, short)
        )
    if kind == "value":
        return sys.maxsize if _LIMIT.search(short) else short
    return NullObject(name, SESSION.notices)


def _unknown_kind_by_spelling(module: str, short: str) -> str:
    if _ERROR.fullmatch(short) or (
        module.rpartition(".")[2] in {"errors", "exceptions"} and _CLASS.fullmatch(short)
    ):
        return "error"
    if _CLASS.fullmatch(short):
        return "class"
    return "value" if _CONSTANT.fullmatch(short) else "function"


def _constants_of_unknown(module: str, short: str) -> dict[str, Any]:
    """The constants of a class, such as the members of an enumeration, by name."""
    rows = public_names(module.partition(".")[0]).by_name.values()
    inner = [row for row in rows if row.module == module and row.name.startswith(f"{short}.")]
    return {row.name.partition(".")[2]: ast.literal_eval(row.detail) for row in inner}


def _unknown_error_class(name: str, row: PublicName | None) -> type:
    """A class for ``except``, below the class that the library's is below."""
    library = name.partition(".")[0]
    table = public_names(library)
    base = "" if row is None else row.detail
    if base.startswith("builtins."):
        found = getattr(builtins, base.partition(".")[2])
    elif base in table.paths:
        found = unknown_name(table.paths[base][0])
    else:
        found = Exception
    module, _, short = name.rpartition(".")
    return type(short, (found,), {"__module__": module})


def _unknown_client_class(module: str) -> type | None:
    """The class that the objects of a callback's class are instances of, where the client is installed."""
    for part in module.split(".")[1:]:
        if part in _CLIENT_CLASSES:
            home, short = _CLIENT_CLASSES[part]
            try:
                found = importlib.util.find_spec(home.partition(".")[0])
                return None if found is None else getattr(importlib.import_module(home), short)
            except (ImportError, AttributeError, ValueError):
                return None
    return None
