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
from legm.integrations.wrapped_functions import wrap_function, wrapped_function

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

        if (own := vars(base).get("__init_subclass__")) is None:
            undo.callback(delattr, base, "__init_subclass__")
        else:
            undo.callback(setattr, base, "__init_subclass__", own)
        base.__init_subclass__ = classmethod(watch_new_class)
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
            if (kind, name) not in self._replaced and name in vars(kind):
                self._replaced.add((kind, name))
                report = functools.partial(self._report, "score" if name == "score" else "fit")
                undo.callback(wrap_function(kind, name, report))

    def replace_function(self, function: Any, undo: contextlib.ExitStack) -> None:
        """Let a function report its calls, under whatever names the program has imported it."""
        for cell in function.__closure__ or ():
            if cell.cell_contents is function.__wrapped__:
                undo.callback(setattr, cell, "cell_contents", cell.cell_contents)
                report = functools.partial(self._report, function.__name__)
                cell.cell_contents = wrapped_function(cell.cell_contents, report)

    def _report(self, call: str, method: Any, *args: Any, **keywords: Any) -> Any:
        """Make a call that is watched."""
        current = inspect.currentframe()
        wrapper = current.f_back if current is not None else None
        caller: Any = wrapper.f_back if wrapper is not None else None
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
                data = args[1] if len(args) > 1 else keywords.get("X")
                name = _sklearn_data_name(data, caller) if call == "score" else ""
                self._take(SklearnCall(call, estimator, result, data=name))
            return result
        finally:
            self._is_inside = False


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


def _sklearn_subclasses(kind: type) -> Iterator[type]:
    yield kind
    inner: list[type] = kind.__subclasses__()
    for one in inner:
        yield from _sklearn_subclasses(one)
