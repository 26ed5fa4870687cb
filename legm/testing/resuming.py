"""Runs that survive their process: resumed, rewound, killed in between, and asked for by two at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from unittest import mock

from legm.core.run_environment import run_stretches
from legm.delivery.client import BackendClient
from legm.errors import StateError
from legm.handler import ExperimentHandler
from legm.hooks import Backend, Capability
from legm.records import Record, Rewind, Run, RunResult, Status
from legm.testing.kit import ConformanceKit, kill_kit_process, kit_expects, kit_expects_same

__all__ = ["ResumingTests"]


class ResumingTests(ConformanceKit):
    """A run that was interrupted, resumed and rewound gives the same answers as an undisturbed one."""

    def test_a_killed_process_is_followed_by_one_that_resumes_its_run(self, tmp_path: Path) -> None:
        """Another process continues the run: it stays one run, with all its values and both stretches."""
        store = self._killed(tmp_path, "_train_and_be_killed")
        backend = self.make_backend(store)
        handler = self._handler(store, backend)
        handler.start(resume=True)
        kit_expects_same((handler.is_resumed, handler.last_step), (True, 99), "resumed, and its last step")
        _set_resumed_losses(handler, range(100, 150))
        handler.log()
        found = self._resumed_run(store, backend, dict.fromkeys(range(150), 0.0), is_rewound=False)
        kit_expects_same(found.points, 151, "the number of points")
        kit_expects_same(list(found.test.values()), [0.25], "the test value")
        kit_expects_same(len(run_stretches(found.run)), 2, "the number of stretches in its environment")

    def _train_and_be_killed(self, store: str) -> None:
        """Runs in another process: a run that is killed when it is partly delivered."""
        handler = self._handler(Path(store), self.make_backend(Path(store)))
        handler.start()
        handler.set_metric("accuracy", 0.25, test=True)
        for steps in (range(50), range(50, 100)):
            _set_resumed_losses(handler, steps)
            self._flush([handler], delivered=steps.start == 0)
        kill_kit_process(Path(store))

    def test_a_rewound_run_has_what_was_set_again(self, tmp_path: Path) -> None:
        """Values after the step are void, delivered or not; those set again count."""
        backend = self._made(tmp_path)
        handler = self._handler(tmp_path, backend)
        handler.start()
        _set_resumed_losses(handler, range(8))
        self._flush([handler], delivered=True)
        _set_resumed_losses(handler, range(8, 10))
        handler.rewind(4)
        kit_expects_same(handler.last_step, 4, "the last step after a rewind")
        _set_resumed_losses(handler, range(5, 7), 0.5)
        handler.log()
        self._resumed_run(tmp_path, backend, {**dict.fromkeys(range(5), 0.0), 5: 0.5, 6: 0.5})

    def test_a_run_may_be_resumed_twice(self, tmp_path: Path) -> None:
        """Each time from a checkpoint before the end; while it runs, no earlier end of it counts."""
        backend = self._made(tmp_path)
        handler = self._handler(tmp_path, backend)
        handler.start()
        _set_resumed_losses(handler, range(10))
        self._flush([handler], delivered=True)
        handler.end("failed", "on purpose")
        for number, step in enumerate((4, 7), 1):
            backend = self.make_backend(tmp_path)
            handler = self._handler(tmp_path, backend)
            handler.start(resume=True, rewind_to=step)
            _set_resumed_losses(handler, range(step + 1, 9), number / 4)
            self._flush([handler], delivered=True)
            if BackendClient(backend, tmp_path).supports(Capability.RESUME):
                found = self._until(tmp_path, backend, lambda runs: not _ended_resumed_runs(runs))
                ended = _ended_resumed_runs(found)
                kit_expects_same(ended, [], "how a run has ended that is running again")
            if number == 1:
                handler.end("interrupted", "again")
        handler.log()
        shifts = {**dict.fromkeys(range(5), 0.0), **dict.fromkeys((5, 6, 7), 0.25), 8: 0.5}
        result = self._resumed_run(tmp_path, backend, shifts)
        kit_expects_same(result.error, None, "the error of a run that was completed at last")
        kit_expects_same(len(run_stretches(result.run)), 3, "the number of stretches in its environment")

    def test_two_that_resume_at_once_get_two_runs(self, tmp_path: Path) -> None:
        """One gets the interrupted run, the other one a new run; a run that is alive is never taken."""
        backend = self._made(tmp_path)
        earlier = self._handler(tmp_path, backend)
        earlier.start()
        _set_resumed_losses(earlier, range(3))
        earlier.end("interrupted")
        handlers: list[ExperimentHandler] = []
        for _ in range(2):
            handlers.append(self._handler(tmp_path, backend))
            handlers[-1].start(resume=True)
        kit_expects_same([one.is_resumed for one in handlers], [True, False], "which of two was resumed")
        self._expect_alive(tmp_path, backend, handlers[0].run_id or "")
        _set_resumed_losses(handlers[0], range(3, 5))
        _set_resumed_losses(handlers[1], range(4), 0.5)
        self._flush(handlers)
        results = [handler.log() for handler in handlers]
        for result, shifts in zip(
            results, (dict.fromkeys(range(5), 0.0), dict.fromkeys(range(4), 0.5)), strict=True
        ):
            self._resumed_run(tmp_path, backend, shifts, result.run.run_id, is_rewound=False)
        kit_expects_same(len(self._read(tmp_path, backend)), 2, "the number of runs")

    def _expect_alive(self, store: Path, backend: Backend, run_id: str) -> None:
        """Fail unless a run is refused to whoever asks for it, since it is being written."""
        try:
            self._handler(store, backend).start(resume=run_id)
        except StateError:
            return
        raise AssertionError("a run was taken that is alive")

    def test_two_processes_that_resume_at_once_get_two_runs(self, tmp_path: Path) -> None:
        """The same of two processes that write to one store at the same time."""
        store = tmp_path / "store"
        store.mkdir()
        backend = self.make_backend(store)
        earlier = self._handler(store, backend)
        earlier.start()
        _set_resumed_losses(earlier, range(3))
        earlier.end("interrupted")
        with self._in_another_process(store, "_resume_beside_the_first"):
            self._resume_at_once(store, backend, "first", "second")
            resumed = {
                self._wait_for_message(store, f"{name} began"): self._wait_for_message(
                    store, f"{name} logged"
                )
                for name in ("first", "second")
            }
        kit_expects_same(
            sorted(resumed.values()), ["a new run", "resumed"], "what two processes got that asked at once"
        )
        if self.is_shared_by_processes:
            self._expect_resumed_at_once(store, resumed)

    def _expect_resumed_at_once(self, store: Path, resumed: dict[str, str]) -> None:
        """The store has just these runs, by what each is: the one that was resumed, and a new one."""
        backend = self.make_backend(store)
        for run_id, what in resumed.items():
            shifts = dict.fromkeys(range(5), 0.0) if what == "resumed" else dict.fromkeys(range(4), 0.5)
            self._resumed_run(store, backend, shifts, run_id, is_rewound=False)
        kit_expects_same(len(self._read(store, backend)), len(resumed), "the number of runs")

    def _resume_beside_the_first(self, store: str) -> None:
        """Runs in another process: it asks for the run that the first process asks for too."""
        self._resume_at_once(Path(store), self.make_backend(Path(store)), "second", "first")

    def _resume_at_once(self, store: Path, backend: Backend, name: str, other: str) -> None:
        """Ask for the interrupted run when another process does, and log what this one got."""
        handler = self._handler(store, backend)
        self._leave_message(store, f"{name} ready", "")
        self._wait_for_message(store, f"{other} ready")
        handler.start(resume=True)
        self._leave_message(store, f"{name} began", handler.run_id or "")
        run_of_other = self._wait_for_message(store, f"{other} began")
        kit_expects(handler.run_id != run_of_other, "two processes got the same run")
        self._expect_alive(store, backend, run_of_other)
        self._leave_message(store, f"{name} refused", "")
        self._wait_for_message(store, f"{other} refused")
        if handler.is_resumed:
            _set_resumed_losses(handler, range(3, 5))
        else:
            _set_resumed_losses(handler, range(4), 0.5)
        self._flush([handler])
        run_id, what = handler.run_id or "", "resumed" if handler.is_resumed else "a new run"
        handler.log()
        if not self.is_shared_by_processes:
            self._expect_resumed_at_once(store, {run_id: what})
        self._leave_message(store, f"{name} logged", what)

    def test_a_killed_process_in_a_rewind_leaves_a_run_to_resume(self, tmp_path: Path) -> None:
        """What is void stays void, although the process ended before it noted what it had delivered."""
        store = self._killed(tmp_path, "_be_killed_in_a_rewind")
        backend = self.make_backend(store)
        handler = self._handler(store, backend)
        handler.start(resume=True)
        kit_expects_same(handler.last_step, 4, "the last step of a run that was killed in a rewind")
        _set_resumed_losses(handler, range(5, 7), 0.5)
        handler.log()
        self._resumed_run(store, backend, {**dict.fromkeys(range(5), 0.0), 5: 0.5, 6: 0.5})

    def _be_killed_in_a_rewind(self, store: str) -> None:
        """Runs in another process: a run that is killed when the backend has just received a rewind."""
        write = BackendClient.write

        def write_and_be_killed(
            client: BackendClient, run: Run, records: list[Record], position: int
        ) -> None:
            write(client, run, records, position)
            if any(isinstance(one, Rewind) for one in records):
                kill_kit_process(Path(store))

        handler = self._handler(Path(store), self.make_backend(Path(store)))
        handler.start()
        _set_resumed_losses(handler, range(10))
        self._flush([handler], delivered=True)
        with mock.patch.object(BackendClient, "write", write_and_be_killed):
            handler.rewind(4)
            self._flush([handler], delivered=True)

    def _resumed_run(
        self,
        store: Path,
        backend: Backend,
        shifts: dict[int, float],
        run_id: str | None = None,
        *,
        is_rewound: bool = True,
    ) -> RunResult:
        """The only run, or that with an id; it is completed and has one value at each step.

        The store may show what was rewound where the backend does not receive rewinds.
        """
        found = [one for one in self._read(store, backend) if run_id in {None, one.run.run_id}]
        kit_expects_same(len(found), 1, "how often the run is there")
        (result,) = found
        kit_expects_same(result.status, Status.COMPLETED, "the status of the resumed run")
        expected = {step: step / 8 + shift for step, shift in shifts.items()}
        ((_, history),) = result.histories.items()
        values = dict(zip(history.steps.tolist(), history.values.tolist(), strict=True))
        kit_expects_same(values, expected, "the values of the resumed run")
        if BackendClient(backend, store).supports(Capability.RESUME) or not is_rewound:
            self._shows(store, result.run, [("loss", step, value) for step, value in expected.items()])
        return result


def _ended_resumed_runs(runs: Sequence[RunResult]) -> list[Status]:
    return [one.status for one in runs if one.status is not Status.RUNNING]


def _set_resumed_losses(handler: ExperimentHandler, steps: range, shift: float = 0.0) -> None:
    for step in steps:
        handler.set_metric("loss", step / 8 + shift, step=step)
