"""Media that scripts logged to W&B and MLflow, after an import: each with its name, step and caption."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

import legm
from legm.backends.mlflow.names import mlflow_sqlite_uri
from legm.importers import import_runs
from legm.importers.tensorboard.event_histograms import event_histogram_json
from legm.importers.wandb.media_values import wandb_histogram
from legm.media.histograms import histogram_counts
from legm.media.tables import media_table_columns
from tests.support.mlflow_store import prepare_store
from tests.support.wandb_media import MEDIA, assert_media_of_wandb
from tests.support.wandb_scripts import run_script

_SCRIPT = """
run = begin(project="media", id="one", config={"lr": 0.1})
for step in range(3):
    run.log({"loss": 1 / (step + 1)})
pixels = [np.full((4, 4, 3), shade, np.uint8) for shade in (10, 20)]
run.log({
    "several/pictures": [wandb.Image(one, caption=f"shade {n}") for n, one in enumerate(pixels)],
    "table": wandb.Table(columns=["a", "b"], data=[[1, "x"], [2, None]]),
    "page": wandb.Html("<b>bold</b>", inject=False),
    "missing": wandb.Image(pixels[0]),
    "note": "a text",
})
(path,) = __import__("glob").glob(run.dir + "/media/images/missing_*")
run.log({"several/pictures": wandb.Image(pixels[1])})
run.finish()
os.unlink(path)
"""


@pytest.mark.usefixtures("wandb_home")
def test_media_of_wandb_have_their_names_steps_and_captions(tmp_path: Path, prepared):
    done = run_script(prepared, tmp_path, _SCRIPT)
    assert done.returncode == 0, done.stderr
    report = import_runs(tmp_path / "wandb", tmp_path / "root")
    assert report.is_complete, report
    project = legm.open(tmp_path / "root")
    table = project.media()
    rows = list(zip(*(table[name].tolist() for name in ("name", "kind", "step", "caption")), strict=True))
    assert sorted(rows) == [
        ("page", "html", 3, ""),
        (
            "several/pictures",
            "image",
            3,
            "shade 0",
        ),
        (
            "several/pictures",
            "image",
            3,
            "shade 1",
        ),
        ("several/pictures", "image", 4, ""),
        ("table", "table", 3, ""),
    ]
    contents = {
        name: project.media_content(one) for name, one in zip(table["name"], table["digest"], strict=True)
    }
    assert contents["page"] == b"<b>bold</b>"
    assert media_table_columns(contents["table"]) == {"a": [1, 2], "b": ["x", None]}
    again = import_runs(tmp_path / "wandb", tmp_path / "root")
    assert (again.created, again.updated, again.is_complete) == (0, 0, True)


@pytest.mark.usefixtures("wandb_home")
def test_every_kind_of_medium_of_wandb_comes_with_what_lies_over_it_and_in_tables(tmp_path: Path, prepared):
    script = f'{MEDIA}\nrun = begin(project="media", id="one")\nlog_media(run)\nrun.finish()\n'
    done = run_script(prepared, tmp_path, script)
    assert done.returncode == 0, done.stderr
    report = import_runs(tmp_path / "wandb", tmp_path / "root")
    assert report.is_complete, report
    assert_media_of_wandb(tmp_path / "root")
    files = [path.name for path in (tmp_path / "root").glob("*/*/artifacts/*/media*/**/*") if path.is_file()]
    assert files == []  # none of them is a file besides
    again = import_runs(tmp_path / "wandb", tmp_path / "root")
    assert (again.created, again.updated, again.is_complete) == (0, 0, True)


@pytest.mark.parametrize(
    "value",
    [
        {"_type": "histogram"},
        {"_type": "histogram", "values": [1], "bins": [0, "x"]},
        {"_type": "histogram", "values": [1, 2], "bins": [0, 1]},
        {"_type": "histogram", "values": [1, 2], "packedBins": {"min": 0, "size": 1, "count": "many"}},
        {"values": [1], "bins": [0, 1]},
        "histogram",
    ],
)
def test_what_is_no_histogram_of_wandb_is_left_as_it_is(value):
    assert wandb_histogram(value) is None


def test_a_histogram_of_wandb_with_bins_of_one_width_has_their_edges():
    packed = {"_type": "histogram", "values": [3, 4], "packedBins": {"min": -1, "size": 0.5, "count": 2}}
    assert histogram_counts(wandb_histogram(packed)) == ([-1, -0.5, 0], [3, 4])


def test_stepped_pictures_of_mlflow_are_media_once_each(tmp_path: Path):
    store = prepare_store(tmp_path / "mlflow.db")
    client = MlflowClient(tracking_uri=mlflow_sqlite_uri(store))
    experiment = client.create_experiment("pictures", artifact_location=str(tmp_path / "files"))
    run = client.create_run(experiment, run_name="one").info.run_id
    for step in range(2):
        client.log_image(
            run, np.full((4, 4), 50 * step, np.uint8), key="val/sample", step=step, timestamp=1000 + step
        )
    client.log_text(run, "text", "notes/a.txt")
    client.set_terminated(run)
    report = import_runs(store, tmp_path / "root")
    assert report.is_complete, report
    table = legm.open(tmp_path / "root").media()
    assert table["name"].tolist() == ["val/sample"] * 2
    assert table["step"].tolist() == [0, 1]
    assert table["time"].tolist() == [1.0, 1.001]
    assert [Path(path).read_bytes()[:4] for path in table["path"]] == [b"\x89PNG"] * 2
    files = [path.name for path in (tmp_path / "root").glob("*/*/artifacts/*/notes*/*")]
    assert files == ["a.txt"]
    assert not list((tmp_path / "root").rglob("*.webp"))


class _Histo:
    """Stands in for TensorFlow's HistogramProto."""

    def __init__(self, low: float, high: float, limits: list[float], counts: list[float]) -> None:
        self.min, self.max, self.bucket_limit, self.bucket = low, high, limits, counts


class _Value:
    """Stands in for TensorFlow's Summary.Value."""

    def __init__(self, histo: _Histo) -> None:
        self.histo = histo

    def WhichOneof(self, name: str) -> str:  # noqa: N802 - a name of protocol buffers
        return name.replace("value", "histo")


@pytest.mark.parametrize(
    ("histo", "edges", "counts"),
    [
        (_Histo(-1, 2, [-1e308, -0.5, 0, 1, 1e308], [0, 1, 2, 3, 4]), [-1, -0.5, 0, 1, 2], [1, 2, 3, 4]),
        (_Histo(0, 1, [0, 1, 5, 6], [0, 2, 3, 0]), [0, 1], [5]),
        (_Histo(3, 3, [3], [7]), None, [7]),
        (_Histo(float("inf"), float("-inf"), [], []), [], []),
        (_Histo(float("nan"), 1, [1], [1]), [], []),
    ],
)
def test_a_histogram_of_an_event_file_keeps_every_count(histo, edges, counts):
    content = event_histogram_json(_Value(histo))
    found = histogram_counts(content)
    assert found[1] == counts
    if edges is not None:
        assert found[0] == edges
    assert json.loads(content)["nan"] == 0
