"""Backends that are broken on purpose, each in one property: what the conformance kit must find.

They are the backend of docs/writing-a-backend.md, which must be importable as ``legm_acme``.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import sqlite3
from dataclasses import replace
from pathlib import Path

from legm_acme import Backend

from legm import LegmError, hookimpl
from legm.core.plain_form import without_classes
from legm.core.rewinding import without_rewound
from legm.core.run_environment import STRETCHES
from legm.hooks import Capability
from legm.records import (
    Artifact,
    ChangeKind,
    Display,
    History,
    Media,
    MediaKind,
    Points,
    Query,
    Resumption,
    Rewind,
    Series,
    Status,
    StoredChange,
)
from legm.runlog.log_frames import HEADER, FrameDecoder, iterate_frames, record_frame
from legm.stats.run_counts import count_by_description
from legm.testing import BackendTests


class Changed(Backend):
    """Gives back runs otherwise than they came."""

    def change(self, result):
        return result

    @hookimpl
    def legm_read_runs(self, query):
        return (self.change(result) for result in super().legm_read_runs(query))


def changed_values(result, change):
    """A result with each value of a series changed."""
    histories = {s: History(h.steps, change(h.values)) for s, h in result.histories.items()}
    return replace(result, histories=histories)


class NotesWhatItDoesNotTake(Backend):
    fails = "it_can_be_constructed_again"

    def __init__(self, root, file="acme.db"):
        super().__init__(root, file)
        self.options = {"path": file}


class ForgetsTheSeed(Changed):
    fails = "a_run_is_read_back_as_it_was_stored"

    def change(self, result):
        return replace(result, run=replace(result.run, parameters={}))


class HasNoNegativeZero(Changed):
    fails = "numbers_are_read_back_bit_for_bit"

    def change(self, result):
        return changed_values(result, lambda values: values + 0.0)


class CountsFromOne(Changed):
    fails = "metrics_without_a_step_are_counted"

    def change(self, result):
        def counted(series, history):
            return History(history.steps + 1, history.values) if "counted" in series.name else history

        return replace(result, histories={s: counted(s, h) for s, h in result.histories.items()})


class KeepsAStepsFirstValue(Backend):
    fails = "steps_may_come_in_any_order_and_twice"

    @hookimpl
    def legm_close_run(self, run, result, records):
        first: dict[tuple[Series, int], float] = {}
        for record in records:
            if isinstance(record, Points):
                for series, step, _, values in record.rows():
                    for one, value in zip(series, values, strict=True):
                        first.setdefault((one, step), value)
        histories = {}
        for series, history in result.histories.items():
            values = history.values.copy()
            values[:] = [first.get((series, step), math.nan) for step in history.steps.tolist()]
            histories[series] = History(history.steps, values)
        super().legm_close_run(run, replace(result, histories=histories))


class KnowsAsciiOnly(Changed):
    fails = "names_may_be_awkward"

    def change(self, result):
        def plain(values):
            return {replace(s, name=s.name.encode("ascii", "replace").decode()): v for s, v in values.items()}

        return replace(result, best=plain(result.best), test=plain(result.test))


class CutsLongParameters(Changed):
    fails = "a_parameter_may_be_a_megabyte"

    def change(self, result):
        of = result.run.configuration
        cut = {name: v[:6000] if isinstance(v, str) else v for name, v in of.parameters.items()}
        return replace(result, run=replace(result.run, configuration=replace(of, parameters=cut)))


class KeepsThreeHundredPoints(Changed):
    fails = "a_run_may_have_100_000_points"

    def change(self, result):
        last = {s: History(h.steps[-300:], h.values[-300:]) for s, h in result.histories.items()}
        return replace(result, histories=last)


class HasNoIndexes(Changed):
    fails = "metrics_may_be_indexed"

    def change(self, result):
        return replace(result, test={s: value for s, value in result.test.items() if s.index is None})


class ForgetsWhenItIsClosed(Changed):
    fails = "a_fresh_instance_reads_what_another_wrote"

    def __init__(self, root, **options):
        super().__init__(root, **options)
        self.closed = set()

    @hookimpl
    def legm_close_run(self, run, result):
        super().legm_close_run(run, result)
        self.closed.add(run.run_id)

    def change(self, result):
        return result if result.run.run_id in self.closed else replace(result, test={})


class KnowsOneRunAtATime(Backend):
    fails = "runs_may_be_interleaved"

    @hookimpl
    def legm_open_run(self, run):
        self.current = run
        return super().legm_open_run(run)

    @hookimpl
    def legm_write(self, run, records, position):
        same = self.current.configuration.fingerprint == run.configuration.fingerprint
        super().legm_write(run if same else self.current, records, position)


class CountsEveryLog(Backend):
    fails = "a_run_that_is_logged_again_replaces_its_entry"
    also = ("a_failed_run_is_kept_as_failed", "two_that_resume_at_once_get_two_runs")

    def __init__(self, root, **options):
        super().__init__(root, **options)
        self.logged = {}

    @hookimpl
    def legm_close_run(self, run, result):
        super().legm_close_run(run, result)
        self.logged.setdefault(run.run_id, set()).add(result.points)

    @hookimpl
    def legm_read_runs(self, query):
        for result in super().legm_read_runs(query):
            yield from itertools.repeat(result, len(self.logged.get(result.run.run_id, "1")))


class KeepsNoFailures(Backend):
    fails = "a_failed_run_is_kept_as_failed"

    @hookimpl
    def legm_read_runs(self, query):
        return (result for result in super().legm_read_runs(query) if result.status is not Status.FAILED)


class IgnoresDescriptions(Backend):
    fails = "a_query_gets_the_runs_it_is_about"

    @hookimpl
    def legm_read_runs(self, query):
        return super().legm_read_runs(replace(query, description=None))


class ReadsConfigurationsTwice(Backend):
    fails = "each_configuration_is_read_once"

    @hookimpl
    def legm_read_configurations(self, experiment):
        return 2 * super().legm_read_configurations(experiment)


class ListsOtherExperiments(Backend):
    fails = "what_is_counted_is_what_is_there"
    capabilities = Backend.capabilities | {Capability.EXPERIMENTS}

    @hookimpl
    def legm_read_experiments(self):
        return ["another"]


class CountsWithoutIndexedMetrics(Backend):
    fails = "what_is_counted_is_what_is_there"

    @hookimpl
    def legm_read_counts(self, experiment):
        runs = list(super().legm_read_runs(Query(experiment)))
        for configuration in super().legm_read_configurations(experiment):
            of = [one for one in runs if one.run.configuration.fingerprint == configuration.fingerprint]
            yield from (replace(one, indexed=frozenset()) for one in count_by_description(configuration, of))


class ReadsOnePage(Backend):
    fails = "the_summary_equals_the_reference_bit_for_bit"

    @hookimpl
    def legm_read_runs(self, query):
        return itertools.islice(super().legm_read_runs(query), 10)


class TakesABatchTwice(Backend):
    fails = "a_repeated_batch_is_stored_once"
    also = ("two_that_resume_at_once_get_two_runs",)

    def __init__(self, root, **options):
        super().__init__(root, **options)
        self.opened = set()

    @hookimpl
    def legm_open_run(self, run):
        position = super().legm_open_run(run)
        again = run.run_id in self.opened
        self.opened.add(run.run_id)
        return 0 if again else position


class ForgetsItsPosition(Backend):
    fails = "a_killed_process_loses_and_repeats_nothing"
    also = ("a_killed_process_is_followed_by_one_that_resumes_its_run",)

    def __init__(self, root, **options):
        super().__init__(root, **options)
        self.positions = {}

    @hookimpl
    def legm_open_run(self, run):
        super().legm_open_run(run)
        return self.positions.get(run.run_id, 0)

    @hookimpl
    def legm_write(self, run, records, position):
        super().legm_write(run, records, position)
        self.positions[run.run_id] = position


class KeepsSilent(Backend):
    fails = "an_error_is_reported_with_its_cause"

    @hookimpl
    def legm_open_run(self, run):
        try:
            return super().legm_open_run(run)
        except LegmError:
            return 0

    @hookimpl
    def legm_write(self, run, records, position):
        with contextlib.suppress(LegmError):
            super().legm_write(run, records, position)

    @hookimpl
    def legm_close_run(self, run, result):
        with contextlib.suppress(LegmError):
            super().legm_close_run(run, result)


class KeepsNoCause(KeepsSilent):
    @hookimpl
    def legm_close_run(self, run, result):
        try:
            super(KeepsSilent, self).legm_close_run(run, result)
        except LegmError as error:
            raise LegmError(str(error)) from None


class LosesSummaries(Backend):
    fails = "summaries_are_stored_or_refused"
    also = ("an_error_is_reported_with_its_cause",)

    @hookimpl
    def legm_write_summary(self, configuration, description, summary):
        pass


class LosesFigures(Backend):
    fails = "figures_are_stored_or_refused"
    also = ("an_error_is_reported_with_its_cause",)
    capabilities = Backend.capabilities | {Capability.FIGURES}

    @hookimpl
    def legm_write_figure(self, experiment, configuration, description, name, content, format):
        return name


class KeepsOneFormat(Backend):
    fails = "figures_are_stored_or_refused"
    capabilities = Backend.capabilities | {Capability.FIGURES}

    def __init__(self, root, file="acme.db"):
        super().__init__(root, file)
        self.folder = root

    @hookimpl
    def legm_write_figure(self, experiment, configuration, description, name, content, format):
        path = self.folder / ("own" if configuration else "compared")
        path.write_bytes(content)
        return str(path)


class LosesAbsentValues(Changed):
    fails = "absent_values_are_read_back"

    def change(self, result):
        known = result.run.configuration
        metadata = {
            name: {field: value for field, value in rules.items() if field != "absent_value"}
            for name, rules in known.metadata.items()
        }
        return replace(result, run=replace(result.run, configuration=replace(known, metadata=metadata)))


class LosesClasses(Changed):
    fails = "classes_of_objects_are_read_back"

    def change(self, result):
        known = result.run.configuration
        values = {name: without_classes(value) for name, value in known.parameters.items()}
        return replace(result, run=replace(result.run, configuration=replace(known, parameters=values)))


class LosesMarks(Backend):
    fails = "marks_are_stored"
    capabilities = Backend.capabilities | {Capability.MARKS}

    @hookimpl
    def legm_write_marks(self, run, before, marks):
        pass


class LosesCurves(Backend):
    fails = "curves_are_stored"
    also = ("an_error_is_reported_with_its_cause",)
    capabilities = Backend.capabilities | {Capability.CURVES}

    @hookimpl
    def legm_write_curves(self, configuration, description, curves):
        pass


class LosesFiles(Backend):
    fails = "artifacts_are_stored_or_refused"
    capabilities = Backend.capabilities | {Capability.ARTIFACTS}


class LosesDisplays(Backend):
    fails = "displays_are_shown_or_refused"
    capabilities = Backend.capabilities | {Capability.DISPLAYS}


class ShowsNoNumbers(Backend):
    fails = "displays_are_shown_or_refused"
    capabilities = Backend.capabilities | {Capability.DISPLAYS}

    def __init__(self, root, file="acme.db"):
        super().__init__(root, file)
        self.shown = root / "shown.txt"

    @hookimpl
    def legm_write(self, run, records, position):
        texts = [one.value for one in records if isinstance(one, Display) and isinstance(one.value, str)]
        with self.shown.open("a") as file:
            file.writelines(texts)
        super().legm_write(run, records, position)


class KeepsMedia(Backend):
    """Keeps media as it should; what inherits from it does not."""

    capabilities = Backend.capabilities | {Capability.MEDIA}

    def __init__(self, root, file="acme.db"):
        super().__init__(root, file)
        self.kept = root / "media.frames"

    def change(self, medium):
        return medium

    @hookimpl
    def legm_write(self, run, records, position):
        with self.kept.open("ab") as file:
            file.writelines(record_frame(one) for one in records if isinstance(one, (Media, Rewind)))
        super().legm_write(run, records, position)

    @hookimpl
    def legm_read_media(self, run):
        (log,) = self.kept.parent.rglob(f"{run.run_id}.log")
        decoder = FrameDecoder(log)
        decoder.add_run(run.run_id)
        for start, kind, payload in iterate_frames(self.kept, HEADER + self.kept.read_bytes()):
            decoder.add_frame(start, kind, payload)
        every = self.counting(decoder.pop_records())
        return [self.change(one) for one in every if isinstance(one, Media)]

    def counting(self, records):
        return without_rewound(records)


class LosesCaptions(KeepsMedia):
    fails = "pictures_come_back"

    def change(self, medium):
        is_sound = medium.kind is MediaKind.AUDIO
        return medium if is_sound else replace(medium, files=[replace(f, caption="") for f in medium.files])


class LosesTheRate(KeepsMedia):
    fails = "sounds_come_back"

    def change(self, medium):
        return replace(medium, files=[replace(one, details={}) for one in medium.files])


class TakesFiguresForPictures(KeepsMedia):
    fails = "figures_come_back"

    def change(self, medium):
        return replace(medium, kind=MediaKind.IMAGE) if medium.kind is MediaKind.FIGURE else medium


class LosesOneKindOfMedia(KeepsMedia):
    lost = MediaKind.VIDEO

    def counting(self, records):
        kept = super().counting(records)
        return [one for one in kept if not isinstance(one, Media) or one.kind is not self.lost]


class LosesVideos(LosesOneKindOfMedia):
    fails = "videos_come_back"


class Loses3DObjects(LosesOneKindOfMedia):
    fails = "3d_objects_come_back"
    lost = MediaKind.OBJECT3D


class LosesHistograms(LosesOneKindOfMedia):
    fails = "histograms_come_back"
    lost = MediaKind.HISTOGRAM


class LosesTables(LosesOneKindOfMedia):
    fails = "tables_come_back"
    lost = MediaKind.TABLE


class LosesPages(LosesOneKindOfMedia):
    fails = "pages_come_back"
    lost = MediaKind.HTML


class DropsFilesOfOtherMedia(KeepsMedia):
    fails = "media_of_other_kinds_are_files"
    capabilities = KeepsMedia.capabilities | {Capability.ARTIFACTS}
    media_kinds = frozenset(MediaKind) - {MediaKind.HTML}

    @hookimpl
    def legm_write(self, run, records, position):
        files = [one for one in records if isinstance(one, Artifact)]
        with self.kept.with_suffix(".files").open("ab") as kept:
            kept.writelines(Path(one.path).read_bytes() for one in files if not one.name.startswith("media/"))
        super().legm_write(run, records, position)


class ChangesLineBreaks(KeepsMedia):
    fails = "texts_come_back"

    @hookimpl
    def legm_read_media_file(self, run, file):
        content = Path(file.path).read_bytes()
        return content.replace(b"\r\n", b"\n") if file.path.endswith(".txt") else content


class DoesNotSayWhereToContinue(Backend):
    fails = "a_remote_backend_returns_where_delivery_continues"
    capabilities = Backend.capabilities | {Capability.REMOTE}

    @hookimpl
    def legm_open_run(self, run):
        super().legm_open_run(run)

    @hookimpl
    def legm_write(self, run, records, position):
        points = [
            (run.run_id, str(one), step)
            for record in records
            if isinstance(record, Points)
            for series, step, _, _ in record.rows()
            for one in series
        ]
        with self._store() as store:  # so that what comes again is there once
            points = points if len(points) < 1_000 else []  # which would take long
            store.executemany("DELETE FROM points WHERE run = ? AND metric = ? AND step = ?", points)
        super().legm_write(run, records, position)


class ReadsWithoutACause(Backend):
    fails = KeepsNoCause.fails

    @hookimpl
    def legm_read_runs(self, query):
        try:
            return list(super().legm_read_runs(query))
        except LegmError as error:
            raise LegmError(str(error)) from None


class SummarizesWithoutACause(Backend):
    fails = KeepsNoCause.fails

    @hookimpl
    def legm_write_summary(self, configuration, description, summary):
        try:
            super().legm_write_summary(configuration, description, summary)
        except LegmError as error:
            raise LegmError(str(error)) from None


class DeletesNothing(Backend):
    fails = "runs_are_deleted_or_refused"
    capabilities = Backend.capabilities | {Capability.DISCARD}

    @hookimpl
    def legm_discard_run(self, run):
        pass


class DeletesWhatMovedElsewhere(DeletesNothing):
    @hookimpl
    def legm_discard_run(self, run):
        with self._store() as store:
            store.execute("DELETE FROM runs WHERE id = ?", [run.run_id])


class AmendsNothing(Backend):
    fails = "amended_runs_are_stored_once_or_refused"
    capabilities = Backend.capabilities | {Capability.AMEND}

    @hookimpl
    def legm_plan_change(self, run, after):
        return StoredChange(ChangeKind.AMENDED)

    @hookimpl
    def legm_amend_run(self, run, after):
        pass


class MakesFoldersUnasked(Backend):
    fails = "folders_are_created_on_request"
    capabilities = Backend.capabilities | {Capability.FOLDERS}

    @hookimpl
    def legm_folder(self, configuration, create):
        folder = self._path.parent / configuration.fingerprint
        folder.mkdir(parents=True, exist_ok=True)
        return folder


class Rewinding(Backend):
    """Does with the records of RESUME what a backend should."""

    capabilities = Backend.capabilities | {Capability.RESUME}

    @hookimpl
    def legm_write(self, run, records, position):
        if any(isinstance(one, Resumption) for one in records):
            self.reopen(run)
        for step in sorted((one.step for one in records if isinstance(one, Rewind)), reverse=True):
            self.void(run, step)
        super().legm_write(run, without_rewound(records), position)

    def reopen(self, run):
        with self._store() as store:
            store.execute("UPDATE runs SET result = NULL WHERE id = ?", [run.run_id])

    def void(self, run, step):
        with self._store() as store:
            store.execute("DELETE FROM points WHERE run = ? AND step > ?", [run.run_id, step])


class ForgetsStretches(Backend):
    fails = "a_killed_process_is_followed_by_one_that_resumes_its_run"
    also = ("a_run_may_be_resumed_twice",)

    @hookimpl
    def legm_close_run(self, run, result):
        environment = {name: value for name, value in result.run.environment.items() if name != STRETCHES}
        super().legm_close_run(run, replace(result, run=replace(result.run, environment=environment)))


class ShowsWhatIsVoid(Rewinding):
    fails = "a_rewound_run_has_what_was_set_again"
    also = ("a_run_may_be_resumed_twice", "a_killed_process_in_a_rewind_leaves_a_run_to_resume")

    def void(self, run, step):
        pass


class KeepsRewoundMedia(KeepsMedia, Rewinding):
    fails = "media_behind_a_rewind_are_void"
    capabilities = KeepsMedia.capabilities | Rewinding.capabilities

    def counting(self, records):
        return records


class StaysFailed(Rewinding):
    fails = "a_run_may_be_resumed_twice"

    def reopen(self, run):
        pass


class ResumesAnotherRun(Backend):
    fails = "two_that_resume_at_once_get_two_runs"
    also = ("a_run_that_is_logged_again_replaces_its_entry",)

    def __init__(self, root, **options):
        super().__init__(root, **options)
        self.first = {}

    @hookimpl
    def legm_open_run(self, run):
        position = super().legm_open_run(run)
        self.first.setdefault(run.configuration.fingerprint, run)
        return position

    @hookimpl
    def legm_write(self, run, records, position):
        super().legm_write(self.first[run.configuration.fingerprint], records, position)


class LetsOneProcessWrite(Backend):
    fails = "two_processes_that_resume_at_once_get_two_runs"

    def __init__(self, root, **options):
        super().__init__(root, **options)
        self.writer = Path(root, "writer")

    @hookimpl
    def legm_write(self, run, records, position):
        own = str(os.getpid())
        with contextlib.suppress(FileExistsError), self.writer.open("x") as file:
            file.write(own)
        if not Path("/proc", writer := self.writer.read_text() or "0").exists():
            self.writer.write_text(writer := own)
        if writer == own:
            super().legm_write(run, records, position)


class VoidsAtTheEnd(Rewinding):
    fails = "a_killed_process_in_a_rewind_leaves_a_run_to_resume"

    def __init__(self, root, **options):
        super().__init__(root, **options)
        self.voided = {}

    def void(self, run, step):
        with self._store() as store:
            found = store.execute("SELECT rowid FROM points WHERE run = ? AND step > ?", [run.run_id, step])
            self.voided.setdefault(run.run_id, []).extend(found.fetchall())

    @hookimpl
    def legm_close_run(self, run, result):
        with self._store() as store:
            store.executemany("DELETE FROM points WHERE rowid = ?", self.voided.pop(run.run_id, []))
        super().legm_close_run(run, result)


class OfAcme(BackendTests):
    made = Backend

    def make_backend(self, store):
        return self.made(store)

    def stored_points(self, store, run):
        command = "SELECT step, value FROM points WHERE run = ? AND metric = 'dev/loss'"
        opened = sqlite3.connect(store / "acme.db")
        found = opened.execute(command, [run.run_id]).fetchall()
        opened.close()
        return [("loss", step, value) for step, value in found]


BROKEN = {
    name: one for name, one in list(globals().items()) if isinstance(one, type) and hasattr(one, "fails")
}
for _name, _one in BROKEN.items():  # at the top level, so that the killed process finds it
    globals()[f"Of{_name}"] = type(f"Of{_name}", (OfAcme,), {"made": _one, "__module__": __name__})
