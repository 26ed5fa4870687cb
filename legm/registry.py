"""From a backend's name, class or instance to the backend; heavy ones are imported on first use."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pluggy

from legm.errors import BackendError, LegmError, closest
from legm.hooks import Backend, Capability, Hooks

__all__ = ["make_backend", "plugin_manager"]

_BUILT_IN = {
    "local": "legm.backends.local:LocalBackend",
    "mlflow": "legm.backends.mlflow:MlflowBackend",
    "wandb": "legm.backends.wandb:WandbBackend",
}
_EXTRAS = {
    "mlflow": "mlflow",
    "wandb": "wandb",
}  # by backend, the extra that installs what it needs
_REQUIRED = ("legm_open_run", "legm_write", "legm_close_run", "legm_read_runs", "legm_read_configurations")
_REQUIRED_BY = {
    Capability.FOLDERS: "legm_folder",
    Capability.SUMMARIES: "legm_write_summary",
    Capability.FIGURES: "legm_write_figure",
    Capability.CURVES: "legm_write_curves",
}


def make_backend(backend: object, root: Path, options: Mapping[str, Any]) -> Backend:
    """The backend that a user asked for.

    Args:
        backend: a name, a class that is called with the root directory and options, or an instance.
        root: the root directory.
        options: the backend's own.

    Raises:
        BackendError: the name is unknown, the options do not fit, or what was given is no backend.
    """
    if isinstance(backend, str):
        if backend not in _BUILT_IN:
            raise BackendError(f"there is no backend {backend!r}; {closest(backend, _BUILT_IN)}")
        module, _, name = _BUILT_IN[backend].partition(":")
        try:
            found = getattr(importlib.import_module(module), name)
        except ImportError as cause:
            extra = _EXTRAS.get(backend)
            remedy = f"install it with: pip install 'legm[{extra}]'" if extra else "reinstall legm"
            raise BackendError(f"the backend {backend!r} cannot be used ({cause}): {remedy}") from cause
        backend = found
    if isinstance(backend, type):
        _refuse_unknown(backend, options)
        try:
            backend = backend(root, **options)
        except LegmError:
            raise
        except TypeError as cause:
            raise BackendError(f"the backend does not take these options {dict(options)}: {cause}") from cause
    elif options:
        raise BackendError(
            f"options {sorted(options)} were given with a backend that is made already: {backend!r}"
        )
    missing = [name for name in ("name", "capabilities") if not hasattr(backend, name)]
    if missing:
        raise BackendError(f"{backend!r} is no backend: it lacks {', '.join(missing)}")
    return cast("Backend", backend)


def _refuse_unknown(backend: type, options: Mapping[str, Any]) -> None:
    """Name the options that a backend does not have, where its signature tells."""
    import inspect

    try:
        parameters = inspect.signature(backend).parameters
    except (TypeError, ValueError):
        return
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    known = list(parameters)[1:]  # the first is the root directory
    for name in options:
        if name not in known:
            title = getattr(backend, "name", backend.__qualname__)
            raise BackendError(f"the backend {title!r} has no option {name!r}; {closest(name, known)}")


def plugin_manager(backends: list[Backend]) -> pluggy.PluginManager:
    """A manager that holds just these backends.

    Raises:
        BackendError: a hook is misspelled or has other arguments than it should, or one is missing that
            every backend needs, or that goes with a capability the backend has.
    """
    manager = pluggy.PluginManager("legm")
    manager.add_hookspecs(Hooks)
    for backend in backends:
        try:
            manager.register(backend, name=backend.name)
            manager.check_pending()
        except pluggy.PluginValidationError as cause:
            raise BackendError(f"the backend {backend.name!r} does not fit this legm: {cause}") from cause
        needed = [*_REQUIRED, *(hook for has, hook in _REQUIRED_BY.items() if has in backend.capabilities)]
        missing = set(needed).difference(caller.name for caller in manager.get_hookcallers(backend) or ())
        if missing:
            raise BackendError(
                f"the backend {backend.name!r} lacks {', '.join(sorted(missing))}: "
                f"each must be a method marked with legm.hookimpl"
            )
    return manager
