"""Changes to parameters that configurations already have: what a run becomes by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from legm.core.absent_values import has_absent_value
from legm.core.amendment_changes import AmendmentChanges
from legm.core.parameters import Parameters
from legm.core.plain_form import canonical_plain_text, parameter_to_plain
from legm.errors import ParameterError
from legm.records import Configuration, Plain

__all__ = ["AmendedConfiguration", "AmendedRun"]


@dataclass(frozen=True, slots=True)
class AmendedRun:
    """What a run is after a change.

    Args:
        configuration: its configuration.
        parameters: the parameters that are not compared, with the run's values.
    """

    configuration: Configuration
    parameters: Mapping[str, Plain]


class AmendedConfiguration:
    """The runs of one configuration under changes.

    Args:
        configuration: what the runs are of now.
        changes: the changes.
    """

    def __init__(self, configuration: Configuration, changes: AmendmentChanges) -> None:
        self._old = configuration
        self._changes = changes
        self._absent = frozenset(
            name for name in configuration.parameters if has_absent_value(configuration, name)
        )
        self._known: dict[str, tuple[Configuration, frozenset[str]]] = {}
        # What was not compared before is of each run: of one without it, the value is not known.
        self._own = frozenset(
            changes.current_name(name)
            for name, about in configuration.metadata.items()
            if about.get("disable_comparison") or about.get("credential")
        )

    def of_run(self, parameters: Mapping[str, Plain]) -> AmendedRun:
        """What a run becomes.

        Args:
            parameters: the run's own, which are not compared now, or do not count.

        Raises:
            ParameterError: the configuration cannot be changed so.
        """
        compared = {name: parameters[name] for name in parameters if self._may_count(name)}
        key = canonical_plain_text(compared) if compared else ""
        if key not in self._known:
            self._known[key] = self._amended(compared)
        configuration, uncompared = self._known[key]
        own = {self._changes.current_name(name): value for name, value in parameters.items()}
        own |= {
            name: parameter_to_plain(name, value)
            for name, value in self._changes.correct.items()
            if name in own
        }
        counted = {*configuration.active, *self._changes.drop, *self._changes.compare}
        values = configuration.parameters
        return AmendedRun(
            configuration,
            {name: own[name] for name in own if name not in counted}
            | {name: values[name] for name in sorted(uncompared - self._own) if name not in own},
        )

    def _may_count(self, name: str) -> bool:
        """Whether a run's own value, which does not count, may count after the changes."""
        changes, current = self._changes, self._changes.current_name(name)
        if current in changes.compare or current in changes.decided_absent:
            return True
        return (current in changes.parent or current in changes.no_parent) and current not in self._own

    def _is_of_each_run(self, name: str) -> bool:
        """Whether a value counts now that did not, so that only a run itself knows its own."""
        current = self._changes.current_name(name)
        if current in self._changes.decided_absent:
            return name in self._absent
        return current in self._changes.compare and current in self._own

    def _amended(self, compared: Mapping[str, Plain]) -> tuple[Configuration, frozenset[str]]:
        old, changes = self._old, self._changes
        try:
            unknown = {name for name in old.parameters if name not in compared and self._is_of_each_run(name)}
            known = {name: value for name, value in old.parameters.items() if name not in unknown}
            about = {name: about for name, about in old.metadata.items() if name not in unknown}
            values, metadata = _amended_values({**known, **compared}, about, changes)
            parameters = Parameters()
            experiment = old.experiment if changes.experiment is None else changes.experiment
            parameters.restore(replace(old, experiment=experiment, parameters=values, metadata=metadata))
            found = parameters.configuration(experiment)
        except ParameterError as error:
            raise ParameterError(f"the configuration {old.name or old.fingerprint}: {error}") from error
        return found, frozenset(parameters.uncompared())


def _amended_values(
    values: Mapping[str, Plain], metadata: Mapping[str, Mapping[str, Plain]], changes: AmendmentChanges
) -> tuple[dict[str, Plain], dict[str, dict[str, Any]]]:
    """The values and metadata after the changes."""
    for old, new in changes.rename.items():
        if old in values and new in values and new not in changes.rename:
            raise ParameterError(
                f"{old!r} cannot be renamed to {new!r}: there is a parameter {new!r} already"
            )
    current = changes.current_name
    now = {current(name): value for name, value in values.items()}
    rules = {current(name): _amended_parents(about, changes) for name, about in metadata.items()}
    added = {name: parameter_to_plain(name, value) for name, value in changes.set.items() if name not in now}
    now |= added
    for name in added.keys() & changes.absent.keys():
        rules.setdefault(name, {})["absent_value"] = changes.absent[name]
    for name in changes.correct.keys() & now.keys():
        _correct_amended_value(name, changes.correct[name], now, rules)
    for name in changes.no_absent:
        rules.get(name, {}).pop("absent_value", None)
    for name in changes.new_absent.keys() & now.keys():
        rules.setdefault(name, {})["absent_value"] = changes.new_absent[name]
    for child, wrong in changes.no_parent.items():
        if "parents" in rules.get(child, {}):
            kept = {
                name: edge for name, edge in rules[child]["parents"].items() if wrong and name not in wrong
            }
            rules[child] = {**rules[child], "parents": kept} if kept else _without(rules[child], "parents")
    for child, parents in changes.parent.items():
        if child in now:
            rules.setdefault(child, {}).setdefault("parents", {}).update(_amended_parent_edges(parents))
    for name in changes.drop:
        _drop_amended_parameter(name, now, rules, changes)
    for name in changes.ignore:
        if name in now:
            rules.setdefault(name, {})["disable_comparison"] = True
    for name in changes.compare:
        if rules.get(name, {}).get("credential"):
            raise ParameterError(f"{name!r} cannot be compared: it is a credential, which is not stored")
        rules.get(name, {}).pop("disable_comparison", None)
    for name in changes.no_name:
        rules.get(name, {}).pop("name", None)
    for name in changes.name:
        if name in now:
            rule = {"priority": 0, **rules.get(name, {}).get("name", {})}
            priority = changes.name_priority.get(name, rule["priority"])
            rules.setdefault(name, {})["name"] = {**rule, "priority": priority}
    return now, {name: about for name, about in rules.items() if about}


def _correct_amended_value(
    name: str, value: Plain, values: dict[str, Plain], rules: dict[str, dict[str, Any]]
) -> None:
    """Give a parameter another value; what was recorded for the name of its old one does not hold for it.

    Raises:
        ParameterError: it is a credential.
    """
    about = rules.get(name, {})
    if about.get("credential"):
        raise ParameterError(f"{name!r} cannot be corrected: it is a credential, which is not stored")
    plain = parameter_to_plain(name, value)
    if "name" in about and canonical_plain_text(plain) != canonical_plain_text(values[name]):
        rules[name] = {**about, "name": {"priority": about["name"].get("priority", 0)}}
    values[name] = plain


def _without(about: Mapping[str, Any], field: str) -> dict[str, Any]:
    return {name: value for name, value in about.items() if name != field}


def _amended_parents(about: Mapping[str, Plain], changes: AmendmentChanges) -> dict[str, Any]:
    """The metadata of a parameter with the new names of its parents; what is changed is copied."""
    copied: dict[str, Any] = dict(about)
    if "parents" in copied:
        copied["parents"] = {
            changes.current_name(name): edge for name, edge in dict(copied["parents"]).items()
        }
    return copied


def _amended_parent_edges(parents: Mapping[str, Plain]) -> dict[str, Plain]:
    return {
        name: {} if value is None else {"equals": parameter_to_plain(name, value)}
        for name, value in parents.items()
    }


def _drop_amended_parameter(
    name: str, values: dict[str, Plain], rules: dict[str, dict[str, Any]], changes: AmendmentChanges
) -> None:
    children = [
        child
        for child, about in rules.items()
        if name in dict(about.get("parents", {})) and child in values and child not in changes.drop
    ]
    if name in values and children:
        raise ParameterError(
            f"{name!r} cannot be dropped: it decides whether {children[0]!r} counts; drop {children[0]!r} too"
        )
    values.pop(name, None)
    rules.pop(name, None)
