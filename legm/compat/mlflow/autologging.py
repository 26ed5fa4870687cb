"""mlflow's autologging, as far as all libraries share it: whether and in which run a training is logged.

A library's functions are wrapped once the script has imported it. If a training runs inside another one, such
as the fits of a hyperparameter search, the outer one is logged. What cannot be logged is reported, and the
training continues.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from legm.compat.import_callbacks import call_when_imported
from legm.compat.mlflow import fluent
from legm.compat.mlflow.exceptions import MlflowException
from legm.compat.script_session import SESSION
from legm.errors import LegmError
from legm.integrations.wrapped_functions import wrap_function

__all__ = [
    "TRAINING_STACK",
    "AutologgedTrainings",
    "Autologging",
    "autologged_arguments",
    "autologged_param_value",
]


class AutologgedTrainings:
    """The trainings that are running, each nested in the one before."""

    def __init__(self) -> None:
        self._stack: list[tuple[Any, bool]] = []
        self._begun: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no training is running."""
        return not self._stack

    def should_log(self, subject: Any) -> bool:
        """Whether to log a training that begins now.

        Args:
            subject: the object that is trained; a method that calls another one of the same object is one
                training.
        """
        return all(inner and one is not subject for one, inner in self._stack)

    def has_user_run(self) -> bool:
        """Whether the active run was begun by the user and not by autologging."""
        return bool(fluent.ACTIVE.runs) and fluent.ACTIVE.runs[-1] != self._begun

    @contextmanager
    def enter(self, subject: Any, *, inner: bool) -> Iterator[None]:
        """Run a training; ``inner`` is whether trainings nested in it are logged too."""
        self._stack.append((subject, inner))
        try:
            yield
        finally:
            self._stack.pop()

    @contextmanager
    def in_run(self, tags: Mapping[str, Any] | None) -> Iterator[None]:
        """Run in the active run, or in a new one if there is none."""
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


TRAINING_STACK = AutologgedTrainings()


class Autologging:
    """The autologging of one library.

    Args:
        library: the library's name in mlflow: ``mlflow.<library>``.
        arguments: the names of the options, in mlflow's order.
        wrappers: by module name, the function that wraps the module's functions.
    """

    def __init__(
        self, library: str, arguments: Sequence[str], wrappers: Mapping[str, Callable[[Any], object]]
    ) -> None:
        self.library = library
        self.is_on = False
        self._arguments = arguments
        self._wrappers = dict(wrappers)
        self._options: dict[str, Any] = {}
        self._is_configured = False

    def autolog(self, *args: Any, **options: Any) -> None:
        """Log every training from now on; with ``disable=True``, none."""
        self._is_configured = True
        self._set(dict(zip(self._arguments, args, strict=False)) | options)

    def apply_global_options(self, options: Mapping[str, Any]) -> None:
        """Apply the options of ``mlflow.autolog()``, unless the library's own ``autolog()`` was called."""
        if not self._is_configured:
            self._set(options)

    def _set(self, options: Mapping[str, Any]) -> None:
        self.is_on = not options.get("disable", False)
        self._options = dict(options)
        while self.is_on and self._wrappers:
            name, wrap = self._wrappers.popitem()
            call_when_imported(name, partial(self._wrap_with, wrap))

    def _wrap_with(self, wrap: Callable[[Any], object], module: Any) -> None:
        with self.report_errors("training"):  # the installed version may be an unknown one
            wrap(module)

    def option(self, name: str, default: Any = None) -> Any:
        """The value of an option."""
        return self._options.get(name, default)

    def wrap(self, owner: Any, name: str, logged: Callable[..., Any], *, inner: bool = False) -> None:
        """Log a function or method that trains, if there is one of this name.

        Args:
            owner: the module or class.
            name: the function's name.
            logged: called instead of it, with the original function as the first argument.
            inner: whether trainings nested in it are logged too.
        """

        def call(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            subject = args[0] if args else None
            if (
                not self.is_on
                or not TRAINING_STACK.should_log(subject)
                or (self.option("exclusive") and TRAINING_STACK.has_user_run())
            ):
                return original(*args, **kwargs)
            with TRAINING_STACK.enter(subject, inner=inner), TRAINING_STACK.in_run(self.option("extra_tags")):
                return logged(original, *args, **kwargs)

        wrap_function(owner, name, call)

    @contextmanager
    def report_errors(self, what: str) -> Iterator[None]:
        """Log something: an error is reported, and does not reach the training."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - any error here is not one of the script
            SESSION.notices.report_unsupported(f"{what} by mlflow.{self.library}.autolog", str(error))

    def log_params(self, values: Mapping[str, Any]) -> None:
        """Set parameters of the active run."""
        with self.report_errors("parameters"):
            fluent.log_params({str(name): autologged_param_value(value) for name, value in values.items()})

    def log_metrics(self, values: Mapping[str, Any], step: int | None = None) -> None:
        """Set metrics of the active run; ``@`` in their names, as in ``ndcg@3``, becomes ``_at_``."""
        with self.report_errors("metrics"):
            fluent.log_metrics({name.replace("@", "_at_"): value for name, value in values.items()}, step)


def autologged_arguments(
    call: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments of a call, by name."""
    return dict(zip(inspect.signature(call).parameters, args, strict=False)) | dict(kwargs)


def autologged_param_value(value: Any) -> Any:
    """A value as a parameter: anything but a plain value, such as an estimator, as its text."""
    simple = (str, int, float, bool, type(None))
    if isinstance(value, simple) or hasattr(value, "dtype"):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(one, simple) for one in value):
        return value
    if callable(value) and hasattr(value, "__qualname__"):  # its text contains a memory address
        return f"{value.__module__}.{value.__qualname__}"
    return str(value)
