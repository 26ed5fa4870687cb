"""A backend that is a server which may be away, hang or lose its answer."""

from __future__ import annotations

import threading
from pathlib import Path

from legm import ExperimentHandler, hookimpl
from legm.hooks import Capability
from tests.support.memory_backend import Memory, flat


class Remote(Memory):
    """A server: it may be away, lose its answer or hang, and says up to where it has a run."""

    name = "remote"
    capabilities = frozenset({Capability.REMOTE})

    def __init__(self, root: Path, **options: object) -> None:
        super().__init__(root, **options)
        self.away = False
        self.loses_answers = False
        self.refused = 0
        self.hangs_in: str | None = None
        self.hanging, self.continued = threading.Event(), threading.Event()
        self.got: list = []
        """Everything that any hook was given."""

    def _reached(self, hook: str, *given: object) -> None:
        self.got.append(given)
        if self.hangs_in == hook:
            self.hanging.set()
            self.continued.wait(120)
        if self.away:
            self.refused += 1
            raise ConnectionError("no route to host")

    @hookimpl
    def legm_open_run(self, run):
        self._reached("open", run)
        super().legm_open_run(run)
        return max(self.batches[run.run_id], default=0)

    @hookimpl
    def legm_write(self, run, records, position):
        self._reached("write", run, records)
        super().legm_write(run, records, position)
        if self.loses_answers:
            self.away, self.loses_answers = True, False
            raise TimeoutError("no answer")

    @hookimpl
    def legm_close_run(self, run, result, records):
        self._reached("close", run, result, records)
        super().legm_close_run(run, result, records)

    def of(self, run_id: str) -> list:
        """What came of a run by ``legm_write``, in its order."""
        batches = self.batches.get(run_id, {})
        return flat(record for position in sorted(batches) for record in batches[position])


def leave(handler: ExperimentHandler) -> None:
    """Release a run that was logged, and wait until no thread of it is left."""
    before = {thread for thread in threading.enumerate() if thread.name == "legm-remote"}
    with handler:
        pass
    for thread in before:
        thread.join(60)
        assert not thread.is_alive()
