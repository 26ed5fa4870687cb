"""The parameters of an estimator with scikit-learn's ``get_params``, and of those in it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from legm.integrations.trainer_parameters import TrainerParameters

__all__ = ["estimator_parameters"]

_UNCOMPARED = {"n_jobs", "verbose", "random_state", "memory", "cache_size", "pre_dispatch", "transform_input"}
"""What says how to compute and report, and not what to train, in every estimator."""


def estimator_parameters(
    estimator: Any, library: str, uncompared: Iterable[str] = (), *, has_class_names: bool = True
) -> TrainerParameters:
    """The parameters of an estimator and of those in it, such as the steps of a pipeline.

    Args:
        estimator: of scikit-learn, or of a library that follows it.
        library: that has the defaults, with its version.
        uncompared: further names that only distinguish runs.
        has_class_names: whether the estimator's class is in front of its parameters, ``SVC.C``, since
            another class may have another default for a parameter of the same name. In an estimator that is
            part of another one it is anyway, behind the name of the part: ``reducer.PCA.n_components``.
    """
    found = _EstimatorParameters({}, {})
    prefix = f"{type(estimator).__name__}." if has_class_names else ""
    found.add_estimator("estimator", prefix, estimator)
    ignored = _UNCOMPARED | {*uncompared}
    names = [name for name in found.values if name.rpartition(".")[2] in ignored]
    return TrainerParameters(found.values, found.defaults, library, names)


@dataclass(frozen=True, slots=True)
class _EstimatorParameters:
    """Values and the defaults of these, by name."""

    values: dict[str, Any]
    defaults: dict[str, Any]

    def add_estimator(self, name: str, prefix: str, estimator: Any) -> None:
        self.values[name] = type(estimator).__name__
        usual = _default_estimator_arguments(type(estimator))
        for inner, value in estimator.get_params(deep=False).items():
            if inner == "callbacks" or inner.startswith("_"):
                continue
            own = prefix + inner.replace("__", ".")
            self.add(own, prefix, value)
            if inner in usual:
                self.defaults[own] = _default_estimator_value(usual[inner])

    def add(self, name: str, prefix: str, value: Any) -> None:
        if _is_estimator(value):
            self.add_estimator(name, f"{name}.{type(value).__name__}.", value)
        elif _is_list_of_estimators(value):
            self.values[name] = [one[0] for one in value]
            for inner, part, *columns in value:
                own = prefix.rpartition(".")[0].rpartition(".")[0]
                own = f"{own}.{inner}" if own else inner
                is_named_for_class = _is_estimator(part) and inner == type(part).__name__.lower()
                if _is_estimator(part):
                    short = own.rpartition(".")[0]
                    front = f"{short}." if short else ""
                    kind = type(part).__name__
                    self.add_estimator(
                        own, f"{front}{kind}." if is_named_for_class else f"{own}.{kind}.", part
                    )
                else:
                    self.values[own] = part
                if columns:
                    self.values[f"{own}.columns"] = columns[0]
        else:
            self.values[name] = _estimator_value(value)


def _default_estimator_value(value: Any) -> Any:
    return type(value).__name__ if _is_estimator(value) else _estimator_value(value)


def _estimator_value(value: Any) -> Any:
    """A value; for what splits data, such as ``KFold``, its class with its arguments."""
    if isinstance(value, type) or not (hasattr(value, "get_n_splits") or hasattr(value, "check_cv")):
        return value
    arguments = ", ".join(f"{name}={inner!r}" for name, inner in sorted(vars(value).items()))
    text = f"{type(value).__name__}({arguments})"
    return value if " at 0x" in text else text


def _is_estimator(value: Any) -> bool:
    return hasattr(value, "get_params") and not isinstance(value, type)


def _is_list_of_estimators(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) > 0
        and all(isinstance(one, tuple) and len(one) in {2, 3} and isinstance(one[0], str) for one in value)
        and any(_is_estimator(one[1]) for one in value)
    )


def _default_estimator_arguments(kind: type) -> dict[str, Any]:
    """The defaults of a class's arguments, and of those that it passes on to its bases."""
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__[:-1]):
        if "__init__" in vars(base):
            for name, argument in inspect.signature(vars(base)["__init__"]).parameters.items():
                if argument.default is not argument.empty:
                    found[name] = argument.default
                else:
                    found.pop(name, None)
    return found
