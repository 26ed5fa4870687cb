"""A script that logs every kind of medium to W&B, and what legm has of it, however it came."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

import legm
from legm.media.histograms import histogram_counts
from legm.media.tables import media_table_columns

__all__ = ["MEDIA", "assert_media_of_wandb"]

MEDIA = """
import wave
import numpy as np
import plotly.graph_objects as go
import wandb

def log_media(run):
    pixels = np.zeros((4, 4, 3), np.uint8)
    boxes = {"box_data": [{"position": {"minX": 0, "maxX": 1, "minY": 0, "maxY": 1}, "class_id": 1}],
        "class_labels": {1: "cat"}}
    mask = {"mask_data": np.eye(4, dtype=np.uint8), "class_labels": {0: "no", 1: "cat"}}
    with wave.open("sound.wav", "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(80))
    with open("clip.mp4", "wb") as clip:
        clip.write(b"a video")
    with open("shape.obj", "w") as shape:
        shape.write("v 0 0 0")
    run.log({"boxed": wandb.Image(pixels, caption="c", boxes={"pred": boxes}, masks={"gt": mask})})
    run.log({"several": [
        wandb.Image(pixels + 1, caption="a", masks={"gt": mask}),
        wandb.Image(pixels + 1, caption="b"),
        wandb.Image(pixels + 2, caption="d", boxes={"pred": boxes})]})
    run.log({"sound": wandb.Audio("sound.wav", caption="s"), "clip": wandb.Video("clip.mp4", caption="v")})
    run.log({"shape": wandb.Object3D("shape.obj"), "cloud": wandb.Object3D(np.zeros((2, 3)))})
    run.log({"plotly": go.Figure(go.Scatter(y=[1, 2])), "page": wandb.Html("<b>x</b>", inject=False)})
    run.log({"counts": wandb.Histogram(np_histogram=([1, 2], [0, 1, 3])), "even": wandb.Histogram([0, 1, 1])})
    run.log({"table": wandb.Table(columns=["id", "picture"], data=[
        [7, wandb.Image(pixels + 3, caption="seven")], [8, None], [9, wandb.Image(pixels + 4)]])})
"""

_EXPECTED = [
    ("boxed", "image", 0, "c"),
    ("boxed/boxes/pred", "text", 0, ""),
    ("boxed/masks/gt", "image", 0, ""),
    ("several", "image", 1, "a"),
    ("several", "image", 1, "b"),
    ("several", "image", 1, "d"),
    ("several/boxes/pred", "text", 1, "picture 2"),
    ("several/masks/gt", "image", 1, "picture 0"),
    ("clip", "video", 2, "v"),
    ("sound", "audio", 2, "s"),
    ("cloud", "object3d", 3, ""),
    ("shape", "object3d", 3, ""),
    ("page", "html", 4, ""),
    ("plotly", "figure", 4, ""),
    ("counts", "histogram", 5, ""),
    ("even", "histogram", 5, ""),
    ("table", "table", 6, ""),
    ("table/picture", "image", 6, "row 0: seven"),
    ("table/picture", "image", 6, "row 2"),
]


def assert_media_of_wandb(root: Path) -> None:
    """Check that a root has the media of :data:`MEDIA`, as they were."""
    project = legm.open(root)
    table = project.media()
    columns = ("name", "kind", "step", "caption")
    found = list(zip(*(table[name].tolist() for name in columns), strict=True))
    found.sort(key=lambda row: (row[2], row[0]))
    assert found == _EXPECTED, found
    contents = dict(zip(table["name"].tolist(), map(project.media_content, table["digest"]), strict=True))
    boxes = json.loads(contents["boxed/boxes/pred"])
    assert (boxes["box_data"][0]["class_id"], boxes["class_labels"]) == (1, {"1": "cat"})
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(contents["boxed/masks/gt"]))), np.eye(4))
    assert contents["clip"] == b"a video"
    assert contents["shape"] == b"v 0 0 0"
    assert json.loads(contents["cloud"]) == [[0, 0, 0]] * 2
    assert contents["page"] == b"<b>x</b>"
    assert json.loads(contents["plotly"])["data"][0]["type"] == "scatter"
    assert histogram_counts(contents["counts"]) == ([0, 1, 3], [1, 2])
    edges, counts = histogram_counts(contents["even"])
    assert (len(edges), counts[0], counts[-1]) == (65, 1, 2)
    assert media_table_columns(contents["table"]) == {"id": [7, 8, 9], "picture": ["Image", None, "Image"]}
    shades = [
        np.asarray(Image.open(io.BytesIO(project.media_content(digest)))).max()
        for name, digest in zip(table["name"].tolist(), table["digest"], strict=True)
        if name == "table/picture"
    ]
    assert shades == [3, 4]
