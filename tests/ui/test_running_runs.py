"""What is reported of running runs does not wait for an experiment that is being counted."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from legm.tables.sources import FolderTableSource
from legm.ui.running_runs import RunningRuns
from legm.ui.stored_runs import StoredRuns
from legm.ui.subscribers import Subscribers
from tests.support.local_runs import begun, train
from tests.support.waiting import until


class OpenPage(Subscribers):
    """Keeps what a page would be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: dict[str, Any] = {}
        self.versions: dict[str, int] = {}

    def __len__(self) -> int:
        return 1

    def put(self, runs, versions) -> None:
        self.runs.update(runs)
        self.versions.update(versions)


def test_values_come_while_an_experiment_is_counted(tmp_path: Path, monkeypatch):
    handler = begun(tmp_path, 0.1, "net")
    handler.set_metric("loss", 1.0)
    stored, page, go_on = StoredRuns(tmp_path), OpenPage(), threading.Event()
    running = RunningRuns(stored, page)
    running.start()
    try:
        until(lambda: handler.run_id in page.runs)
        counts, is_counting = FolderTableSource.counts, threading.Event()

        def slow_counts(self, experiment):
            is_counting.set()
            go_on.wait()
            return counts(self, experiment)

        monkeypatch.setattr(FolderTableSource, "counts", slow_counts)
        stored.expire("net")
        asking = threading.Thread(target=stored.experiment, args=("net",))
        asking.start()
        is_counting.wait()
        other = begun(tmp_path, 0.2, "net")  # which changes the experiment too
        until(lambda: other.run_id in page.runs and page.versions.get("net", 0) > 1)
        before = page.runs[handler.run_id]["last"]
        handler.set_metric("loss", 2.0)
        until(lambda: page.runs[handler.run_id]["last"] != before)
        go_on.set()
        asking.join()
        other.log()
    finally:
        go_on.set()
        running.close()
        handler.log()


def test_what_changes_while_it_is_counted_is_counted_once_more(tmp_path: Path, monkeypatch):
    train(tmp_path, "net", rate=0.1)
    stored, counts, expired = StoredRuns(tmp_path), FolderTableSource.counts, []

    def counts_of_before(self, experiment):
        found = counts(self, experiment)
        if not expired:
            train(tmp_path, "net", rate=0.2)
            expired.append(stored.expire("net"))
        return found

    monkeypatch.setattr(FolderTableSource, "counts", counts_of_before)
    first, second = stored.experiment("net"), stored.experiment("net")
    assert [len(one["rows"]) for one in (first, second)] == [1, 2]
    assert [one["version"] for one in (first, second)] == [
        0,
        1,
    ]  # so that a page knows that it has an older one
    assert stored.unfinished("net")["version"] == 1
