"""The media on a report's page: which are chosen, how small they are, and what is said of the others."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from legm import ExperimentHandler, report
from legm.records import Configuration, Media, MediaFile, MediaKind, Plain, Run, RunResult, Status
from legm.report.media import ReportMedia
from tests.support.reports import content_of

PIXELS = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


def built(root: Path) -> tuple[list[dict], dict]:
    """The rows of the page's only experiment, and the contents of its media."""
    content = content_of(report.build(root, ["toy"]))
    (experiment,) = content["experiments"]
    return experiment["rows"], content["media"]


def test_each_kind_is_on_the_page_of_the_newest_completed_run_that_has_any(tmp_path):
    for seed in range(4):
        handler = ExperimentHandler(tmp_path, "toy")
        handler.set_dict_params({"lr": 1, "seed": seed})
        handler.disable_param("seed")
        with handler.start():
            handler.set_metric("loss", seed)
            if seed in (1, 2):
                handler.log_image("samples", [PIXELS, PIXELS + 1], step=3, caption=["a", "<b>"])
                handler.log_histogram("weights", [0.0, 0.0, 1.0], step=3, bins=2)
                handler.log_table("answers", {"x": [1 / 3, float("nan")], "y": ["</script>", None]})
                handler.log_text("note", "n" * 5_000)
                handler.log_audio("tone", np.zeros(100), 8_000)
                handler.log_html("page", "<script>alert(1)</script>")
            if seed == 2:
                kept = handler.run_id
            if seed == 3:
                handler.log_text("note", "of a run that failed")
                handler.end("failed")
    (row,), contents = built(tmp_path)
    media = row["media"]
    assert (media["run"], media["status"]) == (kept, "completed")
    assert {name: (one["kind"], one["steps"]) for name, one in media["names"].items()} == {
        "answers": ("table", 1),
        "note": ("text", 1),
        "page": ("html", 1),
        "samples": ("image", 1),
        "tone": ("audio", 1),
        "weights": ("histogram", 1),
    }
    (samples,) = media["names"]["samples"]["shown"]
    assert (samples["step"], [one["caption"] for one in samples["files"]]) == (3, ["a", "<b>"])
    picture = contents[samples["files"][1]["digest"]]
    assert (picture["width"], picture["height"]) == (4, 4)
    assert np.array_equal(opened(picture), PIXELS + 1)

    def only_content(name: str) -> dict:
        (medium,) = media["names"][name]["shown"]
        (file,) = medium["files"]
        return contents[file["digest"]]

    assert only_content("weights") == {"edges": [0.0, 0.5, 1.0], "counts": [2.0, 1.0]}
    rows = [["0.333333", "</script>"], ["nan", ""]]
    assert only_content("answers") == {"columns": ["x", "y"], "rows": rows, "count": 2}
    assert only_content("note") == {"text": "n" * 4_000, "left": 1_000}
    assert only_content("tone")["audio"].startswith("data:audio/wav;base64,")
    (page,) = media["names"]["page"]["shown"]
    assert page["files"] == [{"why": "Pages are not shown here."}]


def opened(picture: dict) -> np.ndarray:
    content = base64.b64decode(picture["picture"].partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(content)))


def test_of_many_steps_the_first_the_last_and_some_between_are_shown_and_equal_contents_once(tmp_path):
    for lr in (1, 2):
        with ExperimentHandler(tmp_path, "toy") as handler:
            handler.set_param("lr", lr)
            handler.start()
            for step in range(100):
                handler.log_image("samples", np.full((2, 2), step // 50, bool), step=step)
    rows, contents = built(tmp_path)
    for row in rows:
        samples = row["media"]["names"]["samples"]
        assert samples["steps"] == 100
        assert [one["step"] for one in samples["shown"]] == [0, 14, 28, 42, 57, 71, 85, 99]
    assert len(contents) == 2


class Source:
    """Runs whose media are files of these contents, one a step."""

    def __init__(self, kind: MediaKind, suffix: str, contents: list[bytes]) -> None:
        self.contents = {str(step): content for step, content in enumerate(contents)}
        self.media_of_run = [
            Media("m", kind, (MediaFile(f"{step}{suffix}", str(step)),), step, 0.0)
            for step in range(len(contents))
        ]

    def media(self, run: Run) -> list[Media]:
        return self.media_of_run

    def media_content(self, run: Run, file: MediaFile) -> bytes:
        return self.contents[file.digest]


CONFIGURATION = Configuration("toy", f"v1-{0:032}", "", {}, (), {})
RUN = RunResult(Run("20260101-000000-000-abcdef", CONFIGURATION, "", 0.0), Status.COMPLETED)


def shown(source: Source, limit: int = 1 << 20, rows: int = 1) -> tuple[list[Plain], dict[str, Plain]]:
    media = ReportMedia(source, limit, rows)
    names = media.of_row([RUN])["names"]
    return [one["files"][0] for one in names["m"]["shown"]], media.contents


def test_in_a_tracker_few_runs_are_asked():
    asked = []

    class Tracker(Source):
        def media(self, run: Run) -> list[Media]:
            asked.append(run.run_id)
            return []

    source = Tracker(MediaKind.TEXT, ".txt", [b"x"])
    runs = [replace(RUN, run=replace(RUN.run, run_id=f"2026010{day}-000000-000-abcdef")) for day in range(5)]
    assert ReportMedia(source, 1 << 20, 1, asked=2).of_row(runs) == {}
    assert asked == [runs[4].run.run_id, runs[3].run.run_id]


def test_a_large_picture_is_shown_smaller_and_what_does_not_fit_says_so():
    noise = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), np.uint8)
    content = io.BytesIO()
    Image.fromarray(noise).save(content, "PNG")
    files, contents = shown(Source(MediaKind.IMAGE, ".png", [content.getvalue()]))
    assert files == [{"digest": "0"}]
    assert (contents["0"]["width"], contents["0"]["height"]) == (1200, 900)
    assert opened(contents["0"]).shape == (360, 480, 3)

    texts = [f"{step}".encode() * 1_000 for step in range(8)]
    files, contents = shown(Source(MediaKind.TEXT, ".txt", texts), limit=6_000, rows=2)
    assert list(contents) == ["7", "0"]  # the last one first
    assert [one.get("why") for one in files] == [None, *["There is no space for it on this page."] * 6, None]


@pytest.mark.parametrize(
    ("kind", "suffix", "content"),
    [
        (MediaKind.IMAGE, ".png", b"no picture"),
        (MediaKind.IMAGE, ".png", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        (MediaKind.HISTOGRAM, ".json", b'{"edges": [0, Infinity], "counts": [1]}'),
        (MediaKind.HISTOGRAM, ".json", b"[" * 100_000),
        (MediaKind.TABLE, ".table.json", b'{"columns": ["a"], "data": [[1, 2]]}'),
        (MediaKind.TABLE, ".table.json", b"[" * 100_000),
        (MediaKind.FIGURE, ".plotly.json", b"{"),
        (MediaKind.VIDEO, ".avi", b"RIFF"),
        (MediaKind.AUDIO, ".html", b"<script>alert(1)</script>"),
        (MediaKind.OBJECT3D, ".glb", b"glTF"),
    ],
)
def test_what_cannot_be_shown_says_why_and_is_not_on_the_page(kind, suffix, content):
    ((file,), contents) = shown(Source(kind, suffix, [content]))
    assert contents == {}
    assert file["why"].endswith(".")
    assert "digest" not in file


def test_a_damaged_file_hides_no_other_medium(tmp_path):
    with ExperimentHandler(tmp_path, "toy") as handler:
        handler.set_param("lr", 1)
        handler.start()
        handler.log_text("a", "first")
        handler.log_text("b", "second")
    (damaged,) = [
        path for path in tmp_path.glob("toy/*/artifacts/*/legm-media/*") if path.read_text() == "first"
    ]
    damaged.write_text("other")
    (row,), contents = built(tmp_path)
    names = row["media"]["names"]
    assert "is not the one that was logged" in names["a"]["shown"][0]["files"][0]["why"]
    assert json.dumps(contents).count("second") == 1
