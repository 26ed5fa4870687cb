"""``wandb.config``: parameters as attributes and items."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from legm.compat.wandb.errors import ConfigError, Error
from legm.compat.wandb.items import Items
from legm.core.config_objects import parameters_from_config

__all__ = ["Config", "NotBegun"]


def _parsed(given: Any) -> dict[str, Any]:
    """What ``config=`` or ``update()`` was given, as a dictionary."""
    if given is None:
        return {}
    if isinstance(given, (str, Path)):  # a file, as wandb has it: {name: {"value": …}}
        from legm.util.atomic_files import load_yaml

        loaded = load_yaml(Path(given)) or {}
        return {
            name: one["value"] if isinstance(one, Mapping) and "value" in one else one
            for name, one in loaded.items()
            if name != "wandb_version"
        }
    if hasattr(given, "flag_values_dict"):  # absl's
        return dict(given.flag_values_dict())
    if isinstance(given, Config):
        return given.as_dict()
    return parameters_from_config("wandb's config", given)


class Config(Items):
    """Parameters that are set once, unless a change is asked for.

    Args:
        changed: called with all of them after a change.
    """

    def __init__(self, changed: Callable[[dict[str, Any]], object] = lambda _: None) -> None:
        super().__init__("config", _changed=changed)

    def _set(self, given: Any, *, allow_val_change: bool | None) -> None:
        new = {str(name).strip("-"): value for name, value in _parsed(given).items()}
        if not allow_val_change:
            for name, value in new.items():
                if name in self._items and not _equal(self._items[name], value):
                    raise ConfigError(
                        f"the config has {name!r} = {self._items[name]!r}, and would get {value!r}: pass "
                        f"allow_val_change=True to config.update() if it is to change"
                    )
        self._items.update(new)
        self._changed(self.as_dict())

    def update(self, d: Any, allow_val_change: bool | None = None) -> None:
        """Set parameters from a dictionary, namespace or configuration object.

        Raises:
            ConfigError: one of them has another value already.
        """
        self._set(d, allow_val_change=allow_val_change)

    def setdefaults(self, d: Any) -> None:
        """Set those parameters that are not set yet."""
        self._set({k: v for k, v in _parsed(d).items() if k not in self._items}, allow_val_change=None)

    def __setitem__(self, key: str, value: Any) -> None:
        self._set({key: value}, allow_val_change=None)

    __setattr__ = __setitem__


def _equal(old: Any, new: Any) -> bool:
    if hasattr(old, "tolist") or hasattr(new, "tolist"):
        old, new = (one.tolist() if hasattr(one, "tolist") else one for one in (old, new))
    if isinstance(old, (list, tuple)) and isinstance(new, (list, tuple)):
        return list(old) == list(new)
    return bool(old == new)


class NotBegun:
    """Stands for what there is only after ``wandb.init()``."""

    def __init__(self, name: str) -> None:
        self.__dict__["_name"] = name

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise Error(f"you must call wandb.init() before {self._name}")

    __getitem__ = __setitem__ = __setattr__ = __call__ = __iter__ = __contains__ = _refuse

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Error(f"you must call wandb.init() before {self._name}.{name}")
