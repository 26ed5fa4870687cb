"""Runs of several handlers and configurations, queries, counts and statistics over runs."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import Any

from legm.core.result_equality import RESULT_FIELDS, float_equality_bits
from legm.delivery.client import BackendClient
from legm.hooks import Capability
from legm.records import Run, RunCounts, RunResult, Series, Status
from legm.stats.run_counts import count_by_description
from legm.testing.kit import (
    ConformanceKit,
    kit_expects,
    kit_expects_same,
    kit_expects_same_pieces,
    leave_kit_process,
)
from legm.testing.memory import MemoryBackend

__all__ = ["RunTests"]


def _kit_counts(count: RunCounts) -> tuple[Any, ...]:
    """Counts in a form that can be compared, with the values in any order."""
    kinds = (count.completed, count.running, *count.left_out.values())
    values = {key: sorted(float_equality_bits(found)) for key, found in sorted(count.values.items())}
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


class RunTests(ConformanceKit):
    """Each run keeps its own values, and queries and counts have the right runs."""

    def test_a_fresh_instance_reads_what_another_wrote(self, tmp_path: Path) -> None:
        """A new instance returns everything that another one stored, bit for bit."""
        with self._handler(tmp_path, self._made(tmp_path), "why").start_with({"rate": 0.5}) as handler:
            for step in range(4):
                handler.set_metric("loss", 1 / (step + 3), step=step)
            handler.set_metric("loss", 1 / 7, test=True)
            expected = handler.log()
        (found,) = self._read(tmp_path, self.make_backend(tmp_path))
        kit_expects_same_pieces(found, expected, *RESULT_FIELDS)

    def test_runs_may_be_interleaved(self, tmp_path: Path) -> None:
        """Two concurrent runs in one process each keep their own values."""
        backend = self._made(tmp_path)
        handlers = [self._handler(tmp_path, backend).start_with({"rate": rate}) for rate in (0.5, 0.25)]
        for step in range(4):
            for handler in handlers:
                handler.set_metric("loss", handler.rate * (step + 1), step=step)
            self._flush(handlers)
        results = {result.run.run_id: result for result in (handler.log() for handler in handlers)}
        for handler in handlers:
            leave_kit_process(handler)
        found = {result.run.run_id: result for result in self._read(tmp_path, backend)}
        kit_expects_same(sorted(found), sorted(results), "the runs")
        for run_id, expected in results.items():
            kit_expects_same_pieces(found[run_id], expected, "own parameters", "active parameters", "values")
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
        kit_expects_same(
            sorted(r.run.run_id for r in found), sorted(r.run.run_id for r in expected), "the runs"
        )
        for result in found:
            (own,) = (one for one in expected if one.run.run_id == result.run.run_id)
            kit_expects_same_pieces(result, own, "values", "number of points", "best values")
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
        kit_expects_same([result.status for result in found], [Status.FAILED] * 2, "the runs' status")
        for result in found:
            kit_expects("on purpose" in str(result.error), f"the run's error is lost: {result.error!r}")
        kit_expects_same(sorted(result.points for result in found), [1, 2], "the numbers of points")

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
            kit_expects_same(
                [result.run.run_id for result in alone], [run.run_id], f"the runs of {description!r}"
            )
            every = [r.run_id for (of, _), r in kept.items() if of == fingerprint]
            both = self._read(tmp_path, backend, fingerprint=fingerprint)
            kit_expects_same(sorted(r.run.run_id for r in both), sorted(every), "the configuration's runs")
        for result in self._read(tmp_path, backend, histories=frozenset({"loss"})):
            kit_expects(Series("loss") in result.histories, "a series that a query names must be returned")
        kit_expects_same(
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
        kit_expects_same(
            sorted(one.parameters["rate"] for one in read), [0.25, 0.5], "the configurations' rates"
        )
        ranking = [(one.value.mean, one.completed) for one in handler.get_best("loss")]
        kit_expects_same(ranking, [(0.25, 1), (0.5, 2)], "the ranking's means and runs")
        others = list(client.configurations("another"))
        kit_expects_same(others, [], "the configurations of another experiment")

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
        kit_expects_same(counted, sorted(map(_kit_counts, expected)), "the runs, counted")
        kit_expects_same(client.counts_as_stored("another"), [], "the counts of another experiment")
        if client.supports(Capability.EXPERIMENTS):
            kit_expects(experiment in client.experiments(), "the experiment of the runs must be listed")

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
            leave_kit_process(handler)
            summaries.append(self._summary(folder, backend))
        kit_expects_same(summaries[0], summaries[1], "the summary")
