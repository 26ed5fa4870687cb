"""``wandb.config``: parameters as attributes and items."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from legm.compat.wandb.attribute_mapping import AttributeMapping
from legm.compat.wandb.errors import ConfigError, Error
from legm.core.config_objects import parameters_from_config
from legm.delivery.script_runs import is_same_script_value

__all__ = ["Config", "UninitializedObject"]

log = logging.getLogger("legm.compat")


def _config_dict(given: Any) -> dict[str, Any]:
    """The argument of ``config=`` or ``update()`` as a dictionary."""
    if given is None:
        return {}
    if isinstance(given, (str, Path)):  # a file in wandb's format: {name: {"value": …}}
        from legm.util.yaml_files import load_yaml

        loaded = load_yaml(Path(given)) or {}
        return {
            name: one["value"] if isinstance(one, Mapping) and "value" in one else one
            for name, one in loaded.items()
            if name != "wandb_version"
        }
    if isinstance(given, Config):
        return given.as_dict()
    if isinstance(given, dict):  # one of them may answer every attribute
        return dict(given)
    if callable(getattr(type(given), "flag_values_dict", None)):  # absl's
        return dict(given.flag_values_dict())
    return parameters_from_config("wandb's config", given)


class Config(AttributeMapping):
    """Parameters that cannot change once they are set, unless the script allows it.

    Args:
        changed: called with all parameters after a change.
    """

    def __init__(self, changed: Callable[[dict[str, Any]], object] = lambda _: None) -> None:
        super().__init__("config", _changed=changed, _locked=set(), _kept=None)

    def _set(self, given: Any, *, allow_val_change: bool | None) -> None:
        named = {str(name).strip("-"): value for name, value in _config_dict(given).items()}
        new = {name: value for name, value in named.items() if name not in self._locked}
        if self._kept is not None:
            new = {name: value for name, value in new.items() if not self._is_kept(name, value)}
        elif not allow_val_change:
            for name, value in new.items():
                if name in self._items and not _are_equal_config_values(self._items[name], value):
                    raise ConfigError(
                        f"the config has {name!r} = {self._items[name]!r} already, not {value!r}: pass "
                        f"allow_val_change=True to config.update() to change it"
                    )
        self._items.update(new)
        self._changed(self.as_dict())

    def _lock(self, values: Mapping[str, Any]) -> None:
        """Set the parameters of a sweep, which the script does not change."""
        self._set(values, allow_val_change=True)
        self._locked.update(values)

    def _keep(self, values: Mapping[str, Any]) -> None:
        """Keep what distinguishes the run, which the script resumes without knowing; the rest may change."""
        self.__dict__["_kept"] = dict(values)

    def _is_kept(self, name: str, value: Any) -> bool:
        """Whether a parameter, or one in it, keeps another value, which is said then."""
        own = parameters_from_config("wandb's config", {name: value}, flatten=True)
        other = [
            one for one in own if one in self._kept and not is_same_script_value(own[one], self._kept[one])
        ]
        for one in other:
            log.warning("the run is resumed: its %r stays %r, not %r", one, self._kept[one], own[one])
        return bool(other)

    def update(self, d: Any, allow_val_change: bool | None = None) -> None:
        """Set parameters from a dictionary, namespace or configuration object.

        Raises:
            ConfigError: a parameter has another value already.
        """
        self._set(d, allow_val_change=allow_val_change)

    def setdefaults(self, d: Any) -> None:
        """Set the parameters that are not set yet."""
        self._set({k: v for k, v in _config_dict(d).items() if k not in self._items}, allow_val_change=None)

    def __setitem__(self, key: str, value: Any) -> None:
        self._set({key: value}, allow_val_change=None)

    __setattr__ = __setitem__


def _are_equal_config_values(old: Any, new: Any) -> bool:
    old, new = (
        one.tolist() if hasattr(one, "tolist") and not isinstance(one, type) else one for one in (old, new)
    )
    if isinstance(old, (list, tuple)) and isinstance(new, (list, tuple)):
        return list(old) == list(new)
    return bool(old == new)


class UninitializedObject:
    """Raises on every use: stands for an object that exists only after ``wandb.init()``."""

    def __init__(self, name: str) -> None:
        self.__dict__["_name"] = name

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise Error(f"you must call wandb.init() before {self._name}")

    __getitem__ = __setitem__ = __setattr__ = __call__ = __iter__ = __contains__ = _refuse

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Error(f"you must call wandb.init() before {self._name}.{name}")
