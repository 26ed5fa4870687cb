"""From a backend's name, class or instance to the backend; heavy ones are imported on first use.

A package adds a name by an entry point of the group ``legm.backends``.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from legm.delivery.circuit_breaker import PATIENCE, waiting_reported
from legm.errors import BackendError, LegmError, NotSupported, closest
from legm.hooks import Backend, Capability, FolderChanger, FolderReader, Hooks
from legm.records import MediaKind, Plain

if TYPE_CHECKING:  # reading folders needs none of these
    from importlib.metadata import EntryPoint

    import pluggy

__all__ = [
    "DEFAULT_BACKEND",
    "DeferredBackend",
    "InstalledBackend",
    "backend_names",
    "backend_plugin_manager",
    "find_backend_by_stored_name",
    "find_folder_changer",
    "find_folder_reader",
    "installed_backends",
    "is_folder_of",
    "is_registered_backend",
    "make_backend",
    "make_backends",
]

log = logging.getLogger(__name__)

DEFAULT_BACKEND = "local"
"""The backend that is used where none is named."""

_GROUP = "legm.backends"
_FOLDER_GROUP = "legm.folder_readers"

_BUILT_IN = {
    "local": "legm.backends.local.backend:LocalBackend",
    "mlflow": "legm.backends.mlflow:MlflowBackend",
    "wandb": "legm.backends.wandb:WandbBackend",
}
_CHANGER_GROUP = "legm.folder_changers"
_FOLDER_CHANGERS = {"local": "legm.backends.local.folder_changes"}
_FOLDER_READERS = {"local": "legm.backends.local.folder_reader"}
_EXTRAS = {
    "mlflow": "mlflow",
    "wandb": "wandb",
}  # by backend, the extra that installs what it needs
_STILL_BEING_MADE = "the backend %r is still being imported or created after %g s, and is waited for"
_REQUIRED = ("legm_open_run", "legm_write", "legm_close_run", "legm_read_runs", "legm_read_configurations")
_REQUIRED_BY = {
    Capability.FOLDERS: "legm_folder",
    Capability.SUMMARIES: "legm_write_summary",
    Capability.FIGURES: "legm_write_figure",
    Capability.CURVES: "legm_write_curves",
    Capability.EXPERIMENTS: "legm_read_experiments",
    Capability.DISCARD: "legm_discard_run",
    Capability.MARKS: "legm_write_marks",
    Capability.AMEND: "legm_amend_run",
}


def find_folder_reader(name: str) -> FolderReader | None:
    """What reads the folders that a user names; only :mod:`legm.delivery.folder_access` calls it.

    It creates no backend, so that reading a folder is quick.

    Args:
        name: the backend's.

    Returns:
        None if the backend has none, or there is no such backend.

    Raises:
        BackendError: the package that declares it is broken, or several declare it.
    """
    if name in _FOLDER_READERS:
        return cast("FolderReader", importlib.import_module(_FOLDER_READERS[name]))
    if name in _BUILT_IN:
        return None
    points = _backend_entry_points(_FOLDER_GROUP).get(name, [])
    return cast("FolderReader", _load_only_entry_point(points)) if points else None


def find_folder_changer(name: str) -> FolderChanger:
    """What changes the folders of a backend.

    Args:
        name: the backend's.

    Raises:
        NotSupported: the backend has none, or there is no such backend.
        BackendError: the package that declares it is broken, or several declare it.
    """
    if name in _FOLDER_CHANGERS:
        return cast("FolderChanger", importlib.import_module(_FOLDER_CHANGERS[name]))
    points = _backend_entry_points(_CHANGER_GROUP).get(name, [])
    if not points:
        raise NotSupported(
            f"the backend {name!r} does not support changing what is stored of runs in folders"
        )
    return cast("FolderChanger", _load_only_entry_point(points))


def is_folder_of(name: str, folder: Path, fingerprint: str) -> bool:
    """Whether a folder that a backend made is still of a configuration; true where nothing can change that.

    Args:
        name: the backend's.
        folder: the folder.
        fingerprint: the configuration's.
    """
    if name not in _FOLDER_CHANGERS and (
        name in _BUILT_IN or not _backend_entry_points(_CHANGER_GROUP).get(name)
    ):
        return True  # without a look at all installed packages for a backend of legm's own
    return find_folder_changer(name).stated(folder) == fingerprint


def make_backends(
    backend: object, root: Path, options: Mapping[str, Any], *, strict: bool = False
) -> list[Backend | DeferredBackend]:
    """The backends that a user asked for, the primary first.

    A mirror that cannot be made, or takes long, is deferred, and the log says so.

    Args:
        backend: as :func:`make_backend` takes it, or a list of these.
        root: the root directory.
        options: the backend's own; for a list, by the backend's name.
        strict: whether it is an error that a mirror cannot be made.

    Raises:
        BackendError: as :func:`make_backend`; or two have one name, or options belong to none of them.
    """
    if not isinstance(backend, (list, tuple)):
        return [make_backend(backend, root, options)]
    names = [one if isinstance(one, str) else str(getattr(one, "name", one)) for one in backend]
    if not names:
        raise BackendError("an empty list names no backend: name at least one, as in backend=['local']")
    for name in names:
        if names.count(name) > 1:
            raise BackendError(f"the backend {name!r} was named twice in {names}: runs go there once")
    for name, own in options.items():
        if name not in names:
            raise BackendError(
                f"with several backends, backend_options are keyed by backend name; {name!r} is not one "
                f"of them: {closest(name, names)}"
            )
        if not isinstance(own, Mapping):
            raise BackendError(f"the options of the backend {name!r} must be a mapping, not {own!r}")
    primary, *mirrors = backend
    make_mirror = make_backend if strict else _make_mirror_backend
    return [
        make_backend(primary, root, options.get(names[0], {})),
        *(
            make_mirror(one, root, options.get(name, {}))
            for one, name in zip(mirrors, names[1:], strict=True)
        ),
    ]


def _make_mirror_backend(
    backend: object, root: Path, options: Mapping[str, Any]
) -> Backend | DeferredBackend:
    """A mirror: what a user did wrong is an error at once, what is wrong with the backend is not."""
    kind, problem = backend, None
    if isinstance(backend, str):
        _require_registered(backend)
        try:
            kind = _find_backend(backend, patient=False)
        except BackendError as error:  # which is logged below
            problem = error
    if isinstance(kind, type):
        _refuse_unknown_backend_options(kind, options)
    if not isinstance(backend, (str, type)):
        return make_backend(backend, root, options)
    name = backend if isinstance(backend, str) else str(getattr(backend, "name", backend.__qualname__))
    deferred = DeferredBackend(name, options, lambda: _make_backend_now(backend, root, options))
    try:
        if problem is not None:
            raise problem
        return deferred.make()
    except LegmError as error:
        later = f": legm sync {root}" if is_registered_backend(deferred) else " a later run with it"
        log.error(  # noqa: TRY400
            "%s. The run continues without the mirror %r; its records stay in the run log, for%s",
            error,
            name,
            later,
        )
        return deferred


class DeferredBackend:
    """A mirror that is not there yet: each call tries to make it, on a thread of its own.

    Args:
        name: of the backend.
        options: that it is made with.
        make: makes it.
    """

    capabilities = frozenset({Capability.REMOTE})

    def __init__(self, name: str, options: Mapping[str, Any], make: Callable[[], Backend]) -> None:
        self.name = name
        self.options = _storable_backend_options(options)
        self._make = make
        self._lock = threading.Lock()
        self._attempt: _MirrorAttempt | None = None

    def make(self) -> Backend:
        """The backend, for which it waits a few seconds.

        Raises:
            LegmError: it cannot be made, or is still being made.
        """
        with self._lock:
            if self._attempt is None:
                self._attempt = _MirrorAttempt(self._make, self.name)
            attempt = self._attempt
        try:
            return attempt.wait()
        finally:
            with self._lock:
                if attempt.error is not None and self._attempt is attempt:
                    self._attempt = None


class _MirrorAttempt:
    """One attempt to make a backend."""

    def __init__(self, make: Callable[[], Backend], name: str) -> None:
        self.error: BaseException | None = None
        self._name = name
        self._make = make
        self._backend: Backend | None = None
        self._until = time.monotonic() + PATIENCE
        self._thread = threading.Thread(target=self._work, name=f"legm-{name}-make", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether it has neither succeeded nor failed."""
        return self._backend is None and self.error is None

    def _work(self) -> None:
        try:
            self._backend = self._make()
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            self.error = error

    def wait(self) -> Backend:
        self._thread.join(max(0.0, self._until - time.monotonic()))
        if self._backend is not None:
            return self._backend
        if self.error is None:
            raise BackendError(
                f"the backend {self._name!r} is still being imported or created after {PATIENCE:g} s"
            )
        if isinstance(self.error, LegmError):
            raise self.error
        raise BackendError(f"the backend {self._name!r} cannot be created: {self.error!r}") from self.error


def _storable_backend_options(options: Mapping[str, Any]) -> dict[str, Plain]:
    """Options that may be written to a run log: of plain types, and without credentials."""
    from legm.core.credentials import is_credential, redact_url_password

    kept: dict[str, Plain] = {}
    for name, value in options.items():
        if isinstance(value, Mapping):
            kept[name] = _storable_backend_options(value)
        elif isinstance(value, str):
            if not is_credential(name, value):
                kept[name] = redact_url_password(value)
        elif value is None or isinstance(value, (bool, int, float)):
            kept[name] = value
        elif isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value):
            kept[name] = list(value)
    return kept


def make_backend(backend: object, root: Path, options: Mapping[str, Any]) -> Backend:
    """The backend that a user asked for.

    Args:
        backend: a name, a class that is called with the root directory and options, or an instance.
        root: the root directory.
        options: the backend's own.

    Raises:
        BackendError: the name is unknown, the options do not fit, or what was given is not a backend.
    """
    with _report_making_backend(backend):
        return _make_backend_now(backend, root, options)


def _report_making_backend(backend: object) -> AbstractContextManager[None]:
    """Say in the log what is waited for, where a backend's import or constructor hangs.

    Both stay on the caller's thread, where libraries may install signal handlers or open connections.
    """
    name = backend if isinstance(backend, str) else getattr(backend, "name", repr(backend))
    if isinstance(backend, str) and backend in _BUILT_IN:
        return contextlib.nullcontext()
    return waiting_reported(PATIENCE, _STILL_BEING_MADE, name, PATIENCE)


def _make_backend_now(backend: object, root: Path, options: Mapping[str, Any]) -> Backend:
    if isinstance(backend, str):
        backend = _find_backend(backend)
    if isinstance(backend, type):
        _refuse_unknown_backend_options(backend, options)
        try:
            backend = backend(root, **options)
        except LegmError:
            raise
        except TypeError as cause:
            from legm.core.credentials import redact

            raise BackendError(
                f"the backend does not accept these options {redact('', dict(options))}: {cause}"
            ) from cause
    elif options:
        raise BackendError(
            f"options {sorted(options)} cannot be given with an instance of a backend: {backend!r}"
        )
    missing = [name for name in ("name", "capabilities") if not hasattr(backend, name)]
    if missing:
        raise BackendError(f"{backend!r} is not a backend: it lacks {', '.join(missing)}")
    return cast("Backend", backend)


def _find_backend(name: str, *, patient: bool = True) -> object:
    """The class behind a name: legm's own, or that of an installed package.

    Args:
        name: the backend's.
        patient: whether an import of an installed package may take as long as it likes.
    """
    if name in _BUILT_IN:
        module, _, title = _BUILT_IN[name].partition(":")
        try:
            return getattr(importlib.import_module(module), title)
        except ImportError as cause:
            extra = _EXTRAS.get(name)
            remedy = f"install it with: pip install 'legm[{extra}]'" if extra else "reinstall legm"
            raise BackendError(f"the backend {name!r} cannot be used ({cause}): {remedy}") from cause
    _require_registered(name)
    return _load_only_entry_point(_backend_entry_points()[name], patient=patient)


def _load_only_entry_point(points: Sequence[EntryPoint], *, patient: bool = False) -> object:
    """What packages declare by one name; there may be only one."""
    first, *others = points
    if others:
        packages = " and ".join(sorted(map(_backend_package, points)))
        raise BackendError(
            f"the packages {packages} both have a backend {first.name!r}: uninstall one of them"
        )
    return _load_entry_point(first, patient=patient)


def _load_entry_point(point: EntryPoint, *, patient: bool = False) -> object:
    """What an installed package names; the import waits a few seconds, unless it is patient.

    Raises:
        BackendError: it cannot be imported, or is still being imported.
    """
    if patient:
        return _import_entry_point(point)
    attempt = _import_attempt(point)
    try:
        return attempt.wait()
    finally:
        if not attempt.is_running:  # the next one asks Python anew
            _import_attempt.cache_clear()


@functools.lru_cache(maxsize=64)
def _import_attempt(point: EntryPoint) -> _MirrorAttempt:
    """The import of a package, which all that wait for it share."""
    return _MirrorAttempt(lambda: cast("Backend", _import_entry_point(point)), point.name)


def _import_entry_point(point: EntryPoint) -> object:
    try:
        return point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as cause:  # a plugin may even exit
        raise BackendError(
            f"the backend {point.name!r} of the package {_backend_package(point)} cannot be used: "
            f"{type(cause).__name__}: {cause}"
        ) from cause


def find_backend_by_stored_name(name: str) -> object:
    """The class behind a name in a run log, which is the class's own; its entry point may have another.

    Raises:
        BackendError: no installed package has it.
    """
    if name in _BUILT_IN or name in backend_names():
        return _find_backend(name)
    for points in _backend_entry_points().values():
        for point in points:
            with contextlib.suppress(BackendError):
                kind = _load_entry_point(point)
                if getattr(kind, "name", None) == name:
                    return kind
    raise BackendError(
        f"no installed package has the backend {name!r}: the next run with it delivers what is pending"
    )


def is_registered_backend(backend: Backend | DeferredBackend) -> bool:
    """Whether another process, such as ``legm sync``, finds the backend's class by its name."""
    if isinstance(backend, DeferredBackend):
        return backend.name in backend_names()
    with contextlib.suppress(BackendError):
        return find_backend_by_stored_name(backend.name) is type(backend)
    return False


def _require_registered(name: str) -> None:
    known = backend_names()
    if name not in known:
        raise BackendError(f"there is no backend {name!r}; {closest(name, known)}")


def _backend_entry_points(group: str = _GROUP) -> dict[str, list[EntryPoint]]:
    """By name, what installed packages declare; nothing of theirs is imported."""
    from importlib.metadata import entry_points

    found: dict[str, dict[str, EntryPoint]] = {}
    for point in entry_points(group=group):
        if point.name not in _BUILT_IN:
            found.setdefault(point.name, {})[_backend_package(point)] = point  # a package may be found twice
    return {name: list(points.values()) for name, points in found.items()}


def _backend_package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value


@dataclass(frozen=True, slots=True)
class InstalledBackend:
    """A backend that can be named.

    Args:
        name: of the backend.
        package: the package that provides it, with its version.
        capabilities: what it can do; empty where it cannot be used.
        media_kinds: the kinds of media that it stores as such.
        problem: why it cannot be used; "" where it can.
    """

    name: str
    package: str
    capabilities: tuple[str, ...] = ()
    media_kinds: tuple[str, ...] = ()
    problem: str = ""


def backend_names() -> list[str]:
    """The backends that can be named, whether or not they can be used."""
    return [*_BUILT_IN, *sorted(_backend_entry_points())]


def installed_backends() -> list[InstalledBackend]:
    """Every backend that can be named; each is imported, to see whether it can be used."""
    from importlib.metadata import entry_points

    from legm.version import __version__

    packages = [(name, f"legm {__version__}") for name in _BUILT_IN]
    others = sorted(_backend_entry_points().items())
    packages += [(name, _backend_package(point)) for name, points in others for point in points]
    found = [_inspect_registered_backend(name, package) for name, package in packages]
    hidden = {_backend_package(p): p for p in entry_points(group=_GROUP) if p.name in _BUILT_IN}
    return [
        *found,
        *(
            InstalledBackend(
                point.name, package, problem="legm's own backend has this name: it needs another"
            )
            for package, point in hidden.items()
        ),
    ]


def _inspect_registered_backend(name: str, package: str) -> InstalledBackend:
    try:
        backend: Any = _find_backend(name, patient=False)
        can = tuple(sorted(one.value for one in backend.capabilities))
        kinds = tuple(sorted(one.value for one in media_kinds_of(backend)))
        backend_plugin_manager([backend])
    except LegmError as error:
        return InstalledBackend(name, package, problem=str(error))
    except Exception as error:  # noqa: BLE001 - a broken one is listed as such
        return InstalledBackend(name, package, problem=f"it is not a backend: {error!r}")
    return InstalledBackend(name, package, can, kinds)


def _refuse_unknown_backend_options(backend: type, options: Mapping[str, Any]) -> None:
    """Name the options that a backend does not have, where its signature shows them."""
    import inspect

    try:
        parameters = inspect.signature(backend).parameters
    except (TypeError, ValueError):
        return
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    known = list(parameters)[1:]  # the first is the root directory
    title = getattr(backend, "name", backend.__qualname__)
    if options and not known:
        raise BackendError(
            f"the backend {title!r} has no options, but was given {', '.join(sorted(options))}"
        )
    for name in options:
        if name not in known:
            raise BackendError(f"the backend {title!r} has no option {name!r}; {closest(name, known)}")


def media_kinds_of(backend: Backend | DeferredBackend) -> frozenset[MediaKind]:
    """The kinds of media that a backend stores as such: all with MEDIA, unless it names some; else none.

    Raises:
        BackendError: what it names are not kinds of media.
    """
    if Capability.MEDIA not in backend.capabilities:
        return frozenset()
    named = getattr(backend, "media_kinds", None)
    if named is None:
        return frozenset(MediaKind)
    try:
        kinds = frozenset(named)
    except TypeError:
        kinds = frozenset({named})
    wrong = sorted(repr(one) for one in kinds if not isinstance(one, MediaKind))
    if wrong:
        raise BackendError(
            f"media_kinds of the backend {backend.name!r} must be a set of legm.records.MediaKind, and has "
            f"{', '.join(wrong)}"
        )
    return kinds


def backend_plugin_manager(backends: list[Backend]) -> pluggy.PluginManager:
    """A manager that holds just these backends.

    Raises:
        BackendError: a hook is misspelled or has other arguments than it should, or one is missing that
            every backend needs, or that goes with a capability the backend has.
    """
    import pluggy

    class PublicNames(pluggy.PluginManager):
        """Looks for hooks among public names alone: looking at each attribute of a backend takes long."""

        def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
            return None if name.startswith("_") else super().parse_hookimpl_opts(plugin, name)

        def parse_hookspec_opts(self, module_or_class: Any, name: str) -> Any:
            return None if name.startswith("_") else super().parse_hookspec_opts(module_or_class, name)

    manager = PublicNames("legm")
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
        media_kinds_of(backend)
    return manager
