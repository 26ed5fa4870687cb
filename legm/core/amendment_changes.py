"""What a user changes of the parameters that configurations already have, and whether it can be changed."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from legm.core.credentials import redact, redact_text
from legm.core.naming import check_name
from legm.core.plain_form import parameter_to_plain
from legm.core.texts import exact_text
from legm.errors import InvalidName, ParameterError, closest
from legm.records import Configuration, Plain

__all__ = ["AmendmentChanges", "ChangesCheck"]

_MOST_SHOWN = 60  # characters of a value in a title


@dataclass(frozen=True, slots=True)
class AmendmentChanges:
    """What is changed, in this order.

    Args:
        rename: by old name, the new one.
        set: values by parameter, where it is absent.
        correct: values by parameter, where it has another one.
        drop: the parameters that are removed.
        no_parent: by child, the parents that it does not depend on any more; none for all of them.
        parent: by child, its new parents, each with the value that makes the child active; None for any value
            but None and False.
        ignore: the parameters that are not compared any more.
        compare: the parameters that are compared again.
        no_name: the parameters that leave the configuration's name.
        name: the parameters that enter the configuration's name.
        name_priority: by parameter in the name, its priority, where it changes.
        describe: the description that the runs get; "" for none, None for the one that each has.
        experiment: the experiment that the configurations are of then; None for the same.
        absent: the absent values that the experiment keeps, by parameter: they hold for values that are set.
        new_absent: by parameter, the absent value that it has from now on.
        no_absent: the parameters that have none any more.
    """

    rename: Mapping[str, str] = field(default_factory=dict)
    set: Mapping[str, Plain] = field(default_factory=dict)
    correct: Mapping[str, Plain] = field(default_factory=dict)
    drop: Sequence[str] = ()
    no_parent: Mapping[str, Sequence[str]] = field(default_factory=dict)
    parent: Mapping[str, Mapping[str, Plain]] = field(default_factory=dict)
    ignore: Sequence[str] = ()
    compare: Sequence[str] = ()
    no_name: Sequence[str] = ()
    name: Sequence[str] = ()
    name_priority: Mapping[str, float] = field(default_factory=dict)
    describe: str | None = None
    experiment: str | None = None
    absent: Mapping[str, Plain] = field(default_factory=dict)
    new_absent: Mapping[str, Plain] = field(default_factory=dict)
    no_absent: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Check the names.

        Raises:
            ParameterError: nothing is changed, a name is invalid, or two changes contradict each other.
            InvalidName: the description is not text, or is too long.
        """
        of_values = (self.rename, self.set, self.correct, self.drop, self.decided_absent)
        of_metadata = (self.no_parent, self.parent, self.ignore, self.compare, self.no_name, self.name)
        if not any((*of_values, *of_metadata)) and self.experiment is None and self.describe is None:
            raise ParameterError("nothing is to be changed: say what, such as a parameter to rename")
        if self.describe is not None and self.describe != "":
            check_name("description", self.describe, InvalidName)
        for name in (*self.rename.values(), *self.set):
            check_name("parameter", name, ParameterError)
        for name, value in (*self.set.items(), *self.correct.items(), *self.new_absent.items()):
            _refuse_credential(name, parameter_to_plain(name, value))
        if self.experiment is not None:
            check_name("experiment", self.experiment, ParameterError)
        for what, other in (
            ("set", "drop"),
            ("ignore", "compare"),
            ("rename", "drop"),
            ("correct", "drop"),
            ("name", "no_name"),
            ("ignore", "drop"),
            ("compare", "drop"),
            ("name", "drop"),
            ("parent", "drop"),
            ("new_absent", "no_absent"),
        ):
            both = sorted({*getattr(self, what)} & {*getattr(self, other)})
            if both:
                raise ParameterError(f"{both[0]!r} cannot be changed by both {what} and {other}")
        for child, parents in self.no_parent.items():
            for name in {*parents} & {*self.parent.get(child, {})}:
                raise ParameterError(f"the parent {name!r} of {child!r} cannot be both given and taken away")
        for name, priority in self.name_priority.items():
            if (
                isinstance(priority, bool)
                or not isinstance(priority, (int, float))
                or not math.isfinite(priority)
            ):
                raise ParameterError(
                    f"the priority of {name!r} in names must be a finite number, not {priority!r}"
                )
        new = list(self.rename.values())
        twice = sorted({name for name in new if new.count(name) > 1})
        if twice:
            raise ParameterError(f"two parameters cannot both be renamed to {twice[0]!r}")

    def current_name(self, name: str) -> str:
        """The name that a parameter has after the change."""
        return self.rename.get(name, name)

    def description_of(self, description: str) -> str:
        """The description of a run after the change; without credentials, as a handler's.

        Args:
            description: that it has.
        """
        return description if self.describe is None else redact_text(self.describe)

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
        parts += [
            f"{name} = {_amended_value_text(name, value)} instead" for name, value in self.correct.items()
        ]
        parts += [f"{name} dropped" for name in self.drop]
        parts += [
            f"{child} depends no more on {' and '.join(parents) or 'any parent'}"
            for child, parents in self.no_parent.items()
        ]
        parts += [f"{child} depends on {' and '.join(parents)}" for child, parents in self.parent.items()]
        parts += [f"{name} not compared" for name in self.ignore]
        parts += [f"{name} compared" for name in self.compare]
        parts += [f"{name} not in the name" for name in self.no_name]
        parts += [f"{name} in the name" for name in self.name]
        parts += [
            f"{name} was {_amended_value_text(name, value)} where absent"
            for name, value in self.new_absent.items()
        ]
        parts += [f"{name} has no absent value" for name in self.no_absent]
        if self.describe is not None:
            text = self.description_of("")
            parts += [f"described as {_shortened_in_summary(exact_text(text))}" if text else "no description"]
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
    return _shortened_in_summary(exact_text(parameter_to_plain(name, value)))


def _shortened_in_summary(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


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
        self._parents: dict[str, set[str]] = {}
        self._named: set[str] = set()

    def add(self, configuration: Configuration) -> None:
        """Add a configuration that would be changed."""
        self.number += 1
        self._counts.update(configuration.parameters.keys())
        for name in self._changes.set.keys() & configuration.parameters.keys():
            self._examples.setdefault(name, configuration.parameters[name])
        current = self._changes.current_name
        for name, about in configuration.metadata.items():
            if "parents" in about:
                self._parents.setdefault(current(name), set()).update(map(current, dict(about["parents"])))
            if "name" in about:
                self._named.add(current(name))

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
                    f"{self._examples[name]!r}, say; "
                    "correct changes values that are there"
                )
        after = renamed | {*changes.set}
        for name in changes.new_absent:
            _require_amended_parameter(name, after)
        for name in changes.correct:
            _require_amended_parameter(name, renamed)
        of_parameters = (changes.drop, changes.ignore, changes.compare, changes.no_name, changes.name)
        for name in (*itertools.chain(*of_parameters), *changes.no_parent, *changes.parent):
            _require_amended_parameter(name, after)
        for parents in changes.parent.values():
            for name in parents:
                _require_amended_parameter(name, after - {*changes.drop})
        self._require_taken_away()

    def _require_taken_away(self) -> None:
        """Refuse to take away a parent or a name that no configuration has."""
        for name in self._changes.no_name:
            if name not in self._named:
                raise ParameterError(
                    f"{name!r} is in no configuration's name; {closest(name, sorted(self._named))}"
                )
        for child, parents in self._changes.no_parent.items():
            known = sorted(self._parents.get(child, ()))
            if not known:
                raise ParameterError(f"{child!r} has no parent; {closest(child, sorted(self._parents))}")
            for name in parents:
                if name not in known:
                    raise ParameterError(f"{name!r} is no parent of {child!r}; {closest(name, known)}")


def _require_amended_parameter(name: str, known: Collection[str]) -> None:
    if name not in known:
        raise ParameterError(f"no configuration has a parameter {name!r}; {closest(name, sorted(known))}")
