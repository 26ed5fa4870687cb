"""Configuration objects of several libraries as mappings from names to values.

None of these libraries is required: an attrs class is recognized by its ``__attrs_attrs__``, a pydantic model
by its ``model_fields`` (in version 1 ``__fields__``), and omegaconf is only imported for one of its
containers.
"""

from __future__ import annotations

import argparse
import dataclasses
import types
from collections.abc import Iterator, Mapping
from typing import Any

from legm.errors import ParameterError, UnstableValue

__all__ = [
    "ClassName",
    "is_dtype_or_device",
    "is_omegaconf_config",
    "object_class_name",
    "object_class_names",
    "object_fields",
    "parameters_from_config",
    "resolve_omegaconf_config",
]

_MAX_DEPTH = 100
_DTYPES_AND_DEVICES = frozenset(
    ("numpy.dtype", "torch.dtype", "torch.device", "torch.layout", "torch.memory_format")
)


class ClassName(str):
    """The class of an object whose fields are parameters of their own, as a parameter beside them."""

    __slots__ = ()


def object_fields(value: Any) -> dict[str, Any] | None:
    """The fields of a dataclass, attrs class, pydantic model or namespace, by name.

    Args:
        value: any value.

    Returns:
        the fields, or None for any other value.

    Raises:
        UnstableValue: a field has no value.
    """
    kind = type(value)
    if isinstance(value, type):
        return None
    if isinstance(value, (argparse.Namespace, types.SimpleNamespace)):
        return dict(vars(value))
    if dataclasses.is_dataclass(value):
        return _config_attributes(value, [field.name for field in dataclasses.fields(value)])
    if hasattr(kind, "__attrs_attrs__"):
        return _config_attributes(value, [field.name for field in kind.__attrs_attrs__])
    if hasattr(kind, "model_fields") and hasattr(kind, "model_dump"):
        return _config_attributes(value, kind.model_fields) | (value.model_extra or {})
    if hasattr(kind, "__fields__") and hasattr(kind, "__config__"):  # pydantic 1, or pydantic.v1 of 2
        return dict(vars(value))
    return None


def object_class_name(value: object) -> str | None:
    """The name of the class of an object that becomes its fields.

    It is the name without the module and without the function that the class is made in, so that it stays the
    same where a script is imported, or a class moved. A namespace has no class of its own.

    Args:
        value: for which :func:`object_fields` returns fields, or a named tuple.

    Returns:
        the name, as in ``Net.Options``; None for a namespace.
    """
    kind = type(value)
    if isinstance(value, (argparse.Namespace, types.SimpleNamespace)) and kind.__name__.endswith("Namespace"):
        return None
    return kind.__qualname__.rpartition("<locals>.")[2]


def object_class_names(where: str, value: Any) -> Iterator[tuple[str, str]]:
    """The names of the classes of the objects in a value that become their fields.

    Args:
        where: what the value is called.
        value: any value that has a stable form.

    Yields:
        for each object: where it is, as in ``optimizer.schedule``, and the name of its class.
    """
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return
    if isinstance(value, (list, tuple)):
        for at, item in enumerate(value):
            yield from object_class_names(f"{where}[{at}]", item)
        return
    fields = value if isinstance(value, Mapping) else object_fields(value)
    if not fields:  # an object without fields is the name of its class already
        return
    if fields is not value and (name := object_class_name(value)) is not None:
        yield where, name
    for field, item in fields.items():
        yield from object_class_names(f"{where}.{field}", item)


def _config_attributes(value: object, names: list[str] | Mapping[str, object]) -> dict[str, Any]:
    for name in names:
        if not hasattr(value, name):
            raise UnstableValue(
                f"the field {name!r} of a {type(value).__qualname__} has no value: give it one"
            )
    return {name: getattr(value, name) for name in names}


def is_omegaconf_config(value: object) -> bool:
    """Whether a value is an OmegaConf ``DictConfig`` or ``ListConfig``, which Hydra uses too."""
    return any(base.__module__ == "omegaconf.basecontainer" for base in type(value).__mro__)


def is_dtype_or_device(value: object) -> bool:
    """Whether a value is a data type, device or memory layout of NumPy or PyTorch, which its text names."""
    names = {f"{base.__module__}.{base.__qualname__}" for base in type(value).__mro__}
    return not names.isdisjoint(_DTYPES_AND_DEVICES)


def resolve_omegaconf_config(value: Any, parameter: str = "") -> Any:
    """The dictionaries and lists of an OmegaConf container, with every interpolation resolved.

    Args:
        value: the container.
        parameter: the parameter whose value it is, for the error message; "" for none.

    Raises:
        UnstableValue: a value is missing (``???``), or cannot be resolved.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

    try:
        return OmegaConf.to_container(value, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        where = f"the configuration in parameter {parameter!r}" if parameter else "the configuration"
        if isinstance(error, MissingMandatoryValue):
            raise UnstableValue(
                f"{where} has no value for {error.full_key!r}, only '???': give it one"
            ) from error
        reason = str(error).partition("\n")[0]
        raise UnstableValue(f"{error.full_key!r} of {where} cannot be resolved: {reason}") from error


def parameters_from_config(
    call: str,
    config: Any,
    *,
    flatten: bool = False,
    of_classes: bool = False,
    with_class_names: bool = False,
) -> dict[str, Any]:
    """The parameters in a configuration object, by name.

    Args:
        call: the user's call, for the error message.
        config: a mapping, dataclass, attrs class, pydantic model, OmegaConf ``DictConfig``, named tuple or
            namespace, or any other object that ``vars()`` accepts.
        flatten: whether nested names are joined with ``.``, as in ``model.depth``.
        of_classes: whether a plain class is taken too: its public attributes, and those that it inherits.
        with_class_names: whether an object in it whose fields become separate parameters has its class among
            them, as ``model.class``, unless it has a field of that name.

    Raises:
        ParameterError: it is none of these, a value is missing, or two joined names are equal.
    """
    values = resolve_omegaconf_config(config) if is_omegaconf_config(config) else _nested_config(config)
    if values is None and of_classes and isinstance(config, type) and not _makes_configs(config):
        values = _config_class_attributes(config) or None
    if values is None and hasattr(config, "__dict__") and not isinstance(config, (type, types.FunctionType)):
        values = dict(vars(config))
    if not isinstance(values, Mapping):
        kind = type(config).__qualname__
        given = (
            f"the class {config.__qualname__}; pass an instance of it" if isinstance(config, type) else kind
        )
        raise ParameterError(f"{call} takes a mapping, namespace or configuration object, not {given}")
    if not flatten:
        return dict(values)
    flat: dict[str, Any] = {}
    _flatten_config(values, "", flat, 0, with_class_names=with_class_names)
    return flat


def _makes_configs(kind: type) -> bool:
    """Whether the values are in a class's instances, or its members, and so not in itself."""
    fields = (
        "__dataclass_fields__",
        "__attrs_attrs__",
        "model_fields",
        "__fields__",
        "_fields",
        "__members__",
    )
    return kind.__module__ == "builtins" or any(hasattr(kind, name) for name in fields)


def _config_class_attributes(kind: type) -> dict[str, Any]:
    """The public attributes of a class that are neither functions nor properties; subclasses win."""
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__[:-1]):
        found.update(vars(base))
    return {
        name: value
        for name, value in found.items()
        if not name.startswith("_")
        and not isinstance(value, types.FunctionType)
        and not hasattr(value, "__get__")
    }


def _nested_config(value: Any) -> Mapping[Any, Any] | None:
    if isinstance(value, Mapping):
        return value
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        fields: dict[str, Any] = value._asdict()
        return fields
    return object_fields(value)


def _class_parameter(value: object) -> dict[str, Any]:
    name = object_class_name(value)
    return {} if name is None else {"class": ClassName(name)}


def _flatten_config(
    values: Mapping[Any, Any], prefix: str, flat: dict[str, Any], depth: int, *, with_class_names: bool
) -> None:
    if depth > _MAX_DEPTH:
        raise ParameterError(f"{prefix[:80]!r} is nested more than {_MAX_DEPTH} deep or contains itself")
    for key, value in values.items():
        name = f"{prefix}{key}" if prefix else key
        inner = _nested_config(resolve_omegaconf_config(value, name) if is_omegaconf_config(value) else value)
        if inner and all(isinstance(key, str) for key in inner):
            if with_class_names and inner is not value and not is_omegaconf_config(value):
                inner = {**_class_parameter(value), **inner}
            _flatten_config(inner, f"{name}.", flat, depth + 1, with_class_names=with_class_names)
        elif name in flat:
            raise ParameterError(
                f"two parameters are called {name!r} when nested names are joined: rename one of them, or "
                f"do not pass flatten=True"
            )
        else:
            flat[name] = value
