"""Media in MLflow: where its page and its client find them, and what is read back."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import plotly.graph_objects
import pytest
from mlflow import MlflowClient
from PIL import Image

from legm import ExperimentHandler
from legm.backends.mlflow.media_display import MlflowMediaBatch, read_mlflow_media
from legm.backends.mlflow.stores import MlflowArtifactStore
from legm.delivery.client import connect_client
from legm.records import Media, MediaFile, MediaKind, Rewind
from tests.support.mlflow_server import experiment_of
from tests.support.mlflow_store import client, only_run


@pytest.fixture(params=["sqlite", "server"])
def options(request) -> dict:
    return {"tracking_uri": request.getfixturevalue("mlflow_server").uri} if request.param == "server" else {}


def paths(reader: MlflowClient, run, folder: str) -> list[str]:
    found = []
    for one in reader.list_artifacts(run.info.run_id, folder):
        found += paths(reader, run, one.path) if one.is_dir else [one.path]
    return sorted(found)


def test_every_kind_is_where_an_mlflow_user_expects_it(mlflow_store, tmp_path, options, monkeypatch):
    name = experiment_of(tmp_path)
    pixels = np.zeros((600, 300, 3), np.uint8)
    (tmp_path / "v.mp4").write_bytes(b"a video")
    table = {"word": ["a", "ü"], "score": [0.5, float("nan")]}
    with ExperimentHandler(tmp_path, name, backend="mlflow", backend_options=options) as handler:
        handler.start()
        handler.set_metric("loss", 0.5)
        handler.log_image("val/samples ü", pixels, step=7, caption="the caption")
        handler.log_image("pair", [pixels, pixels[:10]], step=2)
        handler.log_figure(
            "curve", plotly.graph_objects.Figure({"data": [{"y": [1, 2], "name": "</script>"}]})
        )
        handler.log_table("predictions", table, step=3)
        handler.log_text("note", "a text", step=1)
        handler.log_video("clip", tmp_path / "v.mp4")
        handler.log_histogram("weights", [1.0, 2.0])
        logged = handler.log().run
    reader = MlflowClient(options["tracking_uri"]) if options else client(tmp_path)
    run = only_run(reader, name)
    assert run.data.tags["mlflow.loggedImages"] == "True"
    shown = [path.removeprefix("images/").split("+") for path in paths(reader, run, "images")]
    assert [(one[0], one[2], len(one)) for one in shown] == [
        ("pair~0", "2", 7),
        ("pair~0", "2", 6),
        ("pair~1", "2", 7),
        ("pair~1", "2", 6),
        ("val~samples _xfc_", "7", 7),
        ("val~samples _xfc_", "7", 6),
    ]
    (small,) = [path for path in paths(reader, run, "images") if "val" in path and "+compressed.webp" in path]
    with Image.open(reader.download_artifacts(run.info.run_id, small, str(tmp_path))) as picture:
        assert (picture.format, picture.size) == ("WEBP", (128, 256))
    (page,) = [path for path in paths(reader, run, "figures") if path.endswith(".html")]
    assert (
        Path(reader.download_artifacts(run.info.run_id, page, str(tmp_path))).read_text().count("</script>")
        == 2
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", reader.tracking_uri)  # load_table() looks for runs there
    loaded = reader.load_table(run.info.experiment_id, "tables/predictions/3.json", [run.info.run_id])
    assert loaded["word"].tolist() == ["a", "ü"]
    assert loaded["score"].isna().tolist() == [False, True]
    folders = {path.split("/")[1] for path in paths(reader, run, "media")}
    assert folders == {"predictions", "note", "clip", "weights"}
    assert not reader.list_artifacts(run.info.run_id, "files")
    backend = connect_client(tmp_path, "mlflow", options)
    media = backend.media(logged)
    assert [(one.name, one.kind, one.step) for one in media] == [
        ("val/samples ü", MediaKind.IMAGE, 7),
        ("pair", MediaKind.IMAGE, 2),
        ("curve", MediaKind.FIGURE, 0),
        ("predictions", MediaKind.TABLE, 3),
        ("note", MediaKind.TEXT, 1),
        ("clip", MediaKind.VIDEO, 0),
        ("weights", MediaKind.HISTOGRAM, 0),
    ]
    assert media[0].files[0].caption == "the caption"


# One batch on a real folder


class Folder:
    """The artifacts of one run in a folder, and its tags."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "logged"
        self.source.mkdir()
        self.artifacts = folder / "artifacts"
        self.tags: dict[str, str] = {}

    @property
    def files(self) -> MlflowArtifactStore:
        return MlflowArtifactStore(self.artifacts.as_uri(), "")

    def medium(self, kind: MediaKind, content: bytes, extension: str, step: int, name: str = "m") -> Media:
        digest = hashlib.sha256(content).hexdigest()
        path = self.source / f"{digest}{extension}"
        path.write_bytes(content)
        return Media(name, kind, (MediaFile(str(path), digest),), step, 1.5 + step)

    def text(self, step: int, text: str = "a text") -> Media:
        return self.medium(MediaKind.TEXT, text.encode(), ".txt", step)

    def table(self, step: int, name: str = "t") -> Media:
        content = json.dumps({"columns": ["a"], "types": ["whole"], "data": [[step]]}).encode()
        return self.medium(MediaKind.TABLE, content, ".table.json", step, name)

    def deliver(self, *records: Media | Rewind, is_acknowledged: bool = True) -> Mapping[str, str]:
        batch = MlflowMediaBatch(self.files, lambda: self.tags)
        for record in records:
            batch.add(record) if isinstance(record, Media) else batch.rewind(record)
        tags = batch.store_index()
        if is_acknowledged:
            self.tags |= tags
        return tags

    def read(self) -> list[Media]:
        return read_mlflow_media(self.files, self.tags)

    def stored(self) -> list[str]:
        found = (path.relative_to(self.artifacts) for path in self.artifacts.rglob("*") if path.is_file())
        return sorted(path.as_posix() for path in found)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def png(side: int = 4) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_batch_that_arrives_twice_is_stored_once(folder):
    first = [folder.medium(MediaKind.IMAGE, png(), ".png", 1), folder.table(1), folder.text(1)]
    folder.deliver(*first, is_acknowledged=False)
    before = folder.stored()
    folder.deliver(*first)
    assert folder.stored() == before
    longer = [folder.text(2), Rewind(1, 9.0), folder.text(3), folder.text(4)]
    folder.deliver(*longer, is_acknowledged=False)
    folder.deliver(*longer[:3])
    folder.deliver(*longer[3:])
    assert [(one.kind.value, one.step) for one in folder.read()] == [
        ("image", 1),
        ("table", 1),
        ("text", 1),
        ("text", 3),
        ("text", 4),
    ]
    assert json.loads(folder.tags["mlflow.loggedArtifacts"]) == [{"path": "tables/t/1.json", "type": "table"}]


def test_a_rewind_deletes_what_is_void_and_what_showed_it(folder):
    kept = [folder.medium(MediaKind.IMAGE, png(), ".png", 1), folder.table(1)]
    folder.deliver(*kept)
    before = {name for name in folder.stored() if not name.startswith("legm/")}
    folder.deliver(
        folder.medium(MediaKind.IMAGE, png(5), ".png", 2), folder.table(2), folder.table(3, "other")
    )
    assert len(json.loads(folder.tags["mlflow.loggedArtifacts"])) == 3
    folder.deliver(Rewind(1, 9.0))
    assert {name for name in folder.stored() if not name.startswith("legm/")} == before
    assert json.loads(folder.tags["mlflow.loggedArtifacts"]) == [{"path": "tables/t/1.json", "type": "table"}]
    assert [one.step for one in folder.read()] == [1, 1]


def test_many_batches_are_read_in_order(folder):
    for start in range(0, 230, 46):
        folder.deliver(*(folder.text(step) for step in range(start, start + 46)))
    assert [one.step for one in folder.read()] == list(range(230))
    assert [name for name in folder.stored() if name.startswith("legm/")] == [
        "legm/media/0.json",
        "legm/media/1.json",
        "legm/media/2.json",
    ]


def test_tables_of_users_stay_in_mlflows_tag_and_only_legms_newest_fit(folder):
    own = {"path": "mine.json", "type": "table"}
    folder.tags["mlflow.loggedArtifacts"] = json.dumps([own])
    for start in range(0, 300, 100):
        folder.deliver(*(folder.table(step, "a name of some length") for step in range(start, start + 100)))
    text = folder.tags["mlflow.loggedArtifacts"]
    first, *others = json.loads(text)
    assert first == own
    assert len(text) < 5_000
    assert others[-1]["path"] == "tables/a name of some length/299.json"
    assert len(others) > 20


def test_a_picture_of_another_format_is_shown_as_png_and_kept_as_it_is(folder):
    buffer = io.BytesIO()
    Image.new("CMYK", (8, 8)).save(buffer, "JPEG")
    folder.deliver(folder.medium(MediaKind.IMAGE, buffer.getvalue(), ".jpg", 3))
    (found,) = folder.read()
    assert folder.files.read(found.files[0].path) == buffer.getvalue()
    whole = [name for name in folder.stored() if name.startswith("images/") and name.endswith(".png")]
    with Image.open(folder.artifacts / whole[0]) as shown:
        assert (shown.format, shown.size) == ("PNG", (8, 8))


def test_a_file_that_is_missing_or_damaged_hinders_nothing(folder, caplog):
    missing, damaged = folder.text(1, "deleted"), folder.medium(MediaKind.IMAGE, b"not a picture", ".png", 2)
    table = folder.medium(MediaKind.TABLE, b"not a table", ".table.json", 2)
    Path(missing.files[0].path).unlink()
    with caplog.at_level(logging.WARNING, logger="legm"):
        folder.deliver(missing, damaged, table, folder.text(3))
    assert [record.getMessage().split(", and ")[0] for record in caplog.records] == [
        f"{missing.files[0].path} no longer exists"
    ]
    found = folder.read()
    assert [one.step for one in found] == [1, 2, 2, 3]
    with pytest.raises(FileNotFoundError):
        folder.files.read(found[0].files[0].path)
    assert folder.files.read(found[1].files[0].path) == b"not a picture"


@pytest.mark.parametrize(
    "name", ["../../../x", "/x", "a/../../b", ".", "..", "a//b", r"x\..\y", "a+step+9+b", "%"]
)
def test_no_name_leads_out_of_the_run_or_breaks_mlflows_names(folder, name):
    one = folder.medium(MediaKind.IMAGE, png(), ".png", 1, name)
    folder.deliver(one, replace(folder.text(1), name=name), folder.table(1, name))
    assert folder.read()[0].name == name
    stored = folder.stored()
    assert len(stored) == 6
    images = [path.split("/") for path in stored if path.startswith("images/")]
    assert all(len(path) == 2 and len(path[1].split("+")) in {6, 7} for path in images)
    assert not [
        path for path in folder.artifacts.parent.iterdir() if path.name not in {"logged", "artifacts"}
    ]


@pytest.mark.parametrize("value", ["-1", "x", "²", "9" * 5000])
def test_a_damaged_count_is_an_error(folder, value):
    folder.deliver(folder.text(1))
    folder.tags["legm.media"] = value
    with pytest.raises(ValueError, match="damaged"):
        folder.read()
