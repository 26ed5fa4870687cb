"""Parameters with their parents and metadata: which are active, and the configuration's name.

Metadata may contain functions (a condition on a parent's value, a transformation for the name). They are
evaluated when needed and never stored. What is stored is their result with the value that it belongs to, so
that a restored configuration gives the same results and refuses to guess for other values.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from legm.core.absent_values import (
    AbsentValue,
    conflicting_absent_value,
    equals_absent_value,
    parse_absent_value,
    stored_absent_values,
)
from legm.core.addresses import plain_without_addresses
from legm.core.config_objects import ClassName, is_omegaconf_config, object_class_names
from legm.core.credentials import CredentialRule, redact_text
from legm.core.identity import fingerprint
from legm.core.naming import check_name, configuration_name
from legm.core.parameter_kinds import describe_parameter_kind, infer_parameter_kind, is_own_time
from legm.core.plain_form import (
    are_equal_values,
    canonical_plain_text,
    from_plain,
    has_classes,
    parameter_to_plain,
    without_classes,
)
from legm.core.texts import OBJECT_CLASS
from legm.errors import ParameterError, UnstableValue, closest
from legm.records import Configuration, Plain

__all__ = ["FIELDS", "Parameters", "reserved_name_error"]

T = TypeVar("T")

FIELDS = (
    "parent",
    "parent_active",
    "disable_comparison",
    "name",
    "name_transform",
    "name_priority",
    "absent_value",
)
"""The fields of a parameter's metadata."""


@dataclass(frozen=True, slots=True)
class TruthyCondition:
    """The condition holds if the parent is active."""


@dataclass(frozen=True, slots=True)
class EqualsCondition:
    """The condition holds if the parent's value, in plain form, equals this one."""

    value: Plain


@dataclass(frozen=True, slots=True)
class PredicateCondition:
    """The condition holds if the function returns a true value for the parent's value.

    It is only called where the parent is compared and the parent's own conditions hold. Where it fails for
    None or False, the condition does not hold.
    """

    function: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class RecordedCondition:
    """The stored result of a predicate for one plain value of the parent."""

    holds: bool
    value: Plain


Condition: TypeAlias = TruthyCondition | EqualsCondition | PredicateCondition | RecordedCondition


@dataclass(frozen=True, slots=True)
class NameRule:
    """How a parameter appears in the configuration's name.

    Args:
        use: whether it appears, or a function of its value that returns this.
        transform: a function that makes the text from the value.
        priority: parameters with a higher priority come first.
        recorded: the stored text (None if it does not appear), and the plain value that it belongs to.
    """

    use: bool | Callable[[Any], Any] = True
    transform: Callable[[Any], Any] | None = None
    priority: float = 0
    recorded: tuple[str | None, Plain] | None = None


@dataclass(frozen=True, slots=True)
class _ParameterRules:
    """All metadata of the parameters; copied, changed and replaced as a whole.

    Args:
        edges: by child, the condition on each of its parents.
        disabled: the parameters that are kept out of the comparison.
        compared: those of which the metadata says that they are compared, whatever they look like.
        names: the parameters that enter the configuration's name.
        absent: by parameter, the value that makes it equal to an absent one.
    """

    edges: dict[str, dict[str, Condition]] = field(default_factory=dict)
    disabled: set[str] = field(default_factory=set)
    compared: set[str] = field(default_factory=set)
    names: dict[str, NameRule] = field(default_factory=dict)
    absent: dict[str, AbsentValue] = field(default_factory=dict)

    def copy(self) -> _ParameterRules:
        """A copy that can be changed without changing these rules."""
        edges = {child: dict(parents) for child, parents in self.edges.items()}
        return _ParameterRules(
            edges, set(self.disabled), set(self.compared), dict(self.names), dict(self.absent)
        )

    def add_parent(self, child: str, parent: str, condition: Condition) -> None:
        """Add an edge from a child to a parent, or replace its condition.

        Raises:
            ParameterError: a name is invalid, or the child is an ancestor of the parent.
        """
        check_name("parameter", child, ParameterError)
        check_name("parameter", parent, ParameterError)
        self.require_no_cycle(child, parent)
        self.edges.setdefault(child, {})[parent] = condition

    def require_no_cycle(self, child: str, parent: str) -> None:
        """Check that an edge from a child to a parent would not close a cycle.

        Raises:
            ParameterError: the child is the parent or one of its ancestors.
        """
        visited, stack = {parent}, [parent]
        while stack:
            name = stack.pop()
            if name == child:
                raise ParameterError(
                    f"{parent!r} cannot be a parent of {child!r}: it already is {child!r} or depends on it"
                )
            for ancestor in self.edges.get(name, ()):
                if ancestor not in visited:
                    visited.add(ancestor)
                    stack.append(ancestor)

    def add_name(self, names: Sequence[str], rule: NameRule) -> None:
        """Put parameters into the configuration's name.

        Raises:
            ParameterError: the priority is not a number, or the transformation not a function.
        """
        if not isinstance(rule.priority, (int, float)):
            raise ParameterError(f"name_priority of {names[0]!r} must be a number, not {rule.priority!r}")
        if rule.transform is not None and not callable(rule.transform):
            raise ParameterError(f"name_transform of {names[0]!r} must be a function, not {rule.transform!r}")
        self.names.update(dict.fromkeys(names, rule))

    def add_absent_value(self, name: str, value: object) -> None:
        """Say which value of a parameter makes it equal to an absent one; None says nothing.

        Raises:
            ParameterError: it has another one already, or the value has no stable form.
        """
        if value is None:
            return
        new = parse_absent_value(name, value)
        known = self.absent.setdefault(name, new)
        if not equals_absent_value(known.value, new.value):
            raise conflicting_absent_value(name, known.value, new.value, "in these parameters' metadata")

    def add_metadata(self, name: str, fields: Mapping[str, Any], known: Collection[str]) -> None:
        """Add the metadata of one parameter.

        Args:
            name: the parameter.
            fields: see :data:`FIELDS`.
            known: the names of all parameters.

        Raises:
            ParameterError: a field is unknown or its value invalid, or a parent is not known.
        """
        if not isinstance(fields, Mapping):
            raise ParameterError(f"the metadata of {name!r} must map fields to values, not be {fields!r}")
        for given in fields:
            if given not in FIELDS:
                raise ParameterError(
                    f"the metadata of {name!r} has an unknown field {given!r}; {closest(str(given), FIELDS)}"
                )
        parents, active_value = fields.get("parent"), fields.get("parent_active")
        if parents is None and active_value is not None:
            raise ParameterError(f"the metadata of {name!r} has parent_active but no parent")
        if parents is not None:
            several = not isinstance(parents, str)
            if several and not isinstance(parents, Iterable):
                raise ParameterError(
                    f"the parent of {name!r} must be a name or a list of names, not {parents!r}"
                )
            parent_names = list(parents) if several else [parents]
            _require_known_parameters(parent_names, known)
            for parent in parent_names:
                condition: Condition = TruthyCondition()
                if not several and "parent_active" in fields:
                    condition = _parent_parameter_condition(parent, active_value)
                elif several and active_value is not None:
                    condition = _condition_by_parent_parameter(name, parent, parent_names, active_value)
                self.add_parent(name, parent, condition)
        if fields.get("disable_comparison"):
            self.disabled.add(name)
            self.compared.discard(name)
        elif fields.get("disable_comparison") is not None:
            self.compared.add(name)
        if fields.get("name"):
            rule = NameRule(fields["name"], fields.get("name_transform"), fields.get("name_priority") or 0)
            self.add_name([name], rule)
        self.add_absent_value(name, fields.get("absent_value"))


def reserved_name_error(name: str) -> ParameterError:
    """The error for a parameter that is called like something of the handler's own."""
    return ParameterError(
        f"a parameter cannot be called {name!r}: the handler has a method or attribute of that name; call it "
        f"{name + '_'!r}, for example"
    )


class Parameters:
    """Hyperparameters with their metadata.

    Args:
        reserved: whether a name is reserved by the owner and cannot be used.
        rule: what is a credential. Credentials are not compared, and only their owner can read them: what is
            stored has ``<redacted>`` in their place.
    """

    def __init__(
        self,
        reserved: Callable[[str], bool] = lambda _: False,
        rule: CredentialRule | None = None,
    ) -> None:
        self._reserved = reserved
        self._rule = rule or CredentialRule()
        self._values: dict[str, Any] = {}
        self._rules = _ParameterRules()
        self._has_classes = True

    def copy(self) -> Parameters:
        """The same parameters and metadata, which can be changed without changing these."""
        other = Parameters(self._reserved, self._rule)
        other._values, other._rules = dict(self._values), self._rules.copy()
        other._has_classes = self._has_classes
        return other

    def without_classes(self) -> Parameters:
        """The same parameters, of whose objects fields alone are compared, as before classes were kept."""
        parents = set[str]().union(*self._rules.edges.values())
        deleted = {
            name
            for name, value in self._values.items()
            if isinstance(value, ClassName) and name not in parents
        }
        rules = self._rules.copy()
        for name in deleted:
            rules.edges.pop(name, None)
        other = Parameters(self._reserved, self._rule)
        other._values = {name: value for name, value in self._values.items() if name not in deleted}
        other._rules, other._has_classes = rules, False
        return other

    def has_classes_in(self, configuration: Configuration) -> bool:
        """Whether the class of an object is among the values that are compared.

        Args:
            configuration: of these parameters.
        """
        return any(
            has_classes(configuration.parameters[name]) or isinstance(self._values[name], ClassName)
            for name in configuration.active
        )

    # Setting

    def set(
        self,
        values: Mapping[str, Any],
        parent: str | None = None,
        absent: Mapping[str, Any] | None = None,
    ) -> None:
        """Set parameters, all or none of them.

        Args:
            values: by name.
            parent: a parameter that becomes a parent of each.
            absent: absent values by name.

        Raises:
            ParameterError: a name is invalid or reserved, a parameter would become its own ancestor, or has
                another absent value already.
        """
        for name in values:
            check_name("parameter", name, ParameterError)
            if self._reserved(name):
                raise reserved_name_error(name)
        if parent is not None:
            for name in values:
                self._rules.require_no_cycle(name, parent)
        if absent:
            rules = self._rules.copy()
            for name, value in absent.items():
                rules.add_absent_value(name, value)
            self._rules = rules
        self._values.update(values)
        if parent is not None:
            for name in values:
                self._rules.edges.setdefault(name, {})[parent] = TruthyCondition()

    def set_parent(self, child: str, parent: str, condition: Condition, *, instead: bool = False) -> None:
        """Make the child active only where the condition on the parent holds.

        Args:
            child: the parameter.
            parent: what it depends on.
            condition: when it is active.
            instead: whether its other parents are forgotten.

        Raises:
            ParameterError: a name is invalid, or the child is an ancestor of the parent.
        """
        self._rules.add_parent(child, parent, condition)
        if instead:
            self._rules.edges[child] = {parent: condition}

    def disable(self, names: Iterable[str]) -> None:
        """Exclude parameters from the comparison.

        Raises:
            ParameterError: one of them was never set.
        """
        names = list(names)
        _require_known_parameters(names, self._values)
        self._rules.disabled.update(names)

    def disable_inferred(self, now: float) -> dict[str, str]:
        """Exclude from the comparison what looks as if it did not identify a configuration.

        What the metadata speaks of stays as it is: parameters whose comparison it decides, that it puts into
        the name, or that others depend on.

        Args:
            now: the time of now, in seconds since 1970.

        Returns:
            by parameter, why it is excluded now.
        """
        parents = {parent for edges in self._rules.edges.values() for parent in edges}
        decided = {*self._rules.disabled, *self._rules.compared, *self._rules.names, *parents}
        found = {}
        for name in self._values:
            if name not in decided and not self._is_secret(name):
                why = self._inferred_reason(name, now)
                if why:
                    found[name] = why
        self._rules.disabled.update(found)
        return found

    def _inferred_reason(self, name: str, now: float) -> str:
        try:
            plain = self._plain(name)
        except UnstableValue:
            return "has no value that is the same in every process"
        if plain_without_addresses(plain) != plain:
            return "has a memory address"
        kind = infer_parameter_kind(
            name, [plain], more_to_come=True, are_own_times=is_own_time(plain, now, now)
        )
        return "" if kind is None else describe_parameter_kind(kind)

    def has_values(self, values: Mapping[str, Any]) -> bool:
        """Whether parameters have these very values."""
        return all(name in self._values and self._has_value(name, value) for name, value in values.items())

    def _has_value(self, name: str, value: Any) -> bool:
        if value is self._values[name]:
            return True
        try:
            plain = self._rule.redact(name, parameter_to_plain(name, value))
            return canonical_plain_text(plain) == canonical_plain_text(self._plain(name))
        except UnstableValue:
            return False

    def has_parent(self, names: Iterable[str], parent: str | None) -> bool:
        """Whether parameters have a parent already; any has none."""
        return parent is None or all(parent in self._rules.edges.get(name, ()) for name in names)

    def has_other_parents(self, child: str, parent: str) -> bool:
        """Whether a parameter depends on another one than this."""
        return bool(self._rules.edges.get(child, {}).keys() - {parent})

    def has_absent_values(self, absent: Mapping[str, Any]) -> bool:
        """Whether parameters have these very absent values already; None stands for any."""
        known = self._rules.absent
        return all(
            value is None
            or (
                name in known
                and equals_absent_value(known[name].value, parse_absent_value(name, value).value)
            )
            for name, value in absent.items()
        )

    def absent_values(self) -> dict[str, AbsentValue]:
        """The absent values of the parameters that are no credentials."""
        return {
            name: AbsentValue(self._rule.redact(name, absent.value), absent.library)
            for name, absent in self._rules.absent.items()
            if not self._is_secret(name) and not self._rule.covers(name, absent.value)
        }

    def replace_absent_values(self, values: Mapping[str, Plain]) -> None:
        """Take over absent values that are decided elsewhere; those of other parameters stay."""
        self._rules.absent.update({name: AbsentValue(value) for name, value in values.items()})

    def set_name_rule(self, names: Iterable[str], rule: NameRule) -> None:
        """Put parameters into the configuration's name.

        Raises:
            ParameterError: one of them was never set, or the rule is invalid.
        """
        names = list(names)
        _require_known_parameters(names, self._values)
        self._rules.add_name(names, rule)

    def set_metadata(self, metadata: Mapping[str, Mapping[str, Any]], known: Iterable[str] = ()) -> None:
        """Set metadata given as ``{parameter: {field: value}}``, all or none of it.

        Args:
            metadata: with the fields in :data:`FIELDS`. ``parent`` may be a list; ``parent_active`` is then a
                mapping by parent, and a parent that is not in it only has to be active.
            known: further names that may be used although they are not set yet.

        Raises:
            ParameterError: a parameter or field is unknown, or a value invalid.
        """
        known = {*self._values, *known}
        rules = self._rules.copy()
        for name, fields in metadata.items():
            _require_known_parameters([name], known)
            rules.add_metadata(name, fields, known)
        self._rules = rules

    # Reading

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def names(self) -> list[str]:
        """The names of all parameters, in the order they were set."""
        return list(self._values)

    def inactive_reason(self, name: str) -> str:
        """Why a parameter is not active, in a few words; "" if it is."""
        if name not in self._values:
            return "absent"
        if self._is_secret(name):
            return "a credential"
        if name in self._rules.disabled:
            return "not compared"
        if self._is_none_or_false(name):
            return repr(self._values[name])
        for parent, condition in self._rules.edges.get(name, {}).items():
            if not self._edge_holds(name, parent, condition):
                return f"inactive ({parent} = {self.text(parent)})"
        if self._has_absent_value(name):
            return f"equals its absent value {self.text(name)}"
        return ""

    def object_classes(self, configuration: Configuration) -> dict[str, str]:
        """The classes of the objects whose fields alone are known, by where they are in these parameters.

        Args:
            configuration: of these parameters, or of those :meth:`without_classes`.
        """
        found: dict[str, str] = {}
        for name in configuration.active:
            found.update(object_class_names(name, self._values[name]))
        for name, value in self._values.items():
            if isinstance(value, ClassName) and name not in configuration.parameters and self.is_active(name):
                found[name.rpartition(".")[0]] = str(value)
        return found

    def text(self, name: str) -> str:
        """A parameter's value for a user, without credentials."""
        value, plain = self._values[name], self._plain_or_text(name)
        try:
            is_changed = plain != parameter_to_plain(name, value)
        except UnstableValue:
            is_changed = False
        return repr(plain if is_changed else value)

    def hidden_texts(self) -> frozenset[str]:
        """The texts in all values that are credentials or hold one."""
        found: frozenset[str] = frozenset()
        for name, value in self._values.items():
            try:
                found |= self._rule.hidden_texts(name, parameter_to_plain(name, value))
            except UnstableValue:  # it has no text
                continue
        return found

    def _plain(self, name: str) -> Plain:
        """The plain form of a parameter's value, without credentials.

        Raises:
            UnstableValue: it has none.
        """
        plain = parameter_to_plain(name, self._values[name])
        return self._rule.redact(name, plain if self._has_classes else without_classes(plain))

    def _plain_or_text(self, name: str) -> Plain:
        """The plain form of a parameter's value, without credentials; the name of its type if it has none."""
        try:
            return self._plain(name)
        except UnstableValue:
            return f"<{type(self._values[name]).__qualname__}>"

    def _is_secret(self, name: str) -> bool:
        return self._rule.covers(name, self._values.get(name))

    def _is_uncompared(self, name: str) -> bool:
        return name in self._rules.disabled or self._is_secret(name)

    def _is_none_or_false(self, name: str) -> bool:
        value = self._values[name]
        if value is None or value is False:
            return True
        if not hasattr(value, "dtype") and not is_omegaconf_config(value):
            return False
        plain = self._plain_or_text(name)  # NumPy's False, an empty configuration of OmegaConf
        return plain is None or plain is False

    def _has_absent_value(self, name: str) -> bool:
        absent = self._rules.absent.get(name)
        if absent is None:
            return False
        try:
            plain = self._plain(name)
        except UnstableValue:  # which no absent value has
            return False
        return equals_absent_value(plain, self._rule.redact(name, absent.value))

    def _switches_off(self, name: str) -> bool:
        """Whether a parameter's value makes it inactive."""
        return self._is_none_or_false(name) or self._has_absent_value(name)

    def _may_hold(self, parent: str) -> bool:
        """Whether a parent is compared and its own conditions hold, so that its value decides."""
        if parent not in self._values:
            raise ParameterError(f"{parent!r} is a parent but was never set; {closest(parent, self._values)}")
        return not self._is_uncompared(parent) and self._ancestors_hold(parent)

    def _edge_holds(self, child: str, parent: str, condition: Condition) -> bool:
        if not self._may_hold(parent):
            return False
        match condition:
            case TruthyCondition():
                return not self._switches_off(parent)
            case EqualsCondition(value):
                expected = self._rule.redact(parent, value)
                return are_equal_values(self._plain(parent), expected)
            case PredicateCondition(function):
                return self._predicate_holds(child, parent, function)
            case RecordedCondition(holds, value):
                self._require_same(parent, value)
                return holds

    def _predicate_holds(self, child: str, parent: str, function: Callable[[Any], Any]) -> bool:
        what = f"the function that decides by {parent!r} whether {child!r} counts"
        try:
            return _call_parameter_function(what, function, self._values[parent], bool)
        except _FunctionError as error:
            cannot_judge = isinstance(error.__cause__, _FROM_NONE_OR_FALSE)
            if cannot_judge and self._is_none_or_false(parent):
                return False
            raise

    def _require_same(self, name: str, recorded: Plain) -> None:
        if not are_equal_values(self._plain(name), recorded):
            raise ParameterError(
                f"the metadata that depends on {name!r} was a function, of which only the result for "
                f"{recorded!r} was stored; for {self.text(name)}, set it again with set_param_metadata(), or "
                "for stored runs by legm amend … --parent, --no-parent or --no-name"
            )

    def _ancestors_hold(self, name: str) -> bool:
        return all(
            self._edge_holds(name, parent, condition)
            for parent, condition in self._rules.edges.get(name, {}).items()
        )

    def is_active(self, name: str) -> bool:
        """Whether a parameter is active."""
        return not self._is_uncompared(name) and not self._switches_off(name) and self._ancestors_hold(name)

    def active(self) -> dict[str, Plain]:
        """The plain values of the active parameters, sorted by name.

        Raises:
            UnstableValue: a value has no stable form.
            ParameterError: a parent was never set.
        """
        for child in self._rules.edges:
            if child not in self._values:
                raise ParameterError(
                    f"{child!r} has a parent but was never set; {closest(child, self._values)}"
                )
        return {name: self._plain(name) for name in sorted(self._values) if self.is_active(name)}

    def uncompared(self) -> dict[str, Plain]:
        """The plain values of the parameters that are excluded from the comparison, sorted by name."""
        return {name: self._plain_or_text(name) for name in sorted(self._values) if self._is_uncompared(name)}

    def require_uncompared(self, names: Iterable[str]) -> None:
        """Refuse parameters that are compared, which cannot change between runs of a configuration.

        Raises:
            ParameterError: one of them is compared, or was never set.
        """
        uncompared = self.uncompared()
        for name in names:
            if name not in uncompared:
                raise ParameterError(
                    f"reset({name}=…): only parameters that are not compared may change between runs; "
                    f"{closest(name, uncompared)}"
                )

    def configuration(self, experiment: str) -> Configuration:
        """The configuration of an experiment with these parameters.

        Args:
            experiment: the experiment's name.

        Raises:
            UnstableValue: an active parameter has no stable form.
            ParameterError: a parent was never set.
        """
        active = self.active()
        digest = fingerprint(experiment, active)
        named = sorted(
            (name for name in self._rules.names if name in active),
            key=lambda n: (-self._rules.names[n].priority, n),
        )
        texts = [text for name in named if (text := self._name_text(name)) is not None]
        return Configuration(
            experiment=experiment,
            fingerprint=digest,
            name=configuration_name(texts, digest),
            parameters={name: self._plain_or_text(name) for name in self._values},
            active=tuple(active),
            metadata=self._recorded_metadata(),
        )

    def _name_text(self, name: str) -> str | None:
        rule, value = self._rules.names[name], self._values[name]
        if rule.recorded is not None:
            self._require_same(name, rule.recorded[1])
            return rule.recorded[0]
        if callable(rule.use):
            what = f"the function that decides whether {name!r} is in the configuration's name"
            if not _call_parameter_function(what, rule.use, value, bool):
                return None
        if not rule.transform:
            return format_parameter_value(self._plain(name))
        text = _call_parameter_function(
            f"the name_transform of {name!r}", rule.transform, value, format_parameter_value
        )
        return self._rule.redact_copies(text, name, parameter_to_plain(name, value))

    def _recorded_metadata(self) -> dict[str, dict[str, Plain]]:
        """The evaluated metadata, by parameter; :meth:`restore` reads it."""
        outcome: dict[str, dict[str, Plain]] = {}
        for child, edges in self._rules.edges.items():
            outcome.setdefault(child, {})["parents"] = {
                parent: self._recorded_condition(child, parent, condition)
                for parent, condition in edges.items()
            }
        for name in sorted(self._rules.disabled):
            outcome.setdefault(name, {})["disable_comparison"] = True
        for name in sorted(filter(self._is_secret, self._values)):
            outcome.setdefault(name, {})["credential"] = True
        for name, absent in self.absent_values().items():
            outcome.setdefault(name, {})["absent_value"] = absent.value
        for name, rule in self._rules.names.items():
            stored: dict[str, Plain] = {"priority": rule.priority}
            if callable(rule.use) or rule.transform or rule.recorded:
                if self.is_active(name):
                    stored |= {"text": self._name_text(name), "for": self._plain(name)}
                elif rule.recorded:
                    stored |= {"text": rule.recorded[0], "for": rule.recorded[1]}
                else:
                    stored["called"] = False
            outcome.setdefault(name, {})["name"] = stored
        return outcome

    def _recorded_condition(self, child: str, parent: str, condition: Condition) -> dict[str, Plain]:
        match condition:
            case TruthyCondition():
                return {}
            case EqualsCondition(value):
                return {"equals": self._rule.redact(parent, value)}
            case RecordedCondition(holds, value):
                return {"holds": holds, "for": value}
            case PredicateCondition(function):
                if not self._may_hold(parent):
                    return {"called": False}
                holds = self._predicate_holds(child, parent, function)
                return {"holds": holds, "for": self._plain_or_text(parent)}

    def restore(self, configuration: Configuration) -> None:
        """Set the parameters and metadata of a stored configuration.

        Which of these parameters are credentials is what was decided then.
        """
        self._rule = self._rule.as_decided(configuration)
        for name, value in configuration.parameters.items():
            check_name("parameter", name, ParameterError)  # reserved ones may be from an earlier version
            self._values[name] = from_plain(value)
        for name, stored in configuration.metadata.items():
            for parent, edge in stored.get("parents", {}).items():
                condition: Condition = TruthyCondition()
                if "equals" in edge:
                    condition = EqualsCondition(edge["equals"])
                elif "holds" in edge:
                    condition = RecordedCondition(edge["holds"], edge["for"])
                elif "called" in edge:
                    condition = PredicateCondition(
                        _unstored_parameter_function(f"the condition of {name!r} on {parent!r}")
                    )
                self.set_parent(name, parent, condition)
            if stored.get("disable_comparison"):
                self._rules.disabled.add(name)
            if "name" in stored:
                rule = stored["name"]
                recorded = (rule["text"], rule["for"]) if "text" in rule else None
                use = _unstored_parameter_function(f"the name rule of {name!r}") if "called" in rule else True
                self._rules.names[name] = NameRule(use, priority=rule["priority"], recorded=recorded)
        self.replace_absent_values(stored_absent_values(configuration))


_FROM_NONE_OR_FALSE = (TypeError, AttributeError, ValueError, LookupError, ArithmeticError)
"""What a function made for other values raises for None and False; a NameError, say, is a mistake in it."""


class _FunctionError(ParameterError):
    """A function in the metadata failed."""


class _NotStored(ParameterError):
    """The result of a function in the metadata is needed, but was not stored."""


def _call_parameter_function(
    what: str, function: Callable[[Any], Any], value: Any, convert: Callable[[Any], T]
) -> T:
    """What a function in the metadata returns for a parameter's value, converted.

    Args:
        what: the function's task, for the error message.
        function: the user's function.
        value: the parameter's value.
        convert: turns what is returned into what is needed.

    Raises:
        ParameterError: the function, or the conversion, failed.
    """
    try:
        return convert(function(value))
    except _NotStored:
        raise
    except Exception as cause:
        name = getattr(function, "__qualname__", None) or repr(function)
        code = getattr(function, "__code__", None)
        where = f" ({code.co_filename}, line {code.co_firstlineno})" if code else ""
        raise _FunctionError(
            redact_text(f"{what}, {name}{where}, failed for {value!r:.80}: {type(cause).__name__}: {cause}. ")
            + "It must return a result for every value that the parameter may have"
        ) from cause


def _unstored_parameter_function(what: str) -> Callable[[Any], Any]:
    """A function in place of one that was not called before the metadata was stored."""

    def fail_unstored_parameter(value: Any) -> Any:
        raise _NotStored(
            f"{what} was a function, whose result was not needed and so not stored; for {value!r}, set it "
            "again with set_param_metadata()"
        )

    return fail_unstored_parameter


def _require_known_parameters(names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise ParameterError(f"there is no parameter {name!r}; {closest(str(name), known)}")


def _parent_parameter_condition(parent: str, value: Any) -> Condition:
    """The condition for a value of ``parent_active``: a function is called, another value is compared."""
    if callable(value) and not isinstance(value, type):
        return PredicateCondition(value)
    return EqualsCondition(parameter_to_plain(parent, value))


def parameter_condition(parent: str, active_value: Any) -> Condition:
    """The condition for :meth:`legm.ExperimentHandler.set_parent`; None means that no value was given."""
    return TruthyCondition() if active_value is None else _parent_parameter_condition(parent, active_value)


def _condition_by_parent_parameter(child: str, parent: str, parents: list[str], value: Any) -> Condition:
    if not isinstance(value, Mapping):
        raise ParameterError(
            f"parent_active of {child!r} must map each of its parents {parents} to a value, not be {value!r}"
        )
    for name in value:
        if name not in parents:
            raise ParameterError(
                f"parent_active of {child!r} names {name!r}, which is not one of its parents {parents}"
            )
    return _parent_parameter_condition(parent, value[parent]) if parent in value else TruthyCondition()


def format_parameter_value(value: Any) -> str:
    """A value as it appears in a configuration's name; the items of a list are joined with ``+``.

    So are the class and the fields of an object: ``Adam+lr=0.1``.
    """
    if isinstance(value, (list, tuple, set, frozenset)):
        return "+".join(format_parameter_value(item) for item in value)
    if isinstance(value, dict):
        if len(value) == 1 and next(iter(value)).startswith("legm:"):
            return format_parameter_value(next(iter(value.values())))
        return "+".join(
            format_parameter_value(item) if key == OBJECT_CLASS else f"{key}={format_parameter_value(item)}"
            for key, item in value.items()
        )
    return str(value)
