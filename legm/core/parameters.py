"""Parameters, their parents and metadata: what counts, and what a configuration is called.

Metadata may hold callables (a condition on a parent's value, a transformation for the name). They are
evaluated when needed and never stored; what is stored is their outcome together with the value it was
reached for, so that a reloaded configuration gives the same answers and never guesses about others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from legm.core import credentials
from legm.core.identity import canonical_text, check_name, fingerprint, from_plain, to_plain
from legm.core.naming import configuration_name
from legm.errors import ParameterError, UnstableValue, closest
from legm.records import Configuration, Plain

__all__ = ["FIELDS", "Parameters"]

FIELDS = ("parent", "parent_active", "disable_comparison", "name", "name_transform", "name_priority")
"""The fields of a parameter's metadata."""


@dataclass(frozen=True, slots=True)
class Truthy:
    """The edge to a parent holds where the parent is active."""


@dataclass(frozen=True, slots=True)
class Equals:
    """The edge holds where the parent's value equals this plain one."""

    value: Plain


@dataclass(frozen=True, slots=True)
class Predicate:
    """The edge holds where the function is true of the parent's value."""

    function: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a predicate came to for one plain value of the parent, as it was stored."""

    holds: bool
    value: Plain


Condition: TypeAlias = Truthy | Equals | Predicate | Recorded


@dataclass(frozen=True, slots=True)
class NameRule:
    """How a parameter enters the configuration's name.

    Args:
        use: whether it does; a function is asked with the value.
        transform: makes the text from the value.
        priority: higher comes earlier.
        recorded: the stored outcome (text or None for not used, and the plain value it belongs to).
    """

    use: bool | Callable[[Any], Any] = True
    transform: Callable[[Any], Any] | None = None
    priority: float = 0
    recorded: tuple[str | None, Plain] | None = None


class Parameters:
    """Hyperparameters with their metadata.

    Args:
        reserved: says whether a name is one that the owner needs for itself.
        is_credential: says whether a parameter, by name and value, is a credential; these do not count.
    """

    def __init__(
        self,
        reserved: Callable[[str], bool] = lambda _: False,
        is_credential: Callable[[str, Any], bool] = credentials.is_credential,
    ) -> None:
        self._reserved = reserved
        self._is_credential = is_credential
        self._values: dict[str, Any] = {}
        self._edges: dict[str, dict[str, Condition]] = {}
        self._disabled: set[str] = set()
        self._names: dict[str, NameRule] = {}

    # Setting

    def set(self, values: Mapping[str, Any], parent: str | None = None) -> None:
        """Set parameters, all or none of them, and make ``parent`` a parent of each."""
        for name in values:
            check_name("parameter", name, ParameterError)
            if self._reserved(name):
                raise ParameterError(
                    f"a parameter cannot be called {name!r}: the handler has a method or attribute of that "
                    f"name; call it {name + '_'!r}, say"
                )
        if parent is not None:
            for name in values:
                self._refuse_cycle(name, parent)
        self._values.update(values)
        if parent is not None:
            for name in values:
                self._edges.setdefault(name, {})[parent] = Truthy()

    def set_parent(self, child: str, parent: str, condition: Condition) -> None:
        """Make the child count only where the condition on the parent holds."""
        check_name("parameter", child, ParameterError)
        check_name("parameter", parent, ParameterError)
        self._refuse_cycle(child, parent)
        self._edges.setdefault(child, {})[parent] = condition

    def disable(self, names: Iterable[str]) -> None:
        """Keep parameters out of the comparison."""
        names = list(names)
        self._require(names)
        self._disabled.update(names)

    def name(self, names: Iterable[str], rule: NameRule) -> None:
        """Put parameters into the configuration's name."""
        names = list(names)
        self._require(names)
        if not isinstance(rule.priority, (int, float)):
            raise ParameterError(f"name_priority of {names[0]!r} must be a number, not {rule.priority!r}")
        if rule.transform is not None and not callable(rule.transform):
            raise ParameterError(f"name_transform of {names[0]!r} must be a function, not {rule.transform!r}")
        self._names.update(dict.fromkeys(names, rule))

    def set_metadata(self, metadata: Mapping[str, Mapping[str, Any]], known: Iterable[str] = ()) -> None:
        """Set metadata given as ``{parameter: {field: value}}``, all or none of it.

        Args:
            metadata: see :data:`FIELDS`. ``parent`` may be a list; ``parent_active`` is then a mapping
                by parent, and a parent that it does not name must just be active.
            known: names that may be mentioned although they are not set yet.
        """
        known = {*self._values, *known}
        trial = self._copy()
        trial._values.update(dict.fromkeys(known - set(self._values)))
        for name, fields in metadata.items():
            trial._require([name])
            if not isinstance(fields, Mapping):
                raise ParameterError(f"the metadata of {name!r} must map fields to values, not be {fields!r}")
            trial._set_fields(name, fields)
        self._edges, self._disabled, self._names = trial._edges, trial._disabled, trial._names

    def _set_fields(self, name: str, fields: Mapping[str, Any]) -> None:
        for field in fields:
            if field not in FIELDS:
                raise ParameterError(
                    f"the metadata of {name!r} has an unknown field {field!r}; {closest(str(field), FIELDS)}"
                )
        parents = fields.get("parent")
        if parents is None and "parent_active" in fields and fields["parent_active"] is not None:
            raise ParameterError(f"the metadata of {name!r} has parent_active but no parent")
        if parents is not None:
            several = not isinstance(parents, str)
            names = list(parents) if several else [parents]
            self._require(names)
            given = "parent_active" in fields
            for parent in names:
                condition: Condition = Truthy()
                if given and not several:
                    condition = _condition(parent, fields["parent_active"])
                elif given and fields["parent_active"] is not None:
                    condition = _condition_by_parent(name, parent, names, fields["parent_active"])
                self.set_parent(name, parent, condition)
        if fields.get("disable_comparison"):
            self._disabled.add(name)
        if fields.get("name"):
            self.name(
                [name],
                NameRule(fields["name"], fields.get("name_transform"), fields.get("name_priority") or 0),
            )

    def _copy(self) -> Parameters:
        copy = Parameters(self._reserved, self._is_credential)
        copy._values = dict(self._values)
        copy._edges = {child: dict(edges) for child, edges in self._edges.items()}
        copy._disabled = set(self._disabled)
        copy._names = dict(self._names)
        return copy

    def _require(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self._values:
                raise ParameterError(f"there is no parameter {name!r}; {closest(str(name), self._values)}")

    def _refuse_cycle(self, child: str, parent: str) -> None:
        path, stack = {parent}, [parent]
        while stack:
            name = stack.pop()
            if name == child:
                raise ParameterError(
                    f"{parent!r} cannot be a parent of {child!r}: it is {child!r} or below it already"
                )
            for above in self._edges.get(name, ()):
                if above not in path:
                    path.add(above)
                    stack.append(above)

    # Reading

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def names(self) -> list[str]:
        """The names of all parameters, in the order they were set."""
        return list(self._values)

    def note(self, name: str) -> str:
        """Why a parameter does not count: a few words for a person; "" where it does."""
        if name not in self._values:
            return "absent"
        if self._is_secret(name):
            return "a credential"
        if name in self._disabled:
            return "not compared"
        if self._is_off(name):
            return repr(self._values[name])
        for parent, condition in self._edges.get(name, {}).items():
            if not self._edge_holds(parent, condition):
                return f"inactive ({parent} = {self._values.get(parent)!r})"
        return ""

    def _plain_or_text(self, name: str) -> Plain:
        """The plain form; of a value that has none, and that does not count, its text."""
        try:
            return to_plain(name, self._values[name])
        except UnstableValue:
            return f"<{type(self._values[name]).__qualname__}>"

    def _is_secret(self, name: str) -> bool:
        return self._is_credential(name, self._values.get(name))

    def _is_uncompared(self, name: str) -> bool:
        return name in self._disabled or self._is_secret(name)

    def _is_off(self, name: str) -> bool:
        value = self._values[name]
        if value is None or value is False:
            return True
        return hasattr(value, "dtype") and to_plain(name, value) is False  # NumPy's False

    def _edge_holds(self, parent: str, condition: Condition) -> bool:
        if parent not in self._values:
            raise ParameterError(
                f"{parent!r} was made a parent but never set as a parameter; {closest(parent, self._values)}"
            )
        if self._is_uncompared(parent) or not self._above_holds(parent):
            return False
        match condition:
            case Truthy():
                return not self._is_off(parent)
            case Equals(value):
                return canonical_text(to_plain(parent, self._values[parent])) == canonical_text(value)
            case Predicate(function):
                return bool(function(self._values[parent]))
            case Recorded(holds, value):
                self._require_same(parent, value)
                return holds

    def _require_same(self, name: str, recorded: Plain) -> None:
        if canonical_text(to_plain(name, self._values[name])) != canonical_text(recorded):
            raise ParameterError(
                f"the metadata that depends on {name!r} was a function, of which only the outcome for "
                f"{recorded!r} was stored; with {self._values[name]!r} set it again by set_param_metadata()"
            )

    def _above_holds(self, name: str) -> bool:
        return all(
            self._edge_holds(parent, condition) for parent, condition in self._edges.get(name, {}).items()
        )

    def is_active(self, name: str) -> bool:
        """Whether a parameter counts."""
        return not self._is_uncompared(name) and not self._is_off(name) and self._above_holds(name)

    def active(self) -> dict[str, Plain]:
        """The plain values of the parameters that count, by name.

        Raises:
            UnstableValue: one of them has no stable form.
            ParameterError: a parent was never set.
        """
        for child in self._edges:
            if child not in self._values:
                raise ParameterError(
                    f"{child!r} was given a parent but never set; {closest(child, self._values)}"
                )
        return {
            name: to_plain(name, self._values[name]) for name in sorted(self._values) if self.is_active(name)
        }

    def uncompared(self) -> dict[str, Plain]:
        """The plain values of the parameters whose own comparison is disabled, by name."""
        return {name: self._plain_or_text(name) for name in sorted(self._values) if self._is_uncompared(name)}

    def configuration(self, experiment: str) -> Configuration:
        """What the parameters make of an experiment."""
        active = self.active()
        digest = fingerprint(experiment, active)
        named = sorted(
            (name for name in self._names if name in active), key=lambda n: (-self._names[n].priority, n)
        )
        texts = [text for name in named if (text := self._name_text(name)) is not None]
        return Configuration(
            experiment=experiment,
            fingerprint=digest,
            name=configuration_name(texts, digest),
            parameters={name: self._plain_or_text(name) for name in self._values},
            active=tuple(active),
            metadata=self._outcome(),
        )

    def _name_text(self, name: str) -> str | None:
        rule, value = self._names[name], self._values[name]
        if rule.recorded is not None:
            self._require_same(name, rule.recorded[1])
            return rule.recorded[0]
        if callable(rule.use) and not rule.use(value):
            return None
        return format_name_value(rule.transform(value) if rule.transform else to_plain(name, value))

    def _outcome(self) -> dict[str, dict[str, Plain]]:
        """The metadata without functions, by parameter; :meth:`restore` reads it."""
        outcome: dict[str, dict[str, Plain]] = {}
        for child, edges in self._edges.items():
            outcome.setdefault(child, {})["parents"] = {
                parent: self._condition_outcome(parent, condition) for parent, condition in edges.items()
            }
        for name in sorted(self._disabled):
            outcome.setdefault(name, {})["disable_comparison"] = True
        for name in sorted(filter(self._is_secret, self._values)):
            outcome.setdefault(name, {})["credential"] = True
        for name, rule in self._names.items():
            stored: dict[str, Plain] = {"priority": rule.priority}
            if (callable(rule.use) or rule.transform or rule.recorded) and self.is_active(name):
                stored |= {"text": self._name_text(name), "for": to_plain(name, self._values[name])}
            outcome.setdefault(name, {})["name"] = stored
        return outcome

    def _condition_outcome(self, parent: str, condition: Condition) -> dict[str, Plain]:
        match condition:
            case Truthy():
                return {}
            case Equals(value):
                return {"equals": value}
            case Recorded(holds, value):
                return {"holds": holds, "for": value}
            case Predicate(function):
                value = self._values[parent]
                return {"holds": bool(function(value)), "for": self._plain_or_text(parent)}

    def restore(self, configuration: Configuration) -> None:
        """Take parameters and metadata from a stored configuration."""
        self.set({name: from_plain(value) for name, value in configuration.parameters.items()})
        for name, stored in configuration.metadata.items():
            for parent, edge in stored.get("parents", {}).items():
                condition: Condition = Truthy()
                if "equals" in edge:
                    condition = Equals(edge["equals"])
                elif "holds" in edge:
                    condition = Recorded(edge["holds"], edge["for"])
                self.set_parent(name, parent, condition)
            if stored.get("disable_comparison"):
                self._disabled.add(name)
            if "name" in stored:
                rule = stored["name"]
                recorded = (rule["text"], rule["for"]) if "text" in rule else None
                self._names[name] = NameRule(priority=rule["priority"], recorded=recorded)


def _condition(parent: str, value: Any) -> Condition:
    """What ``parent_active`` says: a function is asked, another value is compared."""
    if callable(value) and not isinstance(value, type):
        return Predicate(value)
    return Equals(to_plain(parent, value))


def condition_from_active_value(parent: str, active_value: Any) -> Condition:
    """What :meth:`legm.ExperimentHandler.set_parent`'s argument says; None is not given."""
    return Truthy() if active_value is None else _condition(parent, active_value)


def _condition_by_parent(child: str, parent: str, parents: list[str], value: Any) -> Condition:
    if not isinstance(value, Mapping):
        raise ParameterError(
            f"parent_active of {child!r} must map each of its parents {parents} to a value, not be {value!r}"
        )
    for name in value:
        if name not in parents:
            raise ParameterError(
                f"parent_active of {child!r} names {name!r}, which is none of its parents {parents}"
            )
    return _condition(parent, value[parent]) if parent in value else Truthy()


def format_name_value(value: Any) -> str:
    """A value as it stands in a configuration's name: a list joins with ``+``."""
    if isinstance(value, (list, tuple, set, frozenset)):
        return "+".join(format_name_value(item) for item in value)
    if isinstance(value, dict):
        if len(value) == 1 and next(iter(value)).startswith("legm:"):
            return format_name_value(next(iter(value.values())))
        return "+".join(f"{key}={format_name_value(item)}" for key, item in value.items())
    return str(value)
