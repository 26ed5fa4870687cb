"""Changes to parameters that configurations already have: what a run becomes by them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from legm.core.absent_values import has_absent_value
from legm.core.credentials import redact
from legm.core.naming import check_name
from legm.core.parameters import Parameters
from legm.core.plain_form import canonical_plain_text, to_plain
from legm.core.texts import exact_text
from legm.errors import ParameterError, closest
from legm.records import Configuration, Plain

__all__ = ["AmendedConfiguration", "AmendedRun", "AmendmentChanges", "ChangesCheck"]

_MOST_SHOWN = 60  # characters of a value in a title


@dataclass(frozen=True, slots=True)
class AmendmentChanges:
    """What is changed, in this order.

    Args:
        rename: by old name, the new one.
        set: values by parameter, where it is absent.
        drop: the parameters that are removed.
        parent: by child, its new parents, each with the value that makes the child active; None for any value
            but None and False.
        ignore: the parameters that are not compared any more.
        compare: the parameters that are compared again.
        name: the parameters that enter the configuration's name.
        experiment: the experiment that the configurations are of then; None for the same.
        absent: the absent values that the experiment keeps, by parameter: they hold for values that are set.
        new_absent: by parameter, the absent value that it has from now on.
        no_absent: the parameters that have none any more.
    """

    rename: Mapping[str, str] = field(default_factory=dict)
    set: Mapping[str, Plain] = field(default_factory=dict)
    drop: Sequence[str] = ()
    parent: Mapping[str, Mapping[str, Plain]] = field(default_factory=dict)
    ignore: Sequence[str] = ()
    compare: Sequence[str] = ()
    name: Sequence[str] = ()
    experiment: str | None = None
    absent: Mapping[str, Plain] = field(default_factory=dict)
    new_absent: Mapping[str, Plain] = field(default_factory=dict)
    no_absent: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Check the names.

        Raises:
            ParameterError: nothing is changed, a name is invalid, or two changes contradict each other.
        """
        named = (self.rename, self.set, self.drop, self.parent, self.ignore, self.compare, self.name)
        if not any(named) and self.experiment is None and not self.decided_absent:
            raise ParameterError("nothing is to be changed: say what, such as a parameter to rename")
        for name in (*self.rename.values(), *self.set):
            check_name("parameter", name, ParameterError)
        for name, value in (*self.set.items(), *self.new_absent.items()):
            _refuse_credential(name, to_plain(name, value))
        if self.experiment is not None:
            check_name("experiment", self.experiment, ParameterError)
        for what, other in (
            ("set", "drop"),
            ("ignore", "compare"),
            ("rename", "drop"),
            ("ignore", "drop"),
            ("compare", "drop"),
            ("name", "drop"),
            ("parent", "drop"),
            ("new_absent", "no_absent"),
        ):
            both = sorted({*getattr(self, what)} & {*getattr(self, other)})
            if both:
                raise ParameterError(f"{both[0]!r} cannot be changed by both {what} and {other}")
        new = list(self.rename.values())
        twice = sorted({name for name in new if new.count(name) > 1})
        if twice:
            raise ParameterError(f"two parameters cannot both be renamed to {twice[0]!r}")

    def current_name(self, name: str) -> str:
        """The name that a parameter has after the change."""
        return self.rename.get(name, name)

    @property
    def decided_absent(self) -> frozenset[str]:
        """The parameters whose absent value changes."""
        return frozenset((*self.new_absent, *self.no_absent))

    def summary(self) -> str:
        """What is changed, in a few words."""
        parts = [f"{old} becomes {new}" for old, new in self.rename.items()]
        parts += [
            f"{name} = {_amended_value_text(name, value)} where absent" for name, value in self.set.items()
        ]
        parts += [f"{name} dropped" for name in self.drop]
        parts += [f"{child} depends on {' and '.join(parents)}" for child, parents in self.parent.items()]
        parts += [f"{name} not compared" for name in self.ignore]
        parts += [f"{name} compared" for name in self.compare]
        parts += [f"{name} in the name" for name in self.name]
        parts += [
            f"{name} was {_amended_value_text(name, value)} where absent"
            for name, value in self.new_absent.items()
        ]
        parts += [f"{name} has no absent value" for name in self.no_absent]
        parts += [f"moved to {self.experiment}"] if self.experiment is not None else []
        return ", ".join(parts)


def _refuse_credential(name: str, value: Plain) -> None:
    """Refuse a value that would not be stored.

    Raises:
        ParameterError: it is a credential, or has one in it.
    """
    if redact(name, value) is not value:
        raise ParameterError(
            f"the value of {name!r} has a credential in it, of which nothing is stored: set another value"
        )


def _amended_value_text(name: str, value: Plain) -> str:
    """A value in a few words, as it is stored."""
    text = exact_text(to_plain(name, value))
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


@dataclass(frozen=True, slots=True)
class AmendedRun:
    """What a run is after a change.

    Args:
        configuration: its configuration.
        parameters: the parameters that are not compared, with the run's values.
    """

    configuration: Configuration
    parameters: Mapping[str, Plain]


class ChangesCheck:
    """Finds changes that have no effect on any configuration, such as those of a parameter that none has.

    Args:
        changes: the changes.
    """

    def __init__(self, changes: AmendmentChanges) -> None:
        self.number = 0
        """How many configurations were added."""
        self._changes = changes
        self._counts = Counter[str]()
        self._examples: dict[str, Plain] = {}

    def add(self, configuration: Configuration) -> None:
        """Add a configuration that would be changed."""
        self.number += 1
        self._counts.update(configuration.parameters.keys())
        for name in self._changes.set.keys() & configuration.parameters.keys():
            self._examples.setdefault(name, configuration.parameters[name])

    def require_possible(self) -> None:
        """Refuse changes without any effect on the configurations that were added, where there are some.

        Raises:
            ParameterError: a parameter is unknown, or a value is there already in all of them.
        """
        changes = self._changes
        if not self.number:
            return
        known = self._counts.keys() | {*changes.absent}
        for old in changes.rename:
            _require_amended_parameter(old, known)
        renamed = {changes.current_name(name) for name in known}
        for name, value in changes.set.items():
            if self._counts[name] == self.number and name not in changes.rename:
                raise ParameterError(
                    f"{name!r} cannot be set to {value!r}: it has a value in every configuration, "
                    f"{self._examples[name]!r}, say"
                )
        after = renamed | {*changes.set}
        for name in changes.new_absent:
            _require_amended_parameter(name, after)
        for name in (*changes.drop, *changes.ignore, *changes.compare, *changes.name, *changes.parent):
            _require_amended_parameter(name, after)
        for parents in changes.parent.values():
            for name in parents:
                _require_amended_parameter(name, after - {*changes.drop})


def _require_amended_parameter(name: str, known: Collection[str]) -> None:
    if name not in known:
        raise ParameterError(f"no configuration has a parameter {name!r}; {closest(name, sorted(known))}")


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
            parameters: the run's own, which are not compared now; where absent values change, also those of
                its parameters that equal theirs, as the run set them.

        Raises:
            ParameterError: the configuration cannot be changed so.
        """
        wanted = {*self._changes.compare, *self._changes.decided_absent}
        compared = {
            name: parameters[name] for name in parameters if self._changes.current_name(name) in wanted
        }
        key = canonical_plain_text(compared) if wanted else ""
        if key not in self._known:
            self._known[key] = self._amended(compared)
        configuration, uncompared = self._known[key]
        own = {self._changes.current_name(name): value for name, value in parameters.items()}
        counted = {*configuration.active, *self._changes.drop, *self._changes.compare}
        values = configuration.parameters
        # What equals its absent value from now on is each run's own, so that a later change finds it.
        equal = {name for name in self._changes.decided_absent if has_absent_value(configuration, name)}
        return AmendedRun(
            configuration,
            {name: own[name] for name in own if name not in counted}
            | {name: values[name] for name in sorted(equal)}
            | {name: values[name] for name in sorted(uncompared - self._own) if name not in own},
        )

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
) -> tuple[dict[str, Plain], dict[str, dict[str, Plain]]]:
    """The values and metadata after the changes."""
    for old, new in changes.rename.items():
        if old in values and new in values and new not in changes.rename:
            raise ParameterError(
                f"{old!r} cannot be renamed to {new!r}: there is a parameter {new!r} already"
            )
    current = changes.current_name
    now = {current(name): value for name, value in values.items()}
    rules = {current(name): _amended_parents(about, changes) for name, about in metadata.items()}
    added = {name: to_plain(name, value) for name, value in changes.set.items() if name not in now}
    now |= added
    for name in added.keys() & changes.absent.keys():
        rules.setdefault(name, {})["absent_value"] = changes.absent[name]
    for name in changes.no_absent:
        rules.get(name, {}).pop("absent_value", None)
    for name in changes.new_absent.keys() & now.keys():
        rules.setdefault(name, {})["absent_value"] = changes.new_absent[name]
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
    for name in changes.name:
        if name in now:
            rules.setdefault(name, {}).setdefault("name", {"priority": 0})
    return now, {name: about for name, about in rules.items() if about}


def _amended_parents(about: Mapping[str, Plain], changes: AmendmentChanges) -> dict[str, Plain]:
    """The metadata of a parameter with the new names of its parents; what is changed is copied."""
    copied: dict[str, Any] = dict(about)
    if "parents" in copied:
        copied["parents"] = {
            changes.current_name(name): edge for name, edge in dict(copied["parents"]).items()
        }
    return copied


def _amended_parent_edges(parents: Mapping[str, Plain]) -> dict[str, Plain]:
    return {
        name: {} if value is None else {"equals": to_plain(name, value)} for name, value in parents.items()
    }


def _drop_amended_parameter(
    name: str, values: dict[str, Plain], rules: dict[str, dict[str, Plain]], changes: AmendmentChanges
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
