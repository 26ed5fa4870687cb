"""What mlflow's autologging has in common for every library: whether a training is logged, and in which run.

A library's functions are wrapped once the script has imported it. Of trainings inside another one, such as
the fits of a search over parameters, the outer one is logged. What cannot be logged is said, and the training
goes on.
"""

from __future__ import annotations

import functools
import inspect
import pydoc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import MethodType, ModuleType
from typing import Any

from legm.compat.import_hooks import add_import_hook
from legm.compat.mlflow import fluent
from legm.compat.mlflow.exceptions import MlflowException
from legm.compat.session import SESSION
from legm.errors import LegmError

__all__ = ["TRAININGS", "Autologging", "Trainings", "given", "loggable", "replace"]


class Trainings:
    """The trainings that are going on, each inside the one before."""

    def __init__(self) -> None:
        self._stack: list[tuple[Any, bool]] = []
        self._begun: str | None = None

    @property
    def none(self) -> bool:
        """Whether nothing is being trained."""
        return not self._stack

    def logs(self, subject: Any) -> bool:
        """Whether a training is logged that begins now.

        Args:
            subject: what is trained: a method that calls the same object's is one training.
        """
        return all(inner and one is not subject for one, inner in self._stack)

    def of_user(self) -> bool:
        """Whether the active run is one that autologging did not begin."""
        return bool(fluent.ACTIVE.runs) and fluent.ACTIVE.runs[-1] != self._begun

    @contextmanager
    def inside(self, subject: Any, *, inner: bool) -> Iterator[None]:
        """A training, and whether those inside it are logged too."""
        self._stack.append((subject, inner))
        try:
            yield
        finally:
            self._stack.pop()

    @contextmanager
    def in_run(self, tags: Mapping[str, Any] | None) -> Iterator[None]:
        """In the active run, or in one of its own where there is none."""
        if fluent.ACTIVE.runs:
            yield
            return
        try:
            self._begun = fluent.start_run(tags=tags).info.run_id
        except (LegmError, MlflowException) as error:
            SESSION.notices.report_unsupported("a run that mlflow's autologging begins", str(error))
        try:
            yield
        except BaseException:
            fluent.end_run("FAILED")
            raise
        else:
            fluent.end_run()


TRAININGS = Trainings()


class Autologging:
    """One library's.

    Args:
        library: as in ``mlflow.<library>``.
        arguments: the names of its options, in mlflow's order.
        wraps: by a module's name what wraps its functions.
    """

    def __init__(
        self, library: str, arguments: Sequence[str], wraps: Mapping[str, Callable[[Any], object]]
    ) -> None:
        self.library = library
        self.on = False
        self._arguments = arguments
        self._wraps = dict(wraps)
        self._options: dict[str, Any] = {}
        self._told = False

    def autolog(self, *args: Any, **options: Any) -> None:
        """Log every training from now on; with ``disable=True`` none."""
        self._told = True
        self._set(dict(zip(self._arguments, args, strict=False)) | options)

    def with_all(self, options: Mapping[str, Any]) -> None:
        """The same by ``mlflow.autolog()``, which changes nothing where the library's own was called."""
        if not self._told:
            self._set(options)

    def _set(self, options: Mapping[str, Any]) -> None:
        self.on = not options.get("disable", False)
        self._options = dict(options)
        while self.on and self._wraps:
            name, wrap = self._wraps.popitem()
            add_import_hook(name, partial(self._wrap_with, wrap))

    def _wrap_with(self, wrap: Callable[[Any], object], module: Any) -> None:
        with self.apart("training"):  # it may be of another kind than is known here
            wrap(module)

    def option(self, name: str, default: Any = None) -> Any:
        """What was said of an option."""
        return self._options.get(name, default)

    def wrap(self, place: Any, name: str, logged: Callable[..., Any], *, inner: bool = False) -> None:
        """Have a function or method that trains be logged, if there is one of this name.

        Args:
            place: the module or class.
            name: the function's name.
            logged: called in place of it with the original first.
            inner: whether trainings inside it are logged too.
        """

        def call(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            subject = args[0] if args else None
            if (
                not self.on
                or not TRAININGS.logs(subject)
                or (self.option("exclusive") and TRAININGS.of_user())
            ):
                return original(*args, **kwargs)
            with TRAININGS.inside(subject, inner=inner), TRAININGS.in_run(self.option("extra_tags")):
                return logged(original, *args, **kwargs)

        replace(place, name, call)

    @contextmanager
    def apart(self, what: str) -> Iterator[None]:
        """Log something: an error is said, and does not reach the training."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, the script did not ask for it
            SESSION.notices.report_unsupported(f"{what} by mlflow.{self.library}.autolog", str(error))

    def log_params(self, values: Mapping[str, Any]) -> None:
        """Set parameters of the active run."""
        with self.apart("parameters"):
            fluent.log_params({str(name): loggable(value) for name, value in values.items()})

    def log_metrics(self, values: Mapping[str, Any], step: int | None = None) -> None:
        """Set metrics of the active run; ``@`` in their names, as in ``ndcg@3``, becomes ``_at_``."""
        with self.apart("metrics"):
            fluent.log_metrics({name.replace("@", "_at_"): value for name, value in values.items()}, step)


def replace(place: Any, name: str, call: Callable[..., Any]) -> None:
    """Put a function around another one, which it gets as its first argument."""
    raw = inspect.getattr_static(place, name, None)
    if raw is None:
        return
    if hasattr(raw, "fn") and hasattr(raw, "check"):  # scikit-learn's methods that depend on a condition
        place, name, raw = raw, "fn", raw.fn
    original = getattr(place, name)
    if not callable(original) or isinstance(raw, property):
        return

    if isinstance(place, ModuleType):
        setattr(place, name, _Around(call, original, f"{place.__name__}.{name}"))
        return

    @functools.wraps(original)
    def around(*args: Any, **kwargs: Any) -> Any:
        return call(original, *args, **kwargs)

    setattr(place, name, around)


class _Around:
    """A module's function with another one around it; another process gets what its module has there."""

    def __init__(self, call: Callable[..., Any], original: Callable[..., Any], name: str) -> None:
        functools.update_wrapper(self, original)
        self._call = call
        self._original = original
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(self._original, *args, **kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __reduce__(self) -> Any:
        return pydoc.locate, (self._name,)


def given(call: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """What a function is called with, by name."""
    return dict(zip(inspect.signature(call).parameters, args, strict=False)) | dict(kwargs)


def loggable(value: Any) -> Any:
    """A parameter's value: what is no plain value, such as an estimator, as its text."""
    simple = (str, int, float, bool, type(None))
    if isinstance(value, simple) or hasattr(value, "dtype"):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(one, simple) for one in value):
        return value
    if callable(value) and hasattr(value, "__qualname__"):  # its text has an address
        return f"{value.__module__}.{value.__qualname__}"
    return str(value)
