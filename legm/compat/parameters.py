"""The parameters of a run as a script sets them, and as a handler takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from legm.compat.notices import Notices
from legm.compat.settings import Settings
from legm.core.identity import check_text, plain
from legm.core.parameters import NameRule, Parameters
from legm.errors import ParameterError, UnstableValue
from legm.handler import ExperimentHandler
from legm.records import Plain

__all__ = ["GivenParameters"]


class GivenParameters:
    """Parameters by the names the script gave them, in plain form.

    Args:
        notices: takes what cannot be recorded.
        values: those of an earlier run.
    """

    def __init__(self, notices: Notices, values: Mapping[str, Plain]) -> None:
        self.values = dict(values)
        self._notices = notices
        self._unstable: set[str] = set()

    def set(self, values: Mapping[str, Any], *, instead: bool) -> bool:
        """Set some, or instead of all that were set.

        Returns:
            whether they are others now.
        """
        before = dict(self.values)
        if instead:
            self.values.clear()
        for name, value in values.items():
            try:
                check_text("parameter", name, ParameterError)
                self.values[name] = plain(name, value)
                self._unstable.discard(name)
            except UnstableValue:
                kind = type(value).__qualname__
                why = f"a {kind} is not the same in every process, so that it is not compared"
                self._notices.report_unsupported(f"the value of parameter {name!r}", why)
                self.values[name] = f"<{kind}>"
                self._unstable.add(name)
            except ParameterError as error:
                self._notices.report_unsupported(f"parameter {str(name)[:40]!r}", str(error))
        return before != self.values

    def as_parameters(self, settings: Settings) -> tuple[Parameters, dict[str, str]]:
        """They as a configuration is made of them: what is not compared, and what names it.

        Returns:
            the parameters, and by its name there what is called otherwise.
        """
        names = self._names()
        made = Parameters()
        made.set({names[name]: value for name, value in self.values.items()})
        made.disable(
            names[name] for name in self.values if name in self._unstable or not settings.compares(name)
        )
        for at, name in enumerate(settings.named):
            if name in self.values:
                made.name([names[name]], NameRule(priority=len(settings.named) - at))
        return made, {new: name for name, new in names.items() if new != name}

    def _names(self) -> dict[str, str]:
        """For each name one that a handler takes: its own names get ``_`` behind them."""
        found: dict[str, str] = {}
        for name in self.values:
            new = name
            while hasattr(ExperimentHandler, new) or (new != name and new in {*self.values, *found.values()}):
                new += "_"
            found[name] = new
        return found
