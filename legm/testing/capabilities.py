"""What a backend declares it does, and what it does not declare is refused."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from legm.core.result_equality import differing_result_fields, result_digests
from legm.core.results import run_result
from legm.delivery.backlog import replay_backlog
from legm.delivery.client import BackendClient
from legm.errors import NotSupported
from legm.hooks import Capability
from legm.records import Run, RunMarks, StoredFile
from legm.runlog.log_folder import find_logs
from legm.runlog.log_records import read_log_in_pieces
from legm.stats import aggregate
from legm.testing.kit import ConformanceKit, kit_expects, kit_expects_refusal, kit_expects_same, kit_png
from legm.testing.memory import MemoryBackend

__all__ = ["CapabilityTests"]

_DELETED = b"the content of a file that no other run of the kit has"


class CapabilityTests(ConformanceKit):
    """One test for each capability."""

    def test_summaries_are_stored_or_refused(self, tmp_path: Path) -> None:
        """SUMMARIES: the store contains the results of aggregate_results()."""
        backend, handler = self._logged(tmp_path)
        if not BackendClient(backend, tmp_path).supports(Capability.SUMMARIES):
            with kit_expects_refusal(NotSupported, "aggregate_results()"):
                handler.aggregate_results()
            return
        found = handler.aggregate_results()["best_loss"]
        for name in ("mean", "std"):
            kit_expects(self.holds(tmp_path, found[name]), f"the {name} {found[name]} is not in the store")

    def test_figures_are_stored_or_refused(self, tmp_path: Path) -> None:
        """FIGURES: the store contains a figure unchanged, and the backend returns where."""
        backend, handler = self._logged(tmp_path)
        if not BackendClient(backend, tmp_path).supports(Capability.FIGURES):
            with kit_expects_refusal(NotSupported, "plot()"):
                handler.plot()
            return
        client = BackendClient(backend, tmp_path)
        (result, *_) = self._read(tmp_path, backend)
        experiment = self.experiment(tmp_path)
        for configuration in (result.run.configuration, None):
            note = b"compared" if configuration is None else b"own"
            pictures = {"png": kit_png(note), "pdf": b"%PDF-1.4\n% " + note}  # it need not open
            for form, picture in pictures.items():
                where = client.write_figure(experiment, configuration, "", "a/ü", picture, form)
                wanted = f"legm_write_figure must say where it is, not {where!r}"
                kit_expects(isinstance(where, str) and where, wanted)
            for form, picture in pictures.items():
                kit_expects(self.holds(tmp_path, picture), f"the {form} figure is not in the store")

    def test_marks_are_stored(self, tmp_path: Path) -> None:
        """MARKS: tags and notes are returned with the run, those that are noted later too."""
        backend, _ = self._logged(tmp_path)
        client = BackendClient(backend, tmp_path)
        if not client.supports(Capability.MARKS):
            return  # legm keeps them beside the run log
        before = RunMarks()
        for marks in (RunMarks(("a", "b"), "a note"), RunMarks(("b", "c"), "")):
            (first, *_) = self._read(tmp_path, backend)
            client.write_marks(first.run, before, marks)
            (found, *_) = self._read(tmp_path, backend)
            kit_expects_same(found.marks, marks, "what is noted about the run")
            before = marks

    def test_curves_are_stored(self, tmp_path: Path) -> None:
        """CURVES: the store contains the values of a plot."""
        backend, _ = self._logged(tmp_path)
        if not BackendClient(backend, tmp_path).supports(Capability.CURVES):
            return  # they are drawn only
        curves = aggregate.aggregate_curves(self._read(tmp_path, backend), None, "mean")
        (result, *_) = self._read(tmp_path, backend)
        BackendClient(backend, tmp_path).write_curves(result.run.configuration, "", curves)
        center = float(curves[0].center[-1])
        kit_expects(self.holds(tmp_path, center), f"the curve's last value {center} is not in the store")

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
                with kit_expects_refusal(NotSupported, "log_artifact()"):
                    handler.log_artifact(file)
                return
            handler.log_artifact(file, "model/ü.bin")
            file.unlink()
            result = handler.log()
        kit_expects(self.holds(tmp_path, content), "the content of the file is not in the store")
        if not hasattr(backend, "legm_read_files"):
            return
        listed = BackendClient(backend, tmp_path).files(result.run.configuration)
        expected = [StoredFile(result.run.run_id, "model/ü.bin", len(content))]
        kit_expects(listed == expected, f"the files are listed as {listed}, not as {expected}")
        if hasattr(backend, "legm_read_file"):
            self._expect_that_files_are_read(BackendClient(backend, tmp_path), result.run, content)

    @staticmethod
    def _expect_that_files_are_read(client: BackendClient, run: Run, content: bytes) -> None:
        size = len(content)
        read = client.logged_file(run, "model/ü.bin", size)
        kit_expects(read == content, f"the content of the file is read as {read!r}, not as {content!r}")
        for name, largest, why in (
            ("model/u.bin", size, "is not there"),
            ("model/ü.bin", size - 1, "is larger"),
        ):
            read = client.logged_file(run, name, largest)
            kit_expects(read is None, f"of a file that {why}, {read!r} is read instead of None")

    def test_displays_are_shown_or_refused(self, tmp_path: Path) -> None:
        """DISPLAYS: the store contains a text and a number that are shown with the run."""
        backend, handler = self._logged(tmp_path)
        handler.reset()
        with handler:
            handler.set_metric("loss", 0.5)
            if not BackendClient(backend, tmp_path).supports(Capability.DISPLAYS):
                with kit_expects_refusal(NotSupported, "tensorboard_write()"):
                    handler.tensorboard_write("sample", "a text", step=0)
                return
            handler.tensorboard_write("sample", "a sentence that occurs nowhere else", step=0)
            handler.tensorboard_write("sample/scalar", 0.15625, step=0)
            handler.log()
        kit_expects(
            self.holds(tmp_path, b"a sentence that occurs nowhere else"), "the text is not in the store"
        )
        deadline = time.monotonic() + self.patience / 4  # a tracker's own process may still be writing it
        while not (is_there := self.holds(tmp_path, 0.15625)) and time.monotonic() < deadline:
            time.sleep(0.05)
        kit_expects(is_there, "the number 0.15625 that is shown is not in the store")

    def test_runs_are_deleted_or_refused(self, tmp_path: Path) -> None:
        """DISCARD: a deleted run is gone with its files, and no other one; deleting it twice is harmless."""
        backend, handler = self._logged(tmp_path)
        client = BackendClient(backend, tmp_path)
        kept = sorted(one.run.run_id for one in self._read(tmp_path, backend))
        (tmp_path / "given").mkdir()
        file = tmp_path / "given" / "weights.bin"
        file.write_bytes(_DELETED)
        handler.reset()
        with handler:
            handler.set_metric("loss", 0.25)
            if client.supports(Capability.ARTIFACTS):
                handler.log_artifact(file)
            deleted = handler.log().run
        file.unlink()
        if not client.supports(Capability.DISCARD):
            with kit_expects_refusal(NotSupported, "discard_run()"):
                client.discard_run(deleted)
            return
        other = replace(deleted.configuration, fingerprint=f"{deleted.configuration.fingerprint}0")
        client.discard_run(replace(deleted, configuration=other))
        there = sorted(one.run.run_id for one in self._read(tmp_path, backend))
        kit_expects_same(there, sorted([*kept, deleted.run_id]), "the runs after another one was deleted")
        client.discard_run(deleted)
        client.discard_run(deleted)
        kit_expects(not self.holds(tmp_path, _DELETED), "a file of the deleted run is still in the store")
        found = sorted(one.run.run_id for one in self._read(tmp_path, backend))
        kit_expects_same(found, kept, "the runs after one was deleted")

    def test_amended_runs_are_stored_once_or_refused(self, tmp_path: Path) -> None:
        """AMEND or DISCARD: an amended run is there once, with its configuration, description and numbers."""
        backend, _ = self._logged(tmp_path)
        client = BackendClient(backend, tmp_path)
        if client.supports(Capability.FOLDERS):
            return  # a folder changer changes them
        every = {one.run.run_id: one for one in self._read(tmp_path, backend)}
        before = next(iter(every.values()))
        with self._handler(tmp_path, backend).start_with({"rate": 0.25, "decay": 0.125}) as handler:
            handler.set_metric("loss", 0.25)
            other = handler.log().run
        after = replace(before.run, configuration=other.configuration, description="amended")
        if not {Capability.AMEND, Capability.DISCARD} & backend.capabilities:
            with kit_expects_refusal(NotSupported, "plan_change()"):
                client.plan_change(before.run, after)
            return
        (path,) = [one for one in find_logs(tmp_path) if one.stem == before.run.run_id]
        for _ in range(2):  # a process may be killed when all is done, and before it noted it
            log = read_log_in_pieces(path)
            log.run, log.earlier, log.cursors = after, {client.name: (before.run,)}, {}
            replay_backlog(client, log, run_result(after, log.records))
            found = self._read(tmp_path, backend)
            ids = sorted(one.run.run_id for one in found)
            kit_expects_same(ids, sorted([*every, other.run_id]), "the runs after one was amended")
            (amended,) = [one for one in found if one.run.run_id == before.run.run_id]
            kit_expects_same(
                differing_result_fields(amended, result_digests(replace(before, run=after))),
                [],
                "what differs in an amended run",
            )

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
        kit_expects_same(client.folder(configuration), None, "the folder before it is created")
        made = client.make_folder(configuration)
        kit_expects(made.is_dir(), f"the folder was not created: {made}")
        again = BackendClient(self.make_backend(tmp_path), tmp_path).folder(configuration)
        kit_expects_same(again, made, "the folder of a new instance")
