"""Sessions of W&B's library that are legm's own, beside the user's.

W&B's library keeps one session for a process: the settings that it read from the environment once, the login
of the newest run, the active runs, and the connection to its service process. legm makes its calls inside of
sessions of its own. So handlers with different servers and accounts can share a process, and what the user
does with ``wandb`` and sets in the environment has its effect as if legm were not there.

W&B's library has no public way to do that. Where a version has other internals than those that are known
here, legm's calls use the user's session, with every setting given explicitly.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import netrc
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from legm.util.real_libraries import require_real_library

__all__ = ["WandbSession"]

_of_thread = threading.local()


class WandbSession:
    """One session: a server and the login for it, by the settings, the environment and W&B's own files.

    The environment is read when the session is made. W&B's library is imported then.

    Args:
        settings: settings of W&B's by name, which win over the environment.

    Raises:
        BackendError: the library is a stand-in in this process.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._lock = threading.Lock()
        self._process = os.getpid()
        require_real_library("wandb")
        self._state = _new_session_state()
        known = _session_settings(self._state)
        url = settings.get("base_url") or os.environ.get("WANDB_BASE_URL") or known.base_url
        self.url = str(url).rstrip("/")
        """The server's address."""
        self.api_key = (
            settings.get("api_key") or os.environ.get("WANDB_API_KEY") or _wandb_key_in_netrc(self.url)
        )
        """The key for the server; None where there is none, or a token file instead."""
        if self.api_key is None and known.api_key and str(known.base_url).rstrip("/") == self.url:
            self.api_key = known.api_key
        self._token_file = settings.get("identity_token_file") or known.identity_token_file
        self._apply(known)

    @property
    def has_login(self) -> bool:
        """Whether there is a key or a token for the server."""
        return bool(self.api_key or self._token_file)

    @property
    def is_separate(self) -> bool:
        """Whether the session is apart from the user's."""
        return self._state is not None

    def _apply(self, settings: Any) -> None:
        settings.base_url = self.url
        if self.api_key:
            settings.api_key = self.api_key

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Make the calls of W&B's library inside, on this thread, within this session."""
        before = getattr(_of_thread, "state", None)
        _of_thread.state = self._current_state()
        try:
            yield
        finally:
            _of_thread.state = before

    def _current_state(self) -> Any:
        with self._lock:
            if self._process != os.getpid():  # a fork has its own threads and its own service
                self._process = os.getpid()
                self._state = _new_session_state()
                self._apply(_session_settings(self._state))
            return self._state


def _wandb_key_in_netrc(url: str) -> str | None:
    host = urlsplit(url).hostname or ""
    for path in filter(None, [os.environ.get("NETRC"), "~/.netrc", "~/_netrc"]):
        try:
            found = netrc.netrc(Path(path).expanduser()).authenticators(host)
        except (OSError, netrc.NetrcParseError):
            continue
        if found:
            return found[2]
    return None


# W&B's internals


def _new_session_state() -> Any:
    """A state of W&B's library; None where it has internals that are unknown."""
    return _make_session_state(os.getpid()) if _is_session_redirected() else None


def _session_settings(state: Any) -> Any:
    """The settings of a state, which it reads from the environment once."""
    import wandb

    if state is None:
        return wandb.setup().settings.model_copy()
    with _terminal_unchanged_by_session():
        return state.settings


@functools.cache
def _is_session_redirected() -> bool:
    """Let W&B's library look up its state in the thread's session, where there is one.

    Returns:
        whether it can.
    """
    from wandb.sdk import wandb_init, wandb_setup

    known = ("_asyncer", "_connection", "_active_runs", "_settings", "_session_identity")
    initial: Any = getattr(wandb_init, "_WandbInit", None)
    if not (
        hasattr(wandb_setup, "_setup")
        and hasattr(wandb_setup, "_WandbSetup")
        and hasattr(initial, "maybe_login")
        and set(known) <= vars(_wandb_state_shared_by_sessions(os.getpid())).keys()
    ):
        return False
    wandb_setup._setup = _by_session(wandb_setup._setup, lambda: _of_thread.state)  # noqa: SLF001 - W&B's
    # The login is in the session's settings already; W&B would make it that of the whole process, and print.
    initial.maybe_login = _by_session(initial.maybe_login, lambda: None)
    return True


def _by_session(original: Callable[..., Any], answer: Callable[[], Any]) -> Callable[..., Any]:
    """A function that answers otherwise inside of a session."""

    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        if getattr(_of_thread, "state", None) is None:
            return original(*args, **kwargs)
        return answer()

    return call


@functools.lru_cache(maxsize=1)
def _wandb_state_shared_by_sessions(process: int) -> Any:
    """What all sessions of a process have in common: W&B's event loop and its service process."""
    from wandb.sdk import wandb_setup

    return wandb_setup._WandbSetup(pid=process)  # noqa: SLF001 - W&B's


def _make_session_state(process: int) -> Any:
    shared = _wandb_state_shared_by_sessions(process)
    state = copy.copy(shared)
    state._settings = state._settings_environ = state._session_identity = None  # noqa: SLF001 - W&B's
    state._active_runs = []  # noqa: SLF001 - W&B's

    def ensure_service() -> Any:
        if state._connection is None:  # noqa: SLF001 - W&B's
            with _user_wandb_service_hidden(), _terminal_unchanged_by_session():
                state._connection = shared.ensure_service()  # noqa: SLF001 - W&B's
        return state._connection  # noqa: SLF001 - W&B's

    state.ensure_service = ensure_service
    return state


@contextlib.contextmanager
def _user_wandb_service_hidden() -> Iterator[None]:
    """Start a service process, whose address W&B puts into the environment, instead of using the user's."""
    before = os.environ.pop("WANDB_SERVICE", None)
    try:
        yield
    finally:
        os.environ.pop("WANDB_SERVICE", None)
        if before is not None:
            os.environ["WANDB_SERVICE"] = before


@contextlib.contextmanager
def _terminal_unchanged_by_session() -> Iterator[None]:
    """Reading settings also sets what W&B prints, for the whole process."""
    from wandb.errors import term

    names = ("_silent", "_show_info", "_show_warnings", "_show_errors", "_logger")
    before = {name: getattr(term, name) for name in names if hasattr(term, name)}
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(term, name, value)
