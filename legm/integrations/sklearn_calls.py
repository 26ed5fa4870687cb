"""Watches the calls with which a program fits and scores with scikit-learn, while a block is executed."""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from legm.integrations.lazy_classes import import_library_lazily

__all__ = ["SklearnCall", "watched_sklearn_calls"]

_FITS = ("fit", "fit_predict", "fit_transform")


@dataclass(frozen=True, slots=True)
class SklearnCall:
    """A call of the program's own, not of scikit-learn's.

    Args:
        name: ``fit``, ``score`` or ``cross_validate``.
        estimator: that was fitted or scored.
        result: what the call returned.
        error: what it raised, if so.
        data: for a score, the variable of the program that has the data; "" where there is none.
    """

    name: str
    estimator: Any
    result: Any = None
    error: BaseException | None = None
    data: str = ""


@contextlib.contextmanager
def watched_sklearn_calls(take: Callable[[SklearnCall], None]) -> Iterator[None]:
    """Report calls of a block, also on estimators that are imported in it, once they returned or raised.

    Calls that one estimator makes of another, and those in other processes, are not reported.

    Args:
        take: is called with each.
    """
    base = import_library_lazily("sklearn.base", "scikit-learn", "autolog").BaseEstimator
    validation = import_library_lazily("sklearn.model_selection", "scikit-learn", "autolog")
    watch = _SklearnWatch(take)
    with contextlib.ExitStack() as undo:
        for kind in [one for found in _sklearn_subclasses(base) for one in found.__mro__[:-1]]:
            watch.replace_methods(kind, undo)

        def watch_new_class(kind: type, /, **keywords: Any) -> None:
            super(base, kind).__init_subclass__(**keywords)
            watch.replace_methods(kind, undo)

        _replace_in_sklearn(base, "__init_subclass__", classmethod(watch_new_class), undo)
        watch.replace_function(validation.cross_validate, undo)
        yield


class _SklearnWatch(threading.local):
    """Whether a thread is in a call that is reported."""

    def __init__(self, take: Callable[[SklearnCall], None]) -> None:
        self._take = take
        self._is_inside = False
        self._replaced: set[tuple[type, str]] = set()

    def replace_methods(self, kind: type, undo: contextlib.ExitStack) -> None:
        """Let the methods that a class defines report their calls, until the block is left."""
        for name in (*_FITS, "score"):
            method = vars(kind).get(name)
            if (kind, name) in self._replaced or method is None:
                continue
            self._replaced.add((kind, name))
            if inspect.isfunction(method):
                _replace_in_sklearn(
                    kind, name, self._reporting("score" if name == "score" else "fit", method), undo
                )
            elif inspect.isfunction(inner := getattr(method, "fn", None)):  # there for some estimators only
                _replace_in_sklearn(
                    method, "fn", self._reporting("score" if name == "score" else "fit", inner), undo
                )

    def replace_function(self, function: Any, undo: contextlib.ExitStack) -> None:
        """Let a function report its calls, under whatever names the program has imported it."""
        for cell in function.__closure__ or ():
            if cell.cell_contents is function.__wrapped__:
                undo.callback(setattr, cell, "cell_contents", cell.cell_contents)
                cell.cell_contents = self._reporting(function.__name__, cell.cell_contents)

    def _reporting(self, call: str, method: Any) -> Any:
        @functools.wraps(method)
        def reporting(*args: Any, **keywords: Any) -> Any:
            current = inspect.currentframe()
            caller: Any = current.f_back if current is not None else None
            is_own = call == "cross_validate" or not _is_of_sklearn(caller.f_globals.get("__name__", ""))
            if self._is_inside or not is_own:
                return method(*args, **keywords)
            self._is_inside = True
            estimator = args[0] if args else keywords["estimator"]
            try:
                result = method(*args, **keywords)
            except (Exception, KeyboardInterrupt) as error:
                self._is_inside = False
                if call != "score" and _is_sklearn_model(estimator):
                    self._take(SklearnCall(call, estimator, error=error))
                raise
            else:
                if _is_sklearn_model(estimator):
                    data = (
                        _sklearn_data_name(args[1] if len(args) > 1 else keywords.get("X"), caller)
                        if call == "score"
                        else ""
                    )
                    self._take(SklearnCall(call, estimator, result, data=data))
                return result
            finally:
                self._is_inside = False

        return reporting


def _is_of_sklearn(module: str) -> bool:
    return module.partition(".")[0] == "sklearn"


def _is_sklearn_model(estimator: Any) -> bool:
    """Whether it does more than transform."""
    return hasattr(estimator, "predict") or hasattr(estimator, "fit_predict")


def _sklearn_data_name(data: Any, caller: Any) -> str:
    """The variable of the caller that has the data."""
    for variables in (caller.f_locals, caller.f_globals):
        for name, value in variables.items():
            if value is data:
                return str(name)
    return ""


def _replace_in_sklearn(owner: Any, name: str, value: Any, undo: contextlib.ExitStack) -> None:
    if name in vars(owner):
        undo.callback(setattr, owner, name, vars(owner)[name])
    else:
        undo.callback(delattr, owner, name)
    setattr(owner, name, value)


def _sklearn_subclasses(kind: type) -> Iterator[type]:
    yield kind
    inner: list[type] = kind.__subclasses__()
    for one in inner:
        yield from _sklearn_subclasses(one)
