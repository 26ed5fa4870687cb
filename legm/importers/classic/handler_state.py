"""What the original legm knew about parameters, from ``obj.pkl`` and ``names.txt``: pure functions.

``obj.pkl`` is a pickle of its handler. Five of its attributes matter: the parameters, those that are not
compared, the parent of each child, the value or function that says when the parent is active, and those that
make up the name. A parameter whose parent is inactive is listed as not compared too. A parameter that enters
the name in another form has a copy for that, called ``<parameter>___``, with a leading underscore for each
step of its priority, and ``ctrain`` for ``train``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from legm.core.config_objects import parameters_from_config
from legm.core.parameters import Parameters, format_parameter_value
from legm.core.plain_form import to_plain
from legm.errors import LegmError, ParameterError, StorageError
from legm.importers.unevaluated import PlainConverter, UnevaluatedName, UnevaluatedObject
from legm.records import Configuration, Plain

__all__ = ["HandlerState", "describe_state_parameters", "handler_state_from", "name_parameters_in_state"]

_MAX_VALUES = 1_000_000
_COPY_SUFFIX = "___"


@dataclass(frozen=True, slots=True)
class HandlerState:
    """The state of a configuration's handler.

    Args:
        experiment: the experiment's name; "" if it has none.
        parameters: the parameters of the run that started last.
        disabled: the names of those that are not compared.
        parents: for each child its parent, and when the parent is active: None, a plain value, or
            :class:`legm.importers.unevaluated.UnevaluatedName` for a function.
    """

    experiment: str
    parameters: Mapping[str, Any]
    disabled: frozenset[str] = frozenset()
    parents: Mapping[str, tuple[str, Any]] = field(default_factory=dict)


def handler_state_from(pickled: Any) -> HandlerState:
    """Extract the state of a handler from a pickle.

    Raises:
        StorageError: it is not a handler of the original legm.
    """
    state = pickled.state if isinstance(pickled, UnevaluatedObject) else None
    if not isinstance(state, dict) or "_param_dict" not in state:
        raise StorageError("it is not a handler of the original legm")
    values = PlainConverter(_MAX_VALUES, StorageError)
    plain_state = {
        name: values.convert(state.get(name))
        for name in ("_param_dict", "_disabled_params", "_parent_param_dict", "_experiment_category")
    }
    conditions = dict(_state_items(state.get("_parent_param_value_dict")))
    parents = {}
    for child, parent in _state_items(plain_state["_parent_param_dict"]):
        active = dict(_state_items(conditions.get(child))).get(parent)
        parents[str(child)] = (
            str(parent),
            active if isinstance(active, UnevaluatedName) else values.convert(active),
        )
    parameters, disabled = plain_state["_param_dict"], plain_state["_disabled_params"]
    return HandlerState(
        str(plain_state["_experiment_category"] or values.convert(state.get("_experiment_name")) or ""),
        parameters if isinstance(parameters, dict) else {},
        frozenset(map(str, disabled)) if isinstance(disabled, (set, list)) else frozenset(),
        parents,
    )


def _state_items(mapping: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(mapping, dict):
        return mapping.items()
    return mapping.pairs if isinstance(mapping, UnevaluatedObject) else ()


def name_parameters_in_state(text: str, parameters: Mapping[str, Any]) -> list[str]:
    """The parameters that make up the name according to ``names.txt``, in order."""
    return [line for line in text.splitlines() if line in parameters]


def _original_of_state_copy(name: str, parameters: Mapping[str, Any]) -> str | None:
    """The parameter that this one copies for the name; None if it is not a copy."""
    if not name.endswith(_COPY_SUFFIX):
        return None
    stem = name.removesuffix(_COPY_SUFFIX)
    while stem:
        for original in (stem, stem.replace("ctrain", "train")):
            if original in parameters:
                return original
        if stem[0] != "_":
            break
        stem = stem[1:]
    return None


def describe_state_parameters(
    parameters: Mapping[str, Any], named: Iterable[str], handler_state: HandlerState | None
) -> tuple[dict[str, Any], dict[str, dict[str, Plain]] | None]:
    """A run's parameters with nested names joined by ``.``, and the metadata about them.

    Args:
        parameters: the original legm's parameters.
        named: those that make up the name, in order.
        handler_state: the state of its handler; None if unknown.

    Returns:
        the parameters without copies for the name, and the metadata in the form of
        :attr:`legm.records.Configuration.metadata`; None if only the name is known.

    Raises:
        ParameterError: two joined names are the same.
    """
    copies = {
        name: one for name in parameters if (one := _original_of_state_copy(name, parameters)) is not None
    }
    values: dict[str, Any] = {}
    parts: dict[str, list[str]] = {}
    for name, value in parameters.items():
        if name in copies:
            continue
        flat = parameters_from_config("the original legm", {name: value}, flatten=True)
        for one in flat:
            if one in values:
                raise ParameterError(f"two parameters have the name {one!r} once nested names are joined")
        parts[name] = list(flat)
        values |= flat
    if handler_state is None:
        return values, None
    metadata: dict[str, dict[str, Plain]] = {}

    def note(name: str, what: str, content: Plain) -> None:
        for part in parts.get(name, ()):
            metadata.setdefault(part, {})[what] = content

    disabled = {*handler_state.disabled}
    for child, (parent, active) in handler_state.parents.items():
        if parent in copies or parent not in parameters or child not in parts:
            continue
        holds = _state_edge_held(parameters[parent], active, is_disabled=child in disabled)
        if not holds and parent in parts.get(parent, ()):
            disabled.discard(child)  # it is inactive anyway while its parent is
        if parent in parts.get(parent, ()):
            note(child, "parents", {parent: _state_edge_condition(parameters[parent], active, holds=holds)})
        elif not holds:
            disabled.add(child)
    for name in disabled:
        note(name, "disable_comparison", True)
    order = [name for name in named if name in parameters]
    for at, name in enumerate(order):
        original = copies.get(name, name)
        rule: dict[str, Plain] = {"priority": len(order) - at}
        if original != name and original in values:
            text = format_parameter_value(to_plain(name, parameters[name]))
            rule |= {"text": text, "for": to_plain(original, values[original])}
        note(original, "name", rule)
    return values, _state_without_cycles(metadata)


def _state_edge_held(value: Any, active: Any, *, is_disabled: bool) -> bool:
    """Whether a parent was active for its child."""
    if isinstance(active, UnevaluatedName):
        return not is_disabled  # the outcome of a function shows only in this
    return bool(value) if active is None else bool(value == active)


def _state_edge_condition(value: Any, active: Any, *, holds: bool) -> Plain:
    """The condition on a parent; its outcome where legm has another rule for the parent's value."""
    is_on = value is not None and value is not False
    if isinstance(active, UnevaluatedName) or (active is None and is_on != holds):
        return {"holds": holds, "for": to_plain("parent", value)}
    return {} if active is None else {"equals": to_plain("parent_active", active)}


def _state_without_cycles(metadata: dict[str, dict[str, Plain]]) -> dict[str, dict[str, Plain]]:
    """The metadata, without parents if these form a cycle."""
    try:
        Parameters().restore(Configuration("", "", "", {}, (), metadata))
    except LegmError:
        return {
            name: {what: content for what, content in fields.items() if what != "parents"}
            for name, fields in metadata.items()
        }
    return metadata
