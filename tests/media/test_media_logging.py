"""Media of a run: on disk, in TensorBoard, after kills and rewinds, from threads and signal handlers."""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from legm import ExperimentHandler
from legm.delivery.client import BackendClient, connect_client
from legm.errors import (
    BackendError,
    CorruptFile,
    LegmError,
    MediaError,
    MetricError,
    StateError,
    StorageError,
)
from legm.hooks import Capability
from legm.media import media_writer
from legm.media.content_files import keep_content
from legm.records import Artifact, Media, MediaKind, Run
from legm.runlog.log_folder import LogFolder
from legm.testing import MemoryBackend
from tests.support.calling import as_json, shown


def started(root: Path, seed: int = 0, **options: Any) -> ExperimentHandler:
    """A handler whose run has begun."""
    handler = ExperimentHandler(root, "pictures", provenance=False, **options)
    handler.set_dict_params({"lr": 0.1, "seed": seed})
    handler.disable_param("seed")
    return handler.start()


def media_of(root: Path, run: Run) -> list[Media]:
    """The media of a run."""
    return connect_client(root).media(run)


def texts_of(root: Path, run: Run) -> list[str]:
    """The content of every text of a run, in order."""
    client = connect_client(root)
    return [client.media_content(run, one.files[0]).decode() for one in client.media(run)]


def test_equal_contents_are_stored_once_for_all_runs_of_an_experiment(tmp_path: Path):
    runs = []
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for seed in range(3):
        with started(tmp_path, seed) as handler:
            for step in range(4):
                handler.log_image("sample", pixels, step=step)
            handler.set_metric("loss", 1.0)
            runs.append(handler.log().run)
    files = [path for path in tmp_path.rglob("*.png") if not path.is_symlink()]
    assert len({path.stat().st_ino for path in files}) == 1
    assert len(files) == 4  # one of each run, and the shared one
    assert [len(media_of(tmp_path, run)) for run in runs] == [4, 4, 4]
    client = connect_client(tmp_path)
    for run in runs[:2]:
        client.discard_run(run)
    assert len(media_of(tmp_path, runs[2])) == 4
    client.discard_run(runs[2])
    assert not list(tmp_path.rglob("*.png"))


def test_a_shared_file_with_another_content_is_not_used(tmp_path: Path):
    folder = tmp_path / "experiment" / "configuration"
    first = keep_content(folder, "run-1", b"content", ".txt")
    (shared,) = (tmp_path / "experiment" / ".legm" / "legm-media").rglob("*.txt")
    shared.unlink()
    shared.write_bytes(b"something else")
    second = keep_content(folder, "run-2", b"content", ".txt")
    assert Path(second.path).read_bytes() == Path(first.path).read_bytes() == b"content"


def test_without_links_each_run_has_its_own_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    folder = tmp_path / "experiment" / "configuration"
    kept = [keep_content(folder, name, b"content", ".txt") for name in ("a", "a", "b")]
    assert [Path(one.path).read_bytes() for one in kept] == [b"content"] * 3
    assert len(list(tmp_path.rglob("*.txt"))) == 2


def test_a_step_that_is_not_given_follows_the_last_of_its_name(tmp_path: Path):
    with started(tmp_path) as handler:
        handler.log_text("a", "0")
        handler.log_text("a", "10", step=10)
        handler.log_text("b", "0")
        handler.log_text("a", "11")
        handler.rewind(5)
        handler.log_text("a", "1")
        handler.set_metric("loss", 1.0)
        run = handler.log().run
    assert [(one.name, one.step) for one in media_of(tmp_path, run)] == [("a", 0), ("b", 0), ("a", 1)]


def test_wrong_media_are_errors_and_log_nothing(tmp_path: Path):
    with started(tmp_path) as handler:
        for name in ("", 7):
            with pytest.raises(MediaError, match="the name of a medium must"):
                handler.log_text(name, "text")  # type: ignore[arg-type]
        for step in ("three", 0.5, 2**70):
            with pytest.raises(MetricError, match=f"{step}"):
                handler.log_text("a", "text", step=step)  # type: ignore[arg-type]
        with pytest.raises(MediaError, match="'a' must be a text, not int"):
            handler.log_text("a", 7)  # type: ignore[arg-type]
        with pytest.raises(MediaError, match="a page as a text, or a path object"):
            handler.log_html("a", 7)  # type: ignore[arg-type]
        with pytest.raises(MediaError, match="must be the path of a video"):
            handler.log_video("a", np.zeros(3))  # type: ignore[arg-type]
        handler.set_metric("loss", 1.0)
        run = handler.log().run
    assert media_of(tmp_path, run) == []
    with pytest.raises(StateError, match=r"log_text\(\) was called after the run was closed"):
        handler.log_text("a", "text")


def test_a_damaged_file_is_distinguished_from_what_was_logged(tmp_path: Path):
    with started(tmp_path) as handler:
        handler.log_text("a", "text")
        handler.set_metric("loss", 1.0)
        run = handler.log().run
    (medium,) = media_of(tmp_path, run)
    Path(medium.files[0].path).write_text("texd", encoding="utf-8")
    with pytest.raises(CorruptFile, match="not the one that was logged"):
        connect_client(tmp_path).media_content(run, medium.files[0])


def test_a_medium_whose_file_was_deleted_hinders_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with started(tmp_path) as handler:
        handler.log_text("a", "text")
        handler.set_metric("loss", 1.0, step=5)
        handler.flush()
        for path in tmp_path.rglob("*.txt"):
            path.unlink()
        handler.set_metric("loss", 1.0, step=4)  # the event file is written anew
        assert handler.log().best_step == 5
    assert "no longer exists" in caplog.text


def test_a_project_has_a_table_of_media_and_their_contents(tmp_path: Path):
    import legm

    for seed in range(2):
        with started(tmp_path, seed) as handler:
            handler.log_image("a", [np.full((2, 2), seed, np.uint8), np.full((2, 2), 9, np.uint8)], step=4)
            handler.log_text("b", f"text {seed}")
            handler.set_metric("loss", 1.0)
    project = legm.open(tmp_path)
    table = project.media()
    assert table["name"].tolist() == ["a", "a", "b"] * 2
    assert table["number"].tolist() == [0, 1, 0] * 2
    assert table["step"].tolist() == [4, 4, 0] * 2
    assert project.media("b", "pictures")["kind"].tolist() == ["text"] * 2
    assert [project.media_content(one) for one in project.media("b")["digest"]] == [b"text 0", b"text 1"]
    assert len(project.media(where="lr>1 or status:failed")) == 0
    with pytest.raises(LegmError, match="call media"):
        legm.open(tmp_path).media_content(table["digest"][0])


def test_legm_show_lists_media_by_name_and_not_each_file(tmp_path: Path):
    for seed in range(2):
        with started(tmp_path, seed) as handler:
            for step in (3, 5):
                handler.log_image("samples/first", np.full((2, 2), step, np.uint8), step=step)
            handler.log_text("note", "text")
            handler.set_metric("loss", 1.0)
    folder = str(handler.configuration_folder)
    text = shown("show", folder)
    rows = [line.split() for line in text.splitlines() if line.startswith(("samples/", "note"))]
    assert rows == [["note", "text", "2", "2", "0"], ["samples/first", "image", "2", "4", "3", "to", "5"]]
    assert ".png" not in text
    media = as_json("show", folder)["media"]
    assert [(one["name"], one["step"]) for one in media] == [
        ("samples/first", 3),
        ("samples/first", 5),
        ("note", 0),
    ] * 2
    assert all(Path(file["path"]).is_file() for one in media for file in one["files"])


@pytest.mark.parametrize("way", ["import", "export"])
def test_media_are_copied_to_another_root_with_their_run(tmp_path: Path, way: str):
    from legm.export import export_runs
    from legm.importers import import_runs

    with started(tmp_path / "a") as handler:
        for step in range(3):
            handler.set_metric("loss", 1.0, step=step)
            handler.log_image(
                "x", [np.full((2, 2), shade, np.uint8) for shade in (step, 9)], step, ["p", "q"]
            )
        handler.rewind(1)
        handler.log_audio("beep", np.zeros(4, np.int16), 8000)
        run = handler.log().run
    if way == "import":
        assert import_runs(tmp_path / "a", tmp_path / "b").is_complete
    else:
        assert export_runs(tmp_path / "a", "local", into=tmp_path / "b").is_complete

    def shown(root: Path) -> list[Any]:
        return [
            (one.name, one.kind, one.step, one.time, [(f.digest, f.caption, f.details) for f in one.files])
            for one in media_of(root, run)
        ]

    assert shown(tmp_path / "b") == shown(tmp_path / "a")
    assert len(shown(tmp_path / "b")) == 3
    assert all(
        Path(f.path).is_relative_to(tmp_path / "b") for m in media_of(tmp_path / "b", run) for f in m.files
    )


# Memory, disks, threads, signals and kills


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Nothing is written before the event is set."""
    gate = threading.Event()
    write = media_writer.keep_content

    def wait(*arguments: Any) -> Any:
        gate.wait(30)
        return write(*arguments)

    monkeypatch.setattr(media_writer, "keep_content", wait)
    yield gate
    gate.set()


def test_memory_for_what_waits_has_a_limit_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(media_writer, "MEMORY_LIMIT", 1 << 20)
    writers: list[media_writer.MediaWriter] = []
    begin = media_writer.MediaWriter.__init__
    kept = lambda writer, *arguments: writers.append(writer) or begin(writer, *arguments)
    monkeypatch.setattr(media_writer.MediaWriter, "__init__", kept)
    most = 0
    with started(tmp_path) as handler:
        for step in range(40):
            handler.log_text("a", f"{step:06d}" + "x" * 200_000)
            most = max(most, writers[0]._waiting_bytes())  # noqa: SLF001
        handler.set_metric("loss", 1.0)
        run = handler.log().run
    assert most <= 1 << 20
    assert [int(text[:6]) for text in texts_of(tmp_path, run)] == list(range(40))
    assert "logged faster than they are written" in caplog.text


def test_the_caller_does_not_wait_for_the_disk(tmp_path: Path, slow_disk: threading.Event):
    with started(tmp_path) as handler:
        began = time.monotonic()
        for _ in range(20):
            handler.log_image("a", np.zeros((64, 64), np.uint8))
        assert time.monotonic() - began < 10  # it would be 30 s
        slow_disk.set()
        handler.set_metric("loss", 1.0)
        assert len(media_of(tmp_path, handler.log().run)) == 20


def test_pictures_are_encoded_behind_the_callers_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    encoders: list[int] = []
    begun, goes_on = threading.Event(), threading.Event()
    save = Image.Image.save

    def wait(*arguments: Any, **more: Any) -> None:
        encoders.append(threading.get_ident())
        begun.set()
        assert goes_on.wait(60)
        save(*arguments, **more)

    monkeypatch.setattr(Image.Image, "save", wait)
    with started(tmp_path) as handler:
        for shade in range(3):  # returns while none of them can be encoded
            handler.log_image("a", np.full((8, 8), shade, np.uint8))
        assert begun.wait(60)
        assert len(encoders) == 1
        assert threading.get_ident() not in encoders
        goes_on.set()
        handler.set_metric("loss", 1.0)
        assert len(media_of(tmp_path, handler.log().run)) == 3


def test_a_full_disk_loses_nothing_that_fits_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    is_full = True
    write = media_writer.keep_content

    def refuse(*arguments: Any) -> Any:
        if is_full:
            raise StorageError("no space left on device")
        return write(*arguments)

    monkeypatch.setattr(media_writer, "keep_content", refuse)
    monkeypatch.setattr(media_writer, "MEMORY_LIMIT", 3 << 14)
    with started(tmp_path) as handler:
        for step in range(5):
            handler.log_text("a", str(step))
        handler.flush()
        is_full = False
        handler.log_text("a", "5")
        handler.set_metric("loss", 1.0)
        run = handler.log().run
    assert texts_of(tmp_path, run) == ["0", "1", "2", "5"]  # three fit into memory
    assert "is lost: it cannot be written" in caplog.text
    assert "media can be written again; 2 were lost" in caplog.text


def test_what_is_never_written_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def refuse(*_: Any) -> Any:
        raise StorageError("no space left on device")

    monkeypatch.setattr(media_writer, "keep_content", refuse)
    with caplog.at_level(logging.ERROR), started(tmp_path) as handler:
        handler.log_text("a", "0")
        handler.set_metric("loss", 1.0)
    assert "1 media of the run are lost" in caplog.text


def test_media_of_several_threads_are_all_there(tmp_path: Path):
    with started(tmp_path) as handler:

        def log(name: str) -> None:
            for step in range(50):
                handler.log_text(name, f"{name} {step}")

        threads = [threading.Thread(target=log, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        handler.set_metric("loss", 1.0)
        run = handler.log().run
    assert sorted(texts_of(tmp_path, run)) == sorted(
        f"{name} {step}" for name in "abcd" for step in range(50)
    )


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers on this system")
def test_media_that_a_signal_handler_logs_never_hang(tmp_path: Path):
    with started(tmp_path) as handler:
        count = 0

        def interrupt(*_: object) -> None:
            nonlocal count
            handler.log_text("signal", "x")
            count += 1

        before = signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
        try:
            for step in range(200):
                handler.log_text("loop", str(step))
            handler.flush()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        handler.set_metric("loss", 1.0)
        run = handler.log().run
    names = [one.name for one in media_of(tmp_path, run)]
    assert (names.count("loop"), names.count("signal")) == (200, count)


_KILLED = """
import sys
from legm import ExperimentHandler
handler = ExperimentHandler(sys.argv[1], "pictures", provenance=False)
handler.set_dict_params({"lr": 0.1})
handler.start()
handler.set_metric("loss", 1.0, step=0)
step = 0
while True:
    handler.log_text("a", f"text {step}" + "y" * 20_000)
    if step == 20:
        handler.flush()
        print("go", flush=True)
    step += 1
"""


def test_a_killed_process_leaves_whole_media_only(tmp_path: Path):
    process = subprocess.Popen([sys.executable, "-c", _KILLED, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"go\n"
    process.kill()
    process.wait()
    process.stdout.close()
    (log,) = tmp_path.glob("pictures/*/runs/open/*.log")
    run_id = log.name.partition(".")[0]
    known = LogFolder.of(log.parent.parent.parent).read(run_id)
    assert known is not None
    texts = texts_of(tmp_path, known.run)
    assert len(texts) >= 21
    assert [int(text.partition("y")[0][5:]) for text in texts] == list(range(len(texts)))


def test_steps_that_are_not_given_end_with_the_highest_one(tmp_path: Path):
    with started(tmp_path) as handler:
        handler.log_text("a", "one", step=2**63 - 1)
        with pytest.raises(MediaError, match="has a medium at the highest step, 9223372036854775807"):
            handler.log_text("a", "two")
        handler.log_text("a", "three", step=-7)
        handler.rewind(-3)
        handler.log_text("a", "four")
        run = handler.log().run
    assert [one.step for one in media_of(tmp_path, run)] == [-7, -6]
    assert texts_of(tmp_path, run) == ["three", "four"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_cannot_log_media(tmp_path: Path):
    with started(tmp_path) as handler:
        handler.log_text("a", "parent")

        process = os.fork()
        if not process:
            try:
                handler.log_text("a", "child")
            except StateError as error:
                os._exit("belongs to the parent process" in str(error))
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 1
        handler.set_metric("loss", 1.0)
        run = handler.log().run
    assert texts_of(tmp_path, run) == ["parent"]


def test_a_dropped_handler_keeps_its_media(tmp_path: Path):
    handler = started(tmp_path)
    for _ in range(10):
        handler.log_text("a", "x" * 50_000)
    folder = handler.configuration_folder
    run_id = handler.run_id
    del handler
    gc.collect()
    known = LogFolder.of(Path(folder)).read(str(run_id))
    assert known is not None
    assert sum(isinstance(one, Media) for one in known.records) == 10


def test_a_process_that_does_not_record_checks_media_and_keeps_none(tmp_path: Path):
    with started(tmp_path, main_process=False) as handler:
        handler.log_text("a", "x")
        with pytest.raises(MediaError):
            handler.log_image("a", np.zeros(3))
    assert not list(tmp_path.rglob("*.txt"))


def test_a_resumed_run_continues_with_its_media(tmp_path: Path):
    handler = started(tmp_path)
    handler.log_text("a", "0")
    handler.set_metric("loss", 1.0, step=0)
    handler.end("interrupted")
    again = ExperimentHandler(tmp_path, "pictures", provenance=False)
    again.set_dict_params({"lr": 0.1, "seed": 0})
    again.disable_param("seed")
    again.start(resume=True)
    with again:
        again.log_text("a", "1")
        again.set_metric("loss", 1.0)
        run = again.log().run
    assert texts_of(tmp_path, run) == ["0", "1"]
    assert [one.step for one in media_of(tmp_path, run)] == [0, 1]


# TensorBoard


def test_tensorboard_has_every_kind_that_it_shows(tmp_path: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util

    with started(tmp_path) as handler:
        handler.log_image("picture", [np.zeros((4, 6), np.uint8)] * 2, step=3, caption=["one", "two"])
        handler.log_audio("sound", np.zeros(8), 8000, step=3)
        handler.log_histogram("weights", [0.0, 1.0, 1.0], step=3, bins=2)
        handler.log_text("text", "**bold**", step=3)
        handler.log_table("table", {"a|b": [0.5, None], "c": ["x|y", "z"]}, step=3)
        handler.log_html("page", "<b>", step=3)
        handler.set_metric("loss", 1.0, step=3)
    (events,) = tmp_path.glob("pictures/*/tensorboard/*")
    found = EventAccumulator(str(events), size_guidance={"tensors": 0})
    found.Reload()
    values = {}
    for tag in found.Tags()["tensors"]:
        plugin = found.SummaryMetadata(tag).plugin_data.plugin_name
        (event,) = found.Tensors(tag)
        values[tag] = (plugin, event.step, tensor_util.make_ndarray(event.tensor_proto))
    assert values["picture"][:2] == ("images", 3)
    width, height, *pictures = values["picture"][2]
    assert (width, height, len(pictures)) == (b"6", b"4", 2)
    assert pictures[0].startswith(b"\x89PNG")
    assert values["sound"][0] == "audio"
    assert values["sound"][2].shape == (1, 2)
    assert values["weights"][0] == "histograms"
    assert values["weights"][2].tolist() == [[0.0, 0.5, 1.0], [0.5, 1.0, 2.0]]
    assert values["text"][2].item() == b"**bold**"
    assert values["table"][2].item() == b"| a\\|b | c |\n| --- | --- |\n| 0.5 | x\\|y |\n|  | z |"
    assert "page" not in values


def test_a_backend_with_images_only_gets_the_files_of_other_media_as_artifacts(tmp_path: Path):
    class Pictures(MemoryBackend):
        media_kinds = frozenset({MediaKind.IMAGE})

    backend = Pictures(tmp_path)
    handler = ExperimentHandler(tmp_path, "pictures", backend=backend, provenance=False)
    with handler.start():
        handler.log_image("sample", np.zeros((2, 2), np.uint8), step=1)
        handler.log_text("note", "text", step=4)
        run = handler.log().run
    client = BackendClient(backend, tmp_path)
    assert [(one.name, one.kind) for one in client.media(run)] == [("sample", MediaKind.IMAGE)]
    records = [record for batch in backend.records[run.run_id].values() for record in batch]
    (file,) = (record for record in records if isinstance(record, Artifact))
    assert file.name.startswith("media/note/4-")
    assert client.supports_media(MediaKind.IMAGE)
    assert not client.supports_media(MediaKind.TEXT)

    backend.media_kinds = "image"
    with pytest.raises(BackendError, match=r"must be a set of legm\.records\.MediaKind, and has 'a', 'e'"):
        ExperimentHandler(tmp_path, "pictures", backend=backend).start()


def test_a_backend_without_media_gets_their_files_as_artifacts(tmp_path: Path):
    class Plain(MemoryBackend):
        capabilities = MemoryBackend.capabilities - {Capability.MEDIA}

    backend = Plain(tmp_path)
    handler = ExperimentHandler(tmp_path, "pictures", backend=backend, provenance=False)
    handler.set_param("lr", 0.1)
    with handler.start():
        handler.log_text("a/b", "text", step=4)
        handler.set_metric("loss", 1.0)
        run = handler.log().run
    records = [record for batch in backend.records[run.run_id].values() for record in batch]
    (kept,) = (record for record in records if type(record).__name__ == "Artifact")
    assert kept.name.startswith("media/a/b/4-")
    assert Path(kept.path).read_text(encoding="utf-8") == "text"
    assert not BackendClient(backend, tmp_path).supports(Capability.MEDIA)
    assert MediaKind.TEXT not in {getattr(record, "kind", None) for record in records}
