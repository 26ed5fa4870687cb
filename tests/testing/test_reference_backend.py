"""The conformance kit over the reference backend, which keeps runs as long as its process lives."""

from __future__ import annotations

from pathlib import Path

import pytest

from legm.core.rewinding import without_rewound
from legm.errors import StorageError
from legm.records import Artifact, Display, Media, Points, Record, Split
from legm.testing import BackendTests
from legm.testing.memory import MemoryBackend

_STORES: dict[Path, MemoryBackend] = {}


class Unreachable(MemoryBackend):
    """One whose memory is not there."""

    def __getattribute__(self, name: str) -> object:
        if name in {"results", "records", "summaries", "curves", "pictures"}:
            raise StorageError("there is no memory") from OSError("it is gone")
        return super().__getattribute__(name)

    def __init__(self, root: Path) -> None:
        self.root = root


class TestReferenceBackend(BackendTests):
    """A process has one store for each folder."""

    is_shared_by_processes = False

    @pytest.fixture(autouse=True)
    def _forked(self, prepared_core):
        self._prepared = prepared_core

    def run_python(self, arguments, output):
        with output.open("wb") as said:
            return self._prepared.begin(arguments, stdout=said, stderr=said).wait()

    def make_backend(self, store):
        return _STORES.setdefault(store, MemoryBackend(store))

    def make_unreachable(self, store):
        return Unreachable(store)

    def stored_points(self, store, run):
        return [
            (series.name, step, value)
            for one in without_rewound(records_of(store, run.run_id))
            if isinstance(one, Points)
            for layout, step, _, values in one.rows()
            for series, value in zip(layout, values, strict=True)
            if series.split is Split.DEV
        ]

    def holds(self, store, value):
        every = [one for run_id in _STORES[store].records for one in records_of(store, run_id)]
        if not isinstance(value, bytes):
            known = repr((every, _STORES[store].summaries, _STORES[store].curves))
            return repr(value) in known or any(
                isinstance(one, Points) and value in one.values for one in every
            )
        files = [Path(one.path) for one in every if isinstance(one, Artifact)]
        files += [Path(file.path) for one in every if isinstance(one, Media) for file in one.files]
        shown = [repr(one).encode() for one in every if isinstance(one, Display)]
        kept = [(path if path.is_absolute() else store / path).read_bytes() for path in files]
        return any(value in one for one in (*shown, *kept, *_STORES[store].pictures.values()))


def records_of(store: Path, run_id: str) -> list[Record]:
    batches = _STORES[store].records[run_id]
    return [one for position in sorted(batches) for one in batches[position]]
