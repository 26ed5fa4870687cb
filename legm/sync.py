"""Delivers what runs still owe to backends that were away, on any later day."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from legm import runlog
from legm.errors import LegmError, StorageError
from legm.logs import LogFolder
from legm.records import Plain, RunResult
from legm.registry import make_backend
from legm.relay import Relay, deliver_log

__all__ = ["Delivered", "sync"]


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of one run's log.

    Args:
        path: where the log was.
        backend: where it was to go.
        result: the run; None where it was not delivered.
        problem: why not; "" where a living process delivers it itself.
    """

    path: Path
    backend: str
    result: RunResult | None = None
    problem: str = ""


def sync(root: Path, to: str | None = None) -> Iterator[Delivered]:
    """Deliver each run below a root directory to the backends its log names; a second time does nothing.

    Args:
        root: the root directory.
        to: only to this backend.

    Raises:
        StorageError: there is no such folder.
    """
    if not root.is_dir():
        raise StorageError(f"there is no folder {root}")
    relays: dict[str, Relay] = {}
    for path in sorted(root.glob(".legm/*/*/runs/open/*.log")):
        try:
            places = runlog.read_head(path).places
        except LegmError as error:
            yield Delivered(path, "", problem=str(error))
            continue
        for name, options in places.items():
            if to in {None, name}:
                yield _deliver(root, path, name, options, relays)


def _deliver(
    root: Path, path: Path, name: str, options: dict[str, Plain], relays: dict[str, Relay]
) -> Delivered:
    key = json.dumps([name, options], sort_keys=True)
    try:
        if key not in relays:
            relays[key] = Relay(make_backend(name, root, options), root)
        return Delivered(path, name, deliver_log(relays[key], LogFolder(path.parents[1]), path))
    except LegmError as error:
        return Delivered(path, name, problem=str(error))
