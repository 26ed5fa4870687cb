"""Repeated batches, killed processes, stores that cannot be used, and where delivery continues."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from legm.delivery.client import BackendClient
from legm.errors import LegmError
from legm.hooks import Capability
from legm.records import Query, Status
from legm.stats import aggregate
from legm.testing.kit import (
    ConformanceKit,
    kill_kit_process,
    kit_expects,
    kit_expects_same,
    kit_expects_same_pieces,
    kit_png,
)
from legm.testing.memory import MemoryBackend

__all__ = ["FailureTests"]


class FailureTests(ConformanceKit):
    """Nothing is lost or repeated, and no error is hidden."""

    def test_a_repeated_batch_is_stored_once(self, tmp_path: Path) -> None:
        """A batch whose response was lost is sent again, divided into other batches."""
        backend = self._made(tmp_path)
        reference = MemoryBackend(tmp_path)
        with self._handler(tmp_path, reference).start() as handler:
            for step in range(4):
                handler.set_metric("loss", step / 4, step=step)
                self._flush([handler])
            expected = handler.log()
        batches = sorted(reference.records[expected.run.run_id].items())
        kit_expects(len(batches) >= 4, "the script of this test makes four batches")
        everything = [record for _, records in batches for record in records]
        client = BackendClient(backend, tmp_path)
        client.open_run(expected.run, make_folder=True)
        for position, records in batches[:3]:
            client.write(expected.run, records, position)
        for _ in range(2):
            known = client.open_run(expected.run, make_folder=True) or 0
            pending = [record for position, records in batches if position > known for record in records]
            client.write(expected.run, pending, batches[-1][0])
            client.close_run(expected, everything)
        client.release_run(expected.run)
        (found,) = self._read(tmp_path, backend)
        kit_expects_same_pieces(found, expected, "number of points", "steps", "values")
        self._shows(tmp_path, expected.run, [("loss", step, step / 4) for step in range(4)])

    def test_a_killed_process_loses_and_repeats_nothing(self, tmp_path: Path) -> None:
        """What a killed process left is delivered with the next run of the configuration."""
        store = self._killed(tmp_path, "_begin_and_be_killed")
        backend = self.make_backend(store)
        with self._handler(store, backend).start() as handler:
            handler.set_metric("loss", 0.5, step=0)
            own = handler.log().run.run_id
            handler.get_best("loss")  # a look at the configuration
            found = self._until(store, backend, lambda runs: len(runs) == 2)
        (killed,) = (result for result in found if result.run.run_id != own)
        kit_expects_same(killed.status, Status.INTERRUPTED, "the killed run's status")
        kit_expects_same(killed.points, 200, "the killed run's points")
        ((_, history),) = killed.histories.items()
        kit_expects_same(history.steps.tolist(), list(range(200)), "the killed run's steps")
        self._shows(store, killed.run, [("loss", step, step / 8) for step in range(200)])

    def _begin_and_be_killed(self, store: str) -> None:
        """Runs in another process: a run that is killed when it is partly delivered."""
        handler = self._handler(Path(store), self.make_backend(Path(store))).start()
        for first in (0, 100):
            for step in range(first, first + 100):
                handler.set_metric("loss", step / 8, step=step)
            self._flush([handler], delivered=first == 0)
        kill_kit_process(Path(store))

    def test_an_error_is_reported_with_its_cause(self, tmp_path: Path) -> None:
        """A store that cannot be used raises an error with its cause."""
        reference = MemoryBackend(tmp_path)
        with self._handler(tmp_path, reference).start() as handler:
            handler.set_metric("loss", 0.5)
            result = handler.log()
        (batches,) = reference.records.values()
        client = BackendClient(self.make_unreachable(tmp_path), tmp_path)

        def store_run() -> None:
            client.open_run(result.run, make_folder=True)
            for position, records in batches.items():
                client.write(result.run, records, position)
            client.close_run(result, list(records))

        stored = not _kit_expects_cause(store_run)
        kit_expects(not stored, "a run was stored in a store that cannot be used, without an error")
        of = result.run.configuration
        query = Query(of.experiment, histories=None)
        summary = aggregate.aggregate_runs([result], "mean")
        curves = aggregate.aggregate_curves([result], None, "mean")
        writes = {
            Capability.SUMMARIES: lambda: client.write_summary(of, "", summary),
            Capability.CURVES: lambda: client.write_curves(of, "", curves),
            Capability.FIGURES: lambda: client.write_figure(of.experiment, of, "", "a", kit_png(b""), "png"),
            Capability.FOLDERS: lambda: client.make_folder(of),
        }
        for capability, write in writes.items():
            stored = client.supports(capability) and not _kit_expects_cause(write)
            kit_expects(
                not stored, f"{capability.value}: stored in a store that cannot be used, without an error"
            )
        # A store that is not there yet may also have no runs.
        _kit_expects_cause(lambda: list(client.runs_as_stored(query)))
        _kit_expects_cause(lambda: list(client.configurations(of.experiment)))
        if client.supports(Capability.EXPERIMENTS):
            _kit_expects_cause(client.experiments)

    def test_a_remote_backend_returns_where_delivery_continues(self, tmp_path: Path) -> None:
        """REMOTE: opening a run returns a position that the store has, also after an answer was lost."""
        backend = self._made(tmp_path)
        if not BackendClient(backend, tmp_path).supports(Capability.REMOTE):
            return  # its records never leave the recorder's thread
        reference = MemoryBackend(tmp_path / "reference")
        with self._handler(tmp_path / "reference", reference).start_with({"rate": 0.5}) as handler:
            handler.set_metric("loss", 0.5, step=0)
            handler.flush()
            handler.set_metric("loss", 0.25, step=1)
            run = handler.log().run
        (batches,) = reference.records.values()
        client = BackendClient(backend, tmp_path)
        kit_expects_same(client.open_run(run, make_folder=True), 0, "the position of a new run")
        for position, records in batches.items():
            client.write(run, records, position)
        client.release_run(run)
        again = BackendClient(self.make_backend(tmp_path), tmp_path)
        stored = again.open_run(run, make_folder=True)
        again.release_run(run)
        kit_expects(
            isinstance(stored, int) and stored in {0, *batches},
            f"a run is opened again at {stored!r}, which is not the end of a batch: {[0, *batches]}",
        )


def _kit_expects_cause(act: Callable[[], object]) -> bool:
    """Whether a call fails; it must then be with an error that is chained to its cause."""
    try:
        act()
    except LegmError as error:
        kit_expects(error.__cause__ is not None, f"{error!r} is not chained to its cause with 'from'")
        return True
    return False
