"""Media in W&B: what its history shows, and what is read back."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
from pathlib import Path

import numpy as np
import plotly.graph_objects
import pytest

from legm import ExperimentHandler
from legm.backends.portable_media import read_media_entries
from legm.backends.wandb.media_display import WandbMedia
from legm.delivery.client import connect_client
from legm.records import Media, MediaFile, MediaKind, Rewind
from tests.support.waiting import until
from tests.support.wandb_log import RunLog
from tests.support.wandb_server import ENTITY, KEY, serving

QUIET = {"x_disable_stats": True, "x_disable_meta": True, "disable_git": True, "x_save_requirements": False}
pytestmark = pytest.mark.usefixtures("wandb_home")


@pytest.fixture
def server():
    with serving() as made:
        yield made
        assert not made.unknown


def online(server) -> dict:
    account = {"base_url": server.url, "api_key": KEY}
    return {"mode": "online", "entity": ENTITY, "settings": {**QUIET, **account}}


OFFLINE = {"mode": "offline", "settings": QUIET}


def rows_of(root: Path) -> list[dict]:
    (folder,) = (path for path in (root / "wandb").glob("*run-*-*") if not path.is_symlink())
    return until(lambda: (found := RunLog(folder)).exit_code is not None and found, pause=0.05).rows


def media_rows(rows: list[dict]) -> list[tuple[int, str, dict]]:
    """The step, the key and W&B's value of each row with a medium."""
    found = []
    for row in rows:
        values: dict[str, dict] = {}
        for key, value in row.items():
            if key.startswith("media/"):  # W&B's log has the fields of a value each by itself
                name, field = (key, value) if isinstance(value, dict) else key.rsplit("/", 1)
                values.setdefault(name, {}).update(field if field is value else {field: value})
        found += [(row["legm/step"], name, value) for name, value in values.items()]
    return found


def files_of(root: Path) -> dict[str, bytes]:
    (folder,) = (path for path in (root / "wandb").glob("*run-*-*") if not path.is_symlink())
    found = (path for path in (folder / "files").rglob("*") if path.is_file())
    return {path.relative_to(folder / "files").as_posix(): path.read_bytes() for path in found}


@pytest.mark.parametrize("mode", ["offline", "online"])
def test_every_kind_is_shown_by_wandbs_own_type_at_its_step(tmp_path, mode, request):
    server = request.getfixturevalue("server") if mode == "online" else None
    options = OFFLINE if server is None else online(server)
    pixels = np.zeros((6, 3, 3), np.uint8)
    (tmp_path / "v.mp4").write_bytes(b"a video")
    (tmp_path / "v.mkv").write_bytes(b"another video")
    with ExperimentHandler(tmp_path, "e", backend="wandb", backend_options=options) as handler:
        handler.start()
        handler.set_metric("loss", 0.5, step=0)
        handler.log_image("samples ü/val", pixels, step=7, caption="the caption")
        handler.log_image("pair", [pixels, pixels[:3]], step=2, caption=["", "second"])
        handler.set_metric("loss", 0.25, step=1)
        handler.log_figure("curve", plotly.graph_objects.Figure({"data": [{"y": [1, 2]}]}))
        handler.log_audio("beep", np.zeros(8, np.int16), 8000)
        handler.log_video("clip", tmp_path / "v.mp4")
        handler.log_video("clip", tmp_path / "v.mkv")
        handler.log_histogram("weights", np.arange(2000.0), bins=1000)
        handler.log_table("predictions", {"mixed": [1, "ü"], "score": [float("nan"), None]}, step=3)
        handler.log_text("note", "a <text>")
        handler.log_html("page", "<b>page</b>")
        run = handler.log().run
    rows = rows_of(tmp_path) if server is None else server.run(run.run_id).history
    shown = media_rows(rows)
    assert [(step, key, value["_type"]) for step, key, value in shown] == [
        (7, "media/samples ü/val", "image-file"),
        (2, "media/pair", "images/separated"),
        (0, "media/curve", "plotly-file"),
        (0, "media/beep", "audio-file"),
        (0, "media/clip", "video-file"),
        (0, "media/weights", "histogram"),
        (3, "media/predictions", "table-file"),
        (0, "media/note", "html-file"),
        (0, "media/page", "html-file"),
    ]
    by_key = {key: value for _, key, value in shown}
    assert by_key["media/samples ü/val"]["caption"] == "the caption"
    assert by_key["media/pair"]["captions"] == ["", "second"]
    assert (len(by_key["media/weights"]["values"]), sum(by_key["media/weights"]["values"])) == (500, 2000)
    files = files_of(tmp_path) if server is None else server.run(run.run_id).files
    pages = {key: files[by_key[key]["path"]] for key in ("media/note", "media/page")}
    assert pages["media/page"] == b"<b>page</b>"
    assert b"a &lt;text&gt;" in pages["media/note"]
    table = json.loads(files[by_key["media/predictions"]["path"]])
    assert table["columns"] == ["mixed", "score"]
    assert [row[0] for row in table["data"]] == [1, "ü"]
    client = connect_client(tmp_path, "wandb", options)
    media = client.media(run)
    assert [one.step for one in media] == [7, 2, 0, 0, 0, 1, 0, 3, 0, 0]
    contents = [client.media_content(run, file) for one in media for file in one.files]
    assert contents[5:7] == [b"a video", b"another video"]


def one_medium(folder: Path, step: int, text: str = "a text", name: str = "m") -> Media:
    digest = hashlib.sha256(text.encode()).hexdigest()
    path = folder / f"{digest}.txt"
    path.write_text(text)
    return Media(name, MediaKind.TEXT, (MediaFile(str(path), digest),), step, 1.5 + step)


def test_equal_contents_are_stored_once_and_all_of_a_run_may_arrive_again(tmp_path):
    stored: dict[str, bytes] = {}
    every = [one_medium(tmp_path, step) for step in range(130)] + [
        Rewind(100, 9.0),
        one_medium(tmp_path, 101),
    ]
    for bounds in ([0, 60, 132], [0, 132], [0, 99, 100, 131, 132]):
        media = WandbMedia(stored.__setitem__)
        for start, end in itertools.pairwise(bounds):
            for record in every[start:end]:
                media.add(record) if isinstance(record, Media) else media.rewind(record)
            media.store_index()
    entries = read_media_entries(stored.get)
    assert len(entries) == 132
    (content,) = (name for name in stored if name.endswith(".txt"))
    assert sorted(set(stored) - {content}) == ["legm/media/0.json", "legm/media/1.json"]


def test_a_medium_that_cannot_be_shown_is_a_row_and_hinders_nothing(tmp_path, caplog):
    with ExperimentHandler(tmp_path, "e", backend="local") as local:
        local.start()
        local.set_metric("loss", 0.5, step=0)
        local.log_text("note", "first", step=1)
        local.log_text("note", "second", step=2)
        local.set_metric("loss", 0.25, step=3)
        run = local.log().run
    (first,) = (one for one in connect_client(tmp_path).media(run) if one.step == 1)
    client = connect_client(tmp_path / "w", "wandb", OFFLINE)
    client.open_run(run)
    Path(first.files[0].path).unlink()
    damaged = Media("picture", MediaKind.IMAGE, one_medium(tmp_path, 3).files, 3, 1.0)
    with caplog.at_level(logging.WARNING, logger="legm"):
        client.write(run, [first, damaged, one_medium(tmp_path, 4, "third", "../../x")], 9)
    client.release_run(run)
    rows = rows_of(tmp_path / "w")
    assert [row["legm/step"] for row in rows] == [1, 3, 4]
    assert [key for _, key, _ in media_rows(rows)] == ["media/_x2e__x2e_/_x2e__x2e_/x"]
    assert any("no longer exists" in record.getMessage() for record in caplog.records)
    assert [one.name for one in client.media(run)] == ["note", "picture", "../../x"]
    assert not [path for path in files_of(tmp_path / "w") if path.endswith("x.html")]
