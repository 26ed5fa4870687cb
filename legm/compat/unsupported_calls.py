"""Reports the calls of a script that legm does not record: each once by name, and all of them at the end."""

from __future__ import annotations

import logging
from types import FunctionType
from typing import Any

from legm.errors import NotSupported

__all__ = ["NullObject", "UnsupportedCalls"]

log = logging.getLogger("legm.compat")


class UnsupportedCalls:
    """The calls that were not recorded.

    Args:
        strict: whether such a call is an error.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self.unsupported: dict[str, str] = {}
        """By the name of the call, why it is not recorded."""

    def report_unsupported(self, name: str, why: str = "legm does not support this call") -> None:
        """Report that something is not recorded.

        Args:
            name: the call or value.
            why: the reason.

        Raises:
            NotSupported: such a call is an error (``strict``).
        """
        if self.strict:
            raise NotSupported(f"{name} is not recorded: {why} (LEGM_COMPAT_STRICT is set)")
        if name not in self.unsupported:
            self.unsupported[name] = why
            log.warning("%s is not recorded: %s", name, why)

    def make_null_object(self, name: str) -> NullObject:
        """A stand-in for ``name`` that accepts every further call."""
        return NullObject(name, self)

    def summary(self) -> str:
        """One line for the end of the script; "" if everything was recorded."""
        return "not recorded: " + ", ".join(sorted(self.unsupported)) if self.unsupported else ""


class NullObject:
    """Accepts every call and is false, empty, a context manager, and a decorator that changes nothing."""

    def __init__(self, name: str, notices: UnsupportedCalls) -> None:
        self.__dict__.update(_name=name, _notices=notices)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Accept the call; a function or class that is decorated is returned unchanged."""
        self._notices.report_unsupported(self._name)
        if len(args) == 1 and not kwargs and isinstance(args[0], (FunctionType, type)):
            return args[0]
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return NullObject(f"{self._name}.{name}", self._notices)

    def __setattr__(self, name: str, value: Any) -> None:
        self._notices.report_unsupported(f"{self._name}.{name}")

    def __getitem__(self, key: Any) -> NullObject:
        return self

    def __setitem__(self, key: Any, value: Any) -> None:
        self._notices.report_unsupported(self._name)

    def __enter__(self) -> NullObject:
        self._notices.report_unsupported(self._name)
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __iter__(self) -> Any:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return False

    def __contains__(self, item: object) -> bool:
        return False

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return ()  # a subclass of it is an ordinary class

    def __instancecheck__(self, instance: object) -> bool:
        return False

    def __subclasscheck__(self, subclass: type) -> bool:
        return False

    def __format__(self, spec: str) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"<{self._name}: not recorded by legm>"
