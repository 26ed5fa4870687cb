"""The parameters of a run, from the script's names and values to those of a handler."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from legm.compat.null_objects import contains_null_object
from legm.compat.settings import Settings
from legm.compat.unsupported_calls import UnsupportedCalls
from legm.core.addresses import plain_without_addresses, without_addresses
from legm.core.naming import check_name
from legm.core.parameters import NameRule, Parameters
from legm.core.plain_form import from_plain, to_plain
from legm.errors import ParameterError, UnstableValue
from legm.handler import ExperimentHandler
from legm.records import Plain

__all__ = ["ScriptParameters"]


class ScriptParameters:
    """Parameters in plain form, by the names that the script gave them.

    Args:
        notices: receives what cannot be recorded.
        values: the parameters of the run that is resumed.
    """

    def __init__(self, notices: UnsupportedCalls, values: Mapping[str, Plain]) -> None:
        self.values = dict(values)
        self._notices = notices

    def set(self, values: Mapping[str, Any], *, instead: bool) -> bool:
        """Set parameters; ``instead`` drops all earlier ones first.

        Returns:
            whether any parameter changed.
        """
        before = dict(self.values)
        if instead:
            self.values.clear()
        for name, value in values.items():
            if contains_null_object((name, value)):
                self._notices.report_unknown_value(f"parameter {name!s:.40}")
                continue
            try:
                check_name("parameter", name, ParameterError)
                self.values[name] = plain_without_addresses(to_plain(name, value))
            except UnstableValue:  # such as an object, of which W&B and MLflow keep the text too
                self.values[name] = without_addresses(str(value))
            except ParameterError as error:
                self._notices.report_unsupported(f"parameter {str(name)[:40]!r}", str(error))
        return before != self.values

    def join(self, values: Mapping[str, Plain]) -> bool:
        """Set parameters in plain form that another process set.

        Returns:
            whether any parameter changed.
        """
        before = dict(self.values)
        self.values |= values
        return before != self.values

    def to_parameters(self, settings: Settings, began: float) -> tuple[Parameters, dict[str, str]]:
        """The parameters of a configuration, with those that are not compared and those in its name.

        Args:
            settings: which parameters are compared.
            began: when the run began, in seconds since 1970.

        Returns:
            the parameters, and the script's name by the new name for those that had to be renamed.
        """
        names, now = self._handler_names(), time.time()
        parameters = Parameters()
        parameters.set({names[name]: from_plain(value) for name, value in self.values.items()})
        parameters.disable(
            names[name]
            for name, value in self.values.items()
            if not settings.is_compared(name, value, began, now)
        )
        for at, name in enumerate(settings.name_parameters):
            if name in self.values:
                parameters.set_name_rule([names[name]], NameRule(priority=len(settings.name_parameters) - at))
        return parameters, {new: name for name, new in names.items() if new != name}

    def _handler_names(self) -> dict[str, str]:
        """A name that the handler accepts for each name: names of its own attributes get a ``_`` appended."""
        found: dict[str, str] = {}
        for name in self.values:
            new = name
            while hasattr(ExperimentHandler, new) or (new != name and new in {*self.values, *found.values()}):
                new += "_"
            found[name] = new
        return found
