"""Reports the calls of a script that legm does not record: each once by name, and all of them at the end."""

from __future__ import annotations

import logging

from legm.compat.unsupported_names import reason_for
from legm.errors import NotSupported

__all__ = ["UnsupportedCalls"]

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

    def report_unsupported(self, name: str, why: str | None = None) -> None:
        """Report that something is not recorded.

        Args:
            name: the call or value.
            why: the reason; None for that of the table of unsupported names.

        Raises:
            NotSupported: such a call is an error (``strict``).
        """
        why = reason_for(name) if why is None else why
        if self.strict:
            raise NotSupported(f"{name} is not recorded: {why} (LEGM_COMPAT_STRICT is set)")
        if name not in self.unsupported:
            self.unsupported[name] = why
            log.warning("%s is not recorded: %s", name, why)

    def report_unknown_value(self, name: str) -> None:
        """Report that something is not recorded since its value stands for a name that legm does not have.

        Args:
            name: of what has the value.

        Raises:
            NotSupported: as for :meth:`report_unsupported`.
        """
        self.report_unsupported(name, "legm does not know the value")

    def summary(self) -> str:
        """One line for the end of the script; "" if everything was recorded."""
        return "not recorded: " + ", ".join(sorted(self.unsupported)) if self.unsupported else ""
