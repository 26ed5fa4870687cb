"""What an import says: the parameters in which runs differ, and counts that agree with their nouns."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from legm.errors import CorruptFile
from legm.importers.external_run import ExternalRun, unreadable_run
from legm.importers.import_notes import ImportNotes
from legm.importers.import_report import import_report_lines
from legm.importers.labels import Label, LabelKind
from legm.importers.pipeline import import_runs
from legm.records import Status


class Source:
    """Runs in memory."""

    kind, location = "memory", "memory"

    def __init__(self, *runs: ExternalRun) -> None:
        self._runs = runs
        self.notes = ImportNotes()

    def runs(self) -> Iterator[ExternalRun]:
        return iter(self._runs)

    def run(self, key: str) -> ExternalRun:
        return next(one for one in self._runs if one.key == key)

    def close(self) -> None:
        pass


def external(
    key: str, records: Callable[[], Iterator] = lambda: iter(()), **parameters: object
) -> ExternalRun:
    return ExternalRun(key, "toy", "", parameters, {}, Status.COMPLETED, 1.0, 2.0, None, records)


def lines(root, *runs: ExternalRun, **options) -> list[str]:
    source = Source(*runs)
    source.notes.add("links, which may lead anywhere, were left out", "a/b")
    return list(import_report_lines(import_runs(source, root, **options)))


def test_what_is_compared_is_listed_by_what_varies(tmp_path):
    same = {f"p{i:03}": i for i in range(200)}
    many = [external(str(i), **same, lr=i, depth=i // 2) for i in range(3)]
    assert "  compared: depth, lr; 200 others are the same in all runs" in lines(
        tmp_path, *many, dry_run=True
    )
    assert "  compared: lr; 1 other is the same in all runs" in lines(
        tmp_path, external("0", a=1, lr=1), external("1", a=1, lr=2), dry_run=True
    )
    assert "  compared: lr" in lines(tmp_path, external("0", lr=1), external("1", lr=2), dry_run=True)
    assert "  compared: 202 parameters, the same in all runs" in lines(tmp_path, many[0], dry_run=True)
    wide = [external(str(i), **{f"q{k:02}": k + i for k in range(20)}) for i in range(2)]
    (row,) = [one for one in lines(tmp_path, *wide, dry_run=True) if "compared" in one and "q00" in one]
    assert row.endswith("q10, q11 and 8 more")


def test_runs_that_are_averaged_although_their_names_differ_are_said_without_any_other_decision(tmp_path):
    names = ("SVM_seed1_2026-11-30", "SVM_seed2_2026-12-01")
    runs = [
        dataclasses.replace(external(str(at)), labels={"name": Label(LabelKind.NAME, name)})
        for at, name in enumerate(names)
    ]
    found = lines(tmp_path, *runs)
    at = found.index("toy:")
    (said,) = [one for one in found[at + 1 :] if "differs between runs of one configuration" in one]
    assert all(name in said for name in names)
    assert "--compare" in said


def test_a_run_that_begins_while_the_source_is_read_waits_for_the_next_import(tmp_path):
    class Growing(Source):
        def runs(self) -> Iterator[ExternalRun]:
            yield from self._runs[: self.known]
            self.known += 1

        known = 1

    source = Growing(*(external(str(i), seed=i) for i in range(3)))
    report = import_runs(source, tmp_path)
    assert (report.created, report.configurations, report.configurations_if_all_compared) == (1, 1, 1)
    assert report.failed == {"1": "it began while the source was read: import again"}
    source.known = 3
    report = import_runs(source, tmp_path)
    assert (report.created, report.unchanged, report.is_complete) == (2, 1, True)


def test_runs_that_cannot_be_read_make_no_configuration_and_counts_agree_with_their_nouns(tmp_path):
    broken = unreadable_run("broken", "toy", CorruptFile("a", "byte 1", "it is damaged", "Restore it."))
    found = lines(tmp_path, broken)
    assert found[0] == "memory (memory): 1 run"
    assert "0 runs make 0 configurations" in found
    assert "not imported (1): links, which may lead anywhere, were left out (a/b)" in found
    found = lines(tmp_path, external("0", num_workers=1), external("1", num_workers=2))
    assert "  num_workers is not compared: looks like a number of workers, 2 values" in found
    assert "2 runs make 1 configuration (2 if all parameters were compared)" in found
