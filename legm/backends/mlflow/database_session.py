"""Sessions of MLflow's own with its database."""

from __future__ import annotations

import inspect
from contextlib import AbstractContextManager
from typing import Any

__all__ = ["open_database_session"]


def open_database_session(store: Any, *, read_only: bool) -> AbstractContextManager[Any]:
    """A session with the database of a store, committed when it ends; older MLflows have one kind only.

    Args:
        store: MLflow's store.
        read_only: whether nothing is written in it.
    """
    make = store.ManagedSessionMaker
    has_kinds = "read_only" in inspect.signature(make).parameters
    session: AbstractContextManager[Any] = make(read_only=read_only) if has_kinds else make()
    return session
