"""The conformance tests for backends: subclass :class:`BackendTests`, and run pytest.

The tests use a backend only through its hooks, as legm does; what the store itself contains they check with
:meth:`BackendTests.stored_points` and :meth:`BackendTests.holds`. They need pytest only for discovery and the
temporary folder.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import signal
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from legm.core.result_equality import RESULT_FIELDS, float_bits
from legm.delivery.client import BackendClient
from legm.delivery.registry import make_backend
from legm.errors import LegmError, NotSupported
from legm.handler import ExperimentHandler
from legm.hooks import Backend, Capability
from legm.records import Query, Run, RunCounts, RunResult, Series, Status, StoredFile
from legm.runlog.file_names import LOG_SUFFIX, OWN_FOLDER
from legm.stats import aggregate
from legm.stats.run_counts import count_by_description
from legm.testing.memory import MemoryBackend

__all__ = ["BackendTests"]

_CHILD = """
import importlib, json, sys
sys.path[:] = json.loads(sys.argv[1])
found = importlib.import_module(sys.argv[2])
for name in sys.argv[3].split("."):
    found = getattr(found, name)
found()._begin_and_be_killed(sys.argv[4])
"""
MANY = 100_000  # points in the long run
PATIENCE = 120.0  # seconds to wait for another process


def _kit_counts(count: RunCounts) -> tuple[Any, ...]:
    """Counts in a form that can be compared, with the values in any order."""
    kinds = (count.completed, count.running, *count.left_out.values())
    values = {key: sorted(float_bits(found)) for key, found in sorted(count.values.items())}
    rules = sorted(map(str, count.rules.items()))
    indexed = sorted(count.indexed)
    return (
        count.configuration.fingerprint,
        count.description,
        kinds,
        str(values),
        indexed,
        rules,
        count.repeated,
    )


def _short_kit_text(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}… ({len(text)} characters)"


def _kit_expects(holds: object, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


def _kit_expects_same(found: object, expected: object, what: str) -> None:
    _kit_expects(
        found == expected, f"{what}: found {_short_kit_text(found)}, expected {_short_kit_text(expected)}"
    )


def _kit_expects_same_pieces(found: RunResult, expected: RunResult, *pieces: str) -> None:
    for piece in pieces:
        _kit_expects_same(RESULT_FIELDS[piece](found), RESULT_FIELDS[piece](expected), f"the run's {piece}")


@contextmanager
def _kit_expects_refusal(by: type[LegmError], call: str) -> Iterator[None]:
    try:
        yield
    except by:
        return
    raise AssertionError(f"{call} must raise {by.__name__}: the backend does not have the capability")


class BackendTests:
    """The conformance tests; a subclass says how to construct the backend.

    The subclass must be at the top level of a module, since another process constructs it too. Its name must
    start with ``Test``, so that pytest finds it.
    """

    # What a subclass says

    def make_backend(self, store: Path) -> Backend:
        """A new instance of the backend on a store; several instances may use the same store.

        Args:
            store: a temporary folder, which is the root directory. Data stored elsewhere, such as on a
                server, must be separated by the experiment's name, which differs for each store.

        Returns:
            the backend.

        Raises:
            NotImplementedError: a subclass does not override this.
        """
        raise NotImplementedError(f"{type(self).__name__} must say how to construct its backend on {store}")

    def make_unreachable(self, store: Path) -> Backend:
        """A backend whose store cannot be used; by default one whose folder is a file.

        Args:
            store: a temporary folder, as for :meth:`make_backend`.

        Returns:
            the backend, every call of which must fail.
        """
        file = store / "no-folder"
        file.write_text("a file where a folder should be", encoding="utf-8")
        return self.make_backend(file)

    def stored_points(self, store: Path, run: Run) -> list[tuple[str, int, float]] | None:  # noqa: ARG002
        """The dev points in the store, each as often as it is stored.

        Args:
            store: the folder that :meth:`make_backend` was given.
            run: the run.

        Returns:
            metric, step and value of each point; None (the default) if the store cannot be inspected.
        """
        return None

    def holds(self, store: Path, value: float | bytes) -> bool:
        """Whether the store contains a number, a text or the content of a file.

        By default: whether a file of the backend in ``store`` contains it; numbers as text or as their eight
        bytes, as in SQLite.

        Args:
            store: the folder that :meth:`make_backend` was given.
            value: the number, or the bytes of a text or file.

        Returns:
            whether it was found.
        """
        if isinstance(value, bytes):
            forms = [value]
        else:
            forms = [repr(value).encode(), struct.pack(">d", value), struct.pack("<d", value)]
        files = (
            path for path in store.rglob("*") if path.is_file() and not _is_legm_file_of_kit(path, store)
        )
        return any(form in content for content in map(Path.read_bytes, files) for form in forms)

    def experiment(self, store: Path) -> str:
        """The name of the experiment that the tests use on a store.

        Args:
            store: the folder that :meth:`make_backend` was given.

        Returns:
            a name that differs for each store.
        """
        return f"kit {hashlib.sha256(os.fsencode(store)).hexdigest()[:12]}"

    # Round trip

    def test_it_can_be_constructed_again(self, tmp_path: Path) -> None:
        """It has a name, capabilities, the hooks that these require, and options that construct it again."""
        backend = self._made(tmp_path)
        _kit_expects(isinstance(backend.name, str) and backend.name, "a backend's name must be text")
        unknown = [one for one in backend.capabilities if not isinstance(one, Capability)]
        _kit_expects(not unknown, f"not a legm.hooks.Capability: {unknown}")
        client = BackendClient(backend, tmp_path)
        options = json.loads(json.dumps(client.options))
        again = BackendClient(make_backend(type(backend), tmp_path, options), tmp_path)
        _kit_expects_same(again.options, client.options, "the options of the backend that they construct")

    def test_a_run_is_read_back_as_it_was_stored(self, tmp_path: Path) -> None:
        """Parameters with their types, inactive ones, the description, the best step and its rule."""
        backend = self._made(tmp_path)
        given = {
            "rate": 0.1,
            "layers": 3,
            "bias": True,
            "net": "lenet",
            "sizes": [1, [2.5, "x"]],
            "none": None,
        }
        handler = self._handler(tmp_path, backend, "first try")
        handler.set_dict_params({**given, "options": {"a": 1, "b": {"c": 1e-8}}, "seed": 7, "device": "cpu"})
        handler.disable_params(["seed", "device"])
        with handler.start():
            for step, loss in enumerate([0.5, 0.25, 0.75]):
                handler.set_dict_metrics({"loss": loss, "accuracy": 1 - loss}, step=step)
            handler.set_metric("sparse", 2.5, step=0)
            handler.set_metric("accuracy", 0.625, test=True)
            handler.set_best("early_stopping", metric="loss", higher_better=False)
            expected = handler.log()
        (found,) = self._read(tmp_path, backend)
        _kit_expects_same_pieces(found, expected, *RESULT_FIELDS)

    def test_numbers_are_read_back_bit_for_bit(self, tmp_path: Path) -> None:
        """NaN, infinities, negative zero, the smallest and the largest float, and thirds."""
        backend = self._made(tmp_path)
        numbers = [
            0.1 + 0.2,
            1 / 3,
            math.nan,
            math.inf,
            -math.inf,
            -0.0,
            5e-324,
            1.7976931348623157e308,
            2**53,
        ]
        with self._handler(tmp_path, backend).start() as handler:
            for step, number in enumerate(numbers):
                handler.set_metric("number", number, step=step)
                handler.set_metric(f"last {step}", number, test=True)
            expected = handler.log()
        (found,) = self._read(tmp_path, backend)
        _kit_expects_same_pieces(found, expected, "values", "test values", "best values")

    def test_metrics_without_a_step_are_counted(self, tmp_path: Path) -> None:
        """Without a step, the number of earlier values of the metric is the step."""
        backend = self._made(tmp_path)
        with self._handler(tmp_path, backend).start() as handler:
            for number in range(5):
                handler.set_metric("counted", number)
                if number % 2:
                    handler.set_metric("counted/rarely", number)
            expected = handler.log()
        (found,) = self._read(tmp_path, backend)
        _kit_expects_same_pieces(found, expected, "steps", "best step")
        steps = {str(series): history.steps.tolist() for series, history in found.histories.items()}
        _kit_expects_same(steps, {"dev/counted": list(range(5)), "dev/counted/rarely": [0, 1]}, "the steps")

    def test_steps_may_come_in_any_order_and_twice(self, tmp_path: Path) -> None:
        """Steps are returned in increasing order, with the last value of each step."""
        backend = self._made(tmp_path)
        with self._handler(tmp_path, backend).start() as handler:
            for step, value in [(5, 0.5), (1, 0.25), (10**12, 3.5), (5, 4.5), (-3, 0.125), (1, 6.5)]:
                handler.set_metric("loss", value, step=step)
            expected = handler.log()
        (found,) = self._read(tmp_path, backend)
        _kit_expects_same_pieces(found, expected, "steps", "last step", "number of points")
        ((series, history),) = found.histories.items()
        given = dict(zip(history.steps.tolist(), history.values.tolist(), strict=True))
        _kit_expects_same(given, {-3: 0.125, 1: 6.5, 5: 4.5, 10**12: 3.5}, f"the values of {series} by step")

    def test_names_may_be_awkward(self, tmp_path: Path) -> None:
        """Unicode, separators, quotes, names like legm's or the tracker's own, and long names."""
        backend = self._made(tmp_path)
        awkward = [
            "größe",
            "損失 😀",
            "a/b/c",
            "..",
            "per cent %41",
            'it\'s "so"',
            "x: [y]",
            "best_x",
            "_step",
        ]
        names = [*awkward, "test_x", "a.b", " padded ", "A", "a", "n" * 250]
        with self._handler(tmp_path, backend, 'déjà vu / "β-ß"').start_with(
            {"größe ü/%": "ä\n\t\"'"}
        ) as handler:
            for number, name in enumerate(names):
                handler.set_metric(name, number, step=1)
                handler.set_metric(name, -number, test=True)
            expected = handler.log()
        (found,) = self._read(tmp_path, backend)
        _kit_expects_same_pieces(
            found, expected, "best values", "test values", "description", "active parameters"
        )

    def test_a_parameter_may_be_a_megabyte(self, tmp_path: Path) -> None:
        """Long values are not truncated."""
        backend = self._made(tmp_path)
        with self._handler(tmp_path, backend).start_with({"prompt": "ab ü\n" * 200_000}) as handler:
            handler.set_metric("loss", 0.5)
            expected = handler.log()
        (found,) = self._read(tmp_path, backend)
        _kit_expects_same_pieces(found, expected, "active parameters", "fingerprint")

    def test_a_run_may_have_100_000_points(self, tmp_path: Path) -> None:
        """All of its points are returned."""
        backend = self._made(tmp_path)
        with self._handler(tmp_path, backend).start() as handler:
            for step in range(MANY // 10):
                handler.set_dict_metrics({f"m{number}": step / 7 + number for number in range(10)}, step=step)
            expected = handler.log()
        (found,) = self._read(tmp_path, backend)
        _kit_expects_same(found.points, MANY, "the number of points")
        _kit_expects_same_pieces(found, expected, "number of points", "steps", "values")

    def test_metrics_may_be_indexed(self, tmp_path: Path) -> None:
        """A number for each example, dev and test."""
        backend = self._made(tmp_path)
        with self._handler(tmp_path, backend).start() as handler:
            for step in range(3):
                handler.set_dict_metrics({f"ex {i}": {"iou": i + step / 3} for i in range(3)}, step=step)
            handler.set_dict_metrics({"ex 0": {"iou": 0.5}, "ö/1": {"iou": 0.25}}, test=True)
            expected = handler.log()
        (found,) = self._read(tmp_path, backend)
        _kit_expects_same_pieces(found, expected, "best values", "test values", "values")

    # Runs

    def test_a_fresh_instance_reads_what_another_wrote(self, tmp_path: Path) -> None:
        """A new instance returns everything that another one stored, bit for bit."""
        with self._handler(tmp_path, self._made(tmp_path), "why").start_with({"rate": 0.5}) as handler:
            for step in range(4):
                handler.set_metric("loss", 1 / (step + 3), step=step)
            handler.set_metric("loss", 1 / 7, test=True)
            expected = handler.log()
        (found,) = self._read(tmp_path, self.make_backend(tmp_path))
        _kit_expects_same_pieces(found, expected, *RESULT_FIELDS)

    def test_runs_may_be_interleaved(self, tmp_path: Path) -> None:
        """Two concurrent runs in one process each keep their own values."""
        backend = self._made(tmp_path)
        handlers = [self._handler(tmp_path, backend).start_with({"rate": rate}) for rate in (0.5, 0.25)]
        for step in range(4):
            for handler in handlers:
                handler.set_metric("loss", handler.rate * (step + 1), step=step)
            _flush_kit_handler(handlers)
        results = {result.run.run_id: result for result in (handler.log() for handler in handlers)}
        for handler in handlers:
            _leave_kit_process(handler)
        found = {result.run.run_id: result for result in self._read(tmp_path, backend)}
        _kit_expects_same(sorted(found), sorted(results), "the runs")
        for run_id, expected in results.items():
            _kit_expects_same_pieces(found[run_id], expected, "own parameters", "active parameters", "values")
            shown = [
                ("loss", step, expected.run.configuration.parameters["rate"] * (step + 1))
                for step in range(4)
            ]
            self._shows(tmp_path, expected.run, shown)

    def test_a_run_that_is_logged_again_replaces_its_entry(self, tmp_path: Path) -> None:
        """A run logged again counts once, with all its values; so does the next run of the configuration."""
        backend = self._made(tmp_path)
        handler = self._handler(tmp_path, backend).start()
        expected = []
        with handler:
            for number in range(2):
                if number:
                    handler.reset()
                for step in range(3):
                    handler.set_metric("loss", 1.5 * step, step=step)
                    result = handler.log()
                expected.append(result)
        found = self._read(tmp_path, backend)
        _kit_expects_same(
            sorted(r.run.run_id for r in found), sorted(r.run.run_id for r in expected), "the runs"
        )
        for result in found:
            (own,) = (one for one in expected if one.run.run_id == result.run.run_id)
            _kit_expects_same_pieces(result, own, "values", "number of points", "best values")
            self._shows(tmp_path, own.run, [("loss", step, 1.5 * step) for step in range(3)])

    def test_a_failed_run_is_kept_as_failed(self, tmp_path: Path) -> None:
        """A failed run is stored with its values and its error, even if it was logged in between."""
        backend = self._made(tmp_path)
        for is_logged in (False, True):
            try:
                with self._handler(tmp_path, backend).start() as handler:
                    handler.set_metric("loss", 0.5, step=0)
                    if is_logged:
                        handler.log()
                        handler.set_metric("loss", 0.25, step=1)
                    raise ZeroDivisionError("on purpose")
            except ZeroDivisionError:
                pass
        found = self._until(
            tmp_path, backend, lambda runs: [r.status for r in runs].count(Status.FAILED) == 2
        )
        _kit_expects_same([result.status for result in found], [Status.FAILED] * 2, "the runs' status")
        for result in found:
            _kit_expects("on purpose" in str(result.error), f"the run's error is lost: {result.error!r}")
        _kit_expects_same(sorted(result.points for result in found), [1, 2], "the numbers of points")

    def test_a_query_gets_the_runs_it_is_about(self, tmp_path: Path) -> None:
        """A query selects by experiment, configuration and description, and returns the series it names."""
        backend = self._made(tmp_path)
        kept: dict[tuple[str, str], Run] = {}
        for rate, description in ((0.5, ""), (0.5, "other"), (0.25, "")):
            handler = self._handler(tmp_path, backend, description)
            with handler.start_with({"rate": rate}):
                handler.set_dict_metrics({"loss": rate, "accuracy": 1 - rate})
                run = handler.log().run
            kept[run.configuration.fingerprint, description] = run
        for (fingerprint, description), run in kept.items():
            alone = self._read(tmp_path, backend, fingerprint=fingerprint, description=description)
            _kit_expects_same(
                [result.run.run_id for result in alone], [run.run_id], f"the runs of {description!r}"
            )
            every = [r.run_id for (of, _), r in kept.items() if of == fingerprint]
            both = self._read(tmp_path, backend, fingerprint=fingerprint)
            _kit_expects_same(sorted(r.run.run_id for r in both), sorted(every), "the configuration's runs")
        for result in self._read(tmp_path, backend, histories=frozenset({"loss"})):
            _kit_expects(Series("loss") in result.histories, "a series that a query names must be returned")
        _kit_expects_same(
            self._read(tmp_path, backend, experiment="another"), [], "the runs of another experiment"
        )

    def test_each_configuration_is_read_once(self, tmp_path: Path) -> None:
        """A configuration is returned once for any number of runs; a ranking has each once."""
        backend = self._made(tmp_path)
        for rate in (0.5, 0.5, 0.25):
            with self._handler(tmp_path, backend).start_with({"rate": rate}) as handler:
                handler.set_metric("loss", rate)
        client = BackendClient(backend, tmp_path)
        read = list(client.configurations(self.experiment(tmp_path)))
        _kit_expects_same(
            sorted(one.parameters["rate"] for one in read), [0.25, 0.5], "the configurations' rates"
        )
        ranking = [(one.value.mean, one.completed) for one in handler.get_best("loss")]
        _kit_expects_same(ranking, [(0.25, 1), (0.5, 2)], "the ranking's means and runs")
        others = list(client.configurations("another"))
        _kit_expects_same(others, [], "the configurations of another experiment")

    def test_what_is_counted_is_what_is_there(self, tmp_path: Path) -> None:
        """Experiments and counts that the backend returns itself agree with its runs."""
        backend, experiment = self._made(tmp_path), self.experiment(tmp_path)
        for rate, description in ((0.5, ""), (0.5, ""), (0.5, "other"), (0.25, "")):
            with self._handler(tmp_path, backend, description).start_with({"rate": rate}) as handler:
                handler.set_dict_metrics({"loss": rate, "ex": {"iou": rate}, "time": rate})
                handler.set_metric("accuracy", math.nan, test=True)
        with suppress(ZeroDivisionError), self._handler(tmp_path, backend).start_with({"rate": 0.25}):
            raise ZeroDivisionError
        client = BackendClient(backend, tmp_path)
        runs: dict[str, list[RunResult]] = {}
        for result in self._until(tmp_path, backend, lambda found: len(found) == 5):
            runs.setdefault(result.run.configuration.fingerprint, []).append(result)
        expected = [
            one for found in runs.values() for one in count_by_description(found[0].run.configuration, found)
        ]
        counted = sorted(map(_kit_counts, client.counts_as_stored(experiment)))
        _kit_expects_same(counted, sorted(map(_kit_counts, expected)), "the runs, counted")
        _kit_expects_same(client.counts_as_stored("another"), [], "the counts of another experiment")
        if client.supports(Capability.EXPERIMENTS):
            _kit_expects(experiment in client.experiments(), "the experiment of the runs must be listed")

    def test_the_summary_equals_the_reference_bit_for_bit(self, tmp_path: Path) -> None:
        """Statistics over a dozen seeds, with NaN, times, indexed metrics and unequal lengths."""
        folders = [tmp_path / name for name in ("store", "reference")]
        for folder in folders:
            folder.mkdir()
        backends = (self.make_backend(folders[0]), MemoryBackend(folders[1]))
        summaries = []
        for folder, backend in zip(folders, backends, strict=True):
            handler = self._handler(folder, backend)
            handler.set_dict_params({"rate": 0.5, "seed": 0})
            handler.disable_param("seed")
            handler.start()
            for seed in range(12):
                for step in range(5 + seed % 3):
                    loss = math.nan if seed == step == 3 else 1 / (seed + step + 1)
                    handler.set_dict_metrics({"loss": loss, "time": seed / 7}, step=step)
                handler.set_dict_metrics({f"ex{i}": {"iou": seed / (i + 3)} for i in range(3)})
                handler.set_metric("accuracy", math.sqrt(seed), test=True)
                handler.set_best("early_stopping", metric="loss", higher_better=False)
                handler.log()
                if seed < 11:
                    handler.reset(seed=seed + 1)
            _leave_kit_process(handler)
            summaries.append(self._summary(folder, backend))
        _kit_expects_same(summaries[0], summaries[1], "the summary")

    # Trouble

    def test_a_repeated_batch_is_stored_once(self, tmp_path: Path) -> None:
        """A batch whose response was lost is sent again, divided into other batches."""
        backend = self._made(tmp_path)
        reference = MemoryBackend(tmp_path)
        with self._handler(tmp_path, reference).start() as handler:
            for step in range(4):
                handler.set_metric("loss", step / 4, step=step)
                _flush_kit_handler([handler])
            expected = handler.log()
        batches = sorted(reference.records[expected.run.run_id].items())
        _kit_expects(len(batches) >= 4, "the script of this test makes four batches")
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
        _kit_expects_same_pieces(found, expected, "number of points", "steps", "values")
        self._shows(tmp_path, expected.run, [("loss", step, step / 4) for step in range(4)])

    def test_a_killed_process_loses_and_repeats_nothing(self, tmp_path: Path) -> None:
        """What a killed process left is delivered with the next run of the configuration."""
        of = type(self)
        _kit_expects(
            "<locals>" not in of.__qualname__, f"{of.__qualname__} must be at the top level of a module"
        )
        store = tmp_path / "store"
        store.mkdir()
        arguments = [json.dumps(sys.path), of.__module__, of.__qualname__, str(store)]
        with (tmp_path / "stderr.txt").open(
            "w+b"
        ) as error:  # no pipe: what the child leaves may hold it open
            done = subprocess.run(  # noqa: S603 - this Python, and our own code
                [sys.executable, "-c", _CHILD, *arguments],
                timeout=PATIENCE,
                check=False,
                stdout=error,
                stderr=error,
            )
            error.seek(0)
            said = error.read().decode(errors="replace")
        _kit_expects(
            (store / "killed").exists(), f"the process ended early ({done.returncode}): {said[-2000:]}"
        )
        backend = self.make_backend(store)
        with self._handler(store, backend).start() as handler:
            handler.set_metric("loss", 0.5, step=0)
            own = handler.log().run.run_id
            handler.get_best("loss")  # a look at the configuration
            found = self._until(store, backend, lambda runs: len(runs) == 2)
        (killed,) = (result for result in found if result.run.run_id != own)
        _kit_expects_same(killed.status, Status.INTERRUPTED, "the killed run's status")
        _kit_expects_same(killed.points, 200, "the killed run's points")
        ((_, history),) = killed.histories.items()
        _kit_expects_same(history.steps.tolist(), list(range(200)), "the killed run's steps")
        self._shows(store, killed.run, [("loss", step, step / 8) for step in range(200)])

    def _begin_and_be_killed(self, store: str) -> None:
        """Runs in another process: a run that is killed when it is partly delivered."""
        handler = self._handler(Path(store), self.make_backend(Path(store))).start()
        for first in (0, 100):
            for step in range(first, first + 100):
                handler.set_metric("loss", step / 8, step=step)
            _flush_kit_handler([handler], delivered=first == 0)
        (Path(store) / "killed").touch()
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

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
        _kit_expects(not stored, "a run was stored in a store that cannot be used, without an error")
        of = result.run.configuration
        query = Query(of.experiment, histories=None)
        summary = aggregate.aggregate_runs([result], "mean")
        curves = aggregate.aggregate_curves([result], None, "mean")
        writes = {
            Capability.SUMMARIES: lambda: client.write_summary(of, "", summary),
            Capability.CURVES: lambda: client.write_curves(of, "", curves),
            Capability.FIGURES: lambda: client.write_figure(of.experiment, of, "", "a", _kit_png(b""), "png"),
            Capability.FOLDERS: lambda: client.make_folder(of),
        }
        for capability, write in writes.items():
            stored = client.supports(capability) and not _kit_expects_cause(write)
            _kit_expects(
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
        _kit_expects_same(client.open_run(run, make_folder=True), 0, "the position of a new run")
        for position, records in batches.items():
            client.write(run, records, position)
        client.release_run(run)
        again = BackendClient(self.make_backend(tmp_path), tmp_path)
        stored = again.open_run(run, make_folder=True)
        again.release_run(run)
        _kit_expects(
            isinstance(stored, int) and stored in {0, *batches},
            f"a run is opened again at {stored!r}, which is not the end of a batch: {[0, *batches]}",
        )

    # Capabilities

    def test_summaries_are_stored_or_refused(self, tmp_path: Path) -> None:
        """SUMMARIES: the store contains the results of aggregate_results()."""
        backend, handler = self._logged(tmp_path)
        if not BackendClient(backend, tmp_path).supports(Capability.SUMMARIES):
            with _kit_expects_refusal(NotSupported, "aggregate_results()"):
                handler.aggregate_results()
            return
        found = handler.aggregate_results()["best_loss"]
        for name in ("mean", "std"):
            _kit_expects(self.holds(tmp_path, found[name]), f"the {name} {found[name]} is not in the store")

    def test_figures_are_stored_or_refused(self, tmp_path: Path) -> None:
        """FIGURES: the store contains a figure unchanged, and the backend returns where."""
        backend, handler = self._logged(tmp_path)
        if not BackendClient(backend, tmp_path).supports(Capability.FIGURES):
            with _kit_expects_refusal(NotSupported, "plot()"):
                handler.plot()
            return
        client = BackendClient(backend, tmp_path)
        (result, *_) = self._read(tmp_path, backend)
        experiment = self.experiment(tmp_path)
        for configuration in (result.run.configuration, None):
            note = b"compared" if configuration is None else b"own"
            pictures = {"png": _kit_png(note), "pdf": b"%PDF-1.4\n% " + note}  # it need not open
            for form, picture in pictures.items():
                where = client.write_figure(experiment, configuration, "", "a/ü", picture, form)
                wanted = f"legm_write_figure must say where it is, not {where!r}"
                _kit_expects(isinstance(where, str) and where, wanted)
            for form, picture in pictures.items():
                _kit_expects(self.holds(tmp_path, picture), f"the {form} figure is not in the store")

    def test_curves_are_stored(self, tmp_path: Path) -> None:
        """CURVES: the store contains the values of a plot."""
        backend, _ = self._logged(tmp_path)
        if not BackendClient(backend, tmp_path).supports(Capability.CURVES):
            return  # they are drawn only
        curves = aggregate.aggregate_curves(self._read(tmp_path, backend), None, "mean")
        (result, *_) = self._read(tmp_path, backend)
        BackendClient(backend, tmp_path).write_curves(result.run.configuration, "", curves)
        center = float(curves[0].center[-1])
        _kit_expects(self.holds(tmp_path, center), f"the curve's last value {center} is not in the store")

    def test_artifacts_are_stored_or_refused(self, tmp_path: Path) -> None:
        """ARTIFACTS: the store contains a run's file unchanged, and lists it if it lists files."""
        backend, handler = self._logged(tmp_path)
        content = b"\x00weights\xff" + os.urandom(32)
        file = tmp_path / ".legm-given"
        file.write_bytes(content)
        handler.reset()
        with handler:
            handler.set_metric("loss", 0.5)
            if not BackendClient(backend, tmp_path).supports(Capability.ARTIFACTS):
                with _kit_expects_refusal(NotSupported, "log_artifact()"):
                    handler.log_artifact(file)
                return
            handler.log_artifact(file, "model/ü.bin")
            file.unlink()
            result = handler.log()
        _kit_expects(self.holds(tmp_path, content), "the content of the file is not in the store")
        if not hasattr(backend, "legm_read_files"):
            return
        listed = BackendClient(backend, tmp_path).files(result.run.configuration)
        expected = [StoredFile(result.run.run_id, "model/ü.bin", len(content))]
        _kit_expects(listed == expected, f"the files are listed as {listed}, not as {expected}")

    def test_displays_are_shown_or_refused(self, tmp_path: Path) -> None:
        """DISPLAYS: the store contains a text and a number that are shown with the run."""
        backend, handler = self._logged(tmp_path)
        handler.reset()
        with handler:
            handler.set_metric("loss", 0.5)
            if not BackendClient(backend, tmp_path).supports(Capability.DISPLAYS):
                with _kit_expects_refusal(NotSupported, "tensorboard_write()"):
                    handler.tensorboard_write("sample", "a text", step=0)
                return
            handler.tensorboard_write("sample", "a sentence that occurs nowhere else", step=0)
            handler.tensorboard_write("sample/scalar", 0.15625, step=0)
            handler.log()
        _kit_expects(
            self.holds(tmp_path, b"a sentence that occurs nowhere else"), "the text is not in the store"
        )
        deadline = time.monotonic() + PATIENCE / 4  # a tracker's own process may still be writing it
        while not (is_there := self.holds(tmp_path, 0.15625)) and time.monotonic() < deadline:
            time.sleep(0.05)
        _kit_expects(is_there, "the number 0.15625 that is shown is not in the store")

    def test_runs_are_deleted_or_refused(self, tmp_path: Path) -> None:
        """DISCARD: a deleted run is gone, and no other run is."""
        backend, handler = self._logged(tmp_path)
        client = BackendClient(backend, tmp_path)
        kept = sorted(one.run.run_id for one in self._read(tmp_path, backend))
        handler.reset()
        with handler:
            handler.set_metric("loss", 0.25)
            deleted = handler.log().run
        if not client.supports(Capability.DISCARD):
            with _kit_expects_refusal(NotSupported, "discard_run()"):
                client.discard_run(deleted)
            return
        client.discard_run(deleted)
        found = sorted(one.run.run_id for one in self._read(tmp_path, backend))
        _kit_expects_same(found, kept, "the runs after one was deleted")

    def test_folders_are_created_on_request(self, tmp_path: Path) -> None:
        """FOLDERS: one for each configuration, the same for every instance, created only on request."""
        backend = self._made(tmp_path)
        if not BackendClient(backend, tmp_path).supports(Capability.FOLDERS):
            return  # what a run needs is below <root>/.legm
        reference = self._handler(tmp_path / "reference", MemoryBackend(tmp_path / "reference"))
        with reference.start_with({"rate": 0.5}):
            reference.set_metric("loss", 0.5)
            configuration = reference.log().run.configuration

        client = BackendClient(backend, tmp_path)
        _kit_expects_same(client.folder(configuration), None, "the folder before it is created")
        made = client.make_folder(configuration)
        _kit_expects(made.is_dir(), f"the folder was not created: {made}")
        again = BackendClient(self.make_backend(tmp_path), tmp_path).folder(configuration)
        _kit_expects_same(again, made, "the folder of a new instance")

    # Helpers

    def _made(self, store: Path) -> Backend:
        return self.make_backend(store)

    def _handler(self, store: Path, backend: Backend, description: str = "") -> _KitHandler:
        return _KitHandler(store, self.experiment(store), description or None, backend=backend)

    def _read(self, store: Path, backend: Backend, experiment: str = "", **query: Any) -> list[RunResult]:
        asked = Query(experiment or self.experiment(store), **{"histories": None, **query})
        return list(BackendClient(backend, store).runs_as_stored(asked))

    def _until(
        self, store: Path, backend: Backend, true: Callable[[Sequence[RunResult]], bool]
    ) -> list[RunResult]:
        """The runs, once they are as expected, or as they are after a timeout."""
        deadline = time.monotonic() + PATIENCE / 4
        while not true(found := self._read(store, backend)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found

    def _logged(self, store: Path) -> tuple[Backend, _KitHandler]:
        """Two runs of one configuration, whose mean and deviation differ from their values."""
        backend = self._made(store)
        handler = self._handler(store, backend)
        handler.start_with({"rate": 0.5})
        for loss in (0.1, 0.8232):
            handler.set_dict_metrics({"loss": loss / 3, "accuracy": loss}, step=0)
            handler.log()
            if loss < 0.5:
                handler.reset()
        return backend, handler

    def _summary(self, store: Path, backend: Backend) -> list[str]:
        """The statistics over the runs as text, with all digits."""
        runs = [run for run in self._read(store, backend) if run.status is Status.COMPLETED]
        lines = [f"{len(runs)} runs"]
        for method in ("mean", "median", "outlier_mean", "confidence_0.9"):
            found = aggregate.aggregated_summary_as_dict(aggregate.aggregate_runs(runs, method))
            lines += [f"{method} {name}: {value!r}" for name, value in sorted(found.items())]
        for curve in sorted(aggregate.aggregate_curves(runs, None, "mean"), key=lambda curve: curve.metric):
            columns = (curve.steps, curve.center, curve.lower, curve.upper, curve.runs)
            lines += [f"curve {curve.metric}: {[column.tolist() for column in columns]!r}"]
        return lines

    def _shows(self, store: Path, run: Run, expected: list[tuple[str, int, float]]) -> None:
        """The store contains each point of a run once."""
        wanted = Counter(expected)
        until = time.monotonic() + PATIENCE / 4  # a library may write what it was given a little later
        while (shown := self.stored_points(store, run)) is not None and wanted - Counter(shown):
            if time.monotonic() > until:
                break
            time.sleep(0.1)
        if shown is None:
            return
        found = Counter(shown)
        _kit_expects(
            not wanted - found, f"points are missing in the store: {_short_kit_text(sorted(wanted - found))}"
        )
        _kit_expects(
            not found - wanted, f"points are in the store twice: {_short_kit_text(sorted(found - wanted))}"
        )


class _KitHandler(ExperimentHandler):
    """A handler whose parameters are set before it starts."""

    __slots__ = ()

    def start_with(self, parameters: Mapping[str, Any]) -> ExperimentHandler:
        self.set_dict_params(dict(parameters))
        return self.start()


def _kit_expects_cause(act: Callable[[], object]) -> bool:
    """Whether a call fails; it must then be with an error that is chained to its cause."""
    try:
        act()
    except LegmError as error:
        _kit_expects(error.__cause__ is not None, f"{error!r} is not chained to its cause with 'from'")
        return True
    return False


def _leave_kit_process(handler: ExperimentHandler) -> None:
    """Release a run that was logged."""
    with handler:
        pass


def _flush_kit_handler(handlers: Iterable[ExperimentHandler], *, delivered: bool = False) -> None:
    """Flush all values; optionally wait until the backend has them."""
    for handler in handlers:
        handler.flush(PATIENCE / 4 if delivered else 0.0)


def _is_legm_file_of_kit(path: Path, store: Path) -> bool:
    """Whether a file in the store was written by legm itself, not by the backend."""
    return path.suffix == LOG_SUFFIX or path.relative_to(store).parts[0].startswith(OWN_FOLDER)


def _kit_png(note: bytes) -> bytes:
    """A PNG image of one pixel that contains a note (ISO/IEC 15948)."""
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    pixel = chunk(b"IDAT", zlib.compress(b"\x00\x00"))
    text = chunk(b"tEXt", b"Comment\x00" + note)
    return b"\x89PNG\r\n\x1a\n" + header + text + pixel + chunk(b"IEND", b"")
