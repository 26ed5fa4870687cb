"""``legm plot`` and ``legm report``: which picture or page is written, and where."""

from __future__ import annotations

import pytest
from PIL import Image

from legm.core.naming import safe_name
from tests.support.answers import EXPERIMENT, fill
from tests.support.calling import as_json, failed, misused, shown

HEADS = {".png": b"\x89PNG", ".pdf": b"%PDF-", ".svg": b"<?xml"}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Only to be read."""
    place = tmp_path_factory.mktemp("plot") / "root"
    fill(place)
    return place / safe_name(EXPERIMENT)


@pytest.mark.parametrize("ending", HEADS)
@pytest.mark.parametrize("what", [["loss"], ["loss", "--bars"], ["loss", "test_accuracy", "--bars"]])
def test_the_ending_says_the_format(path, tmp_path, ending, what):
    file = tmp_path / f"picture{ending}"
    assert shown("plot", path, *what, "-o", file) == f"{file}\n"
    assert file.read_bytes().startswith(HEADS[ending])


def text_of(svg):
    """The words of a picture: its SVG names each in a comment."""
    return svg.read_text(encoding="utf-8")


def test_the_best_configurations_are_in_one_picture_best_first(path, tmp_path):
    file = tmp_path / "best.svg"
    found = as_json("plot", path, "loss", "--top", 2, "-o", file)
    assert (found["output"], found["configurations"]) == (str(file), ["0.2,adam_0", "0.1,adam_0"])
    text = text_of(file)
    assert text.index("0.2,adam_0") < text.index("0.1,adam_0")
    assert "sgd" not in text
    assert EXPERIMENT.partition(" ")[0] in text


def test_only_configurations_with_the_values_asked_for_are_drawn(path, tmp_path):
    options = ["--where", "solver=sgd", "-o", tmp_path / "x.png"]
    assert as_json("plot", path, "loss", *options)["configurations"] == ["0.1,sgd_0", "0.2,sgd_0"]
    assert as_json("plot", path, "loss", "--bars", *options)["configurations"] == ["0.1,sgd_0", "0.2,sgd_0"]


def test_a_configurations_own_curves_are_drawn(path, tmp_path):
    file = tmp_path / "own.svg"
    found = as_json("plot", path / "0.1,adam_0", "loss", "time", "-o", file)
    assert found["configurations"] == ["0.1,adam_0"]
    assert "mean ± std over 3 runs" in text_of(file)
    shown("plot", path / "0.1,adam_0", "loss", "--aggregation", "median", "-o", file)
    assert "median and quartiles" in text_of(file)


def test_runs_with_a_description_have_their_own_picture(path, tmp_path):
    file = tmp_path / "x.svg"
    found = as_json("plot", path, "loss", "--description", "try this", "-o", file)
    assert found["configurations"] == ["0.1,sgd_0"]
    assert "try this" in text_of(file)


def test_a_title_and_a_style_sheet_can_be_given(path, tmp_path):
    (tmp_path / "wide.mplstyle").write_text("figure.figsize: 10, 3\nfigure.dpi: 50\n")
    file = tmp_path / "x.png"
    shown(
        "plot", path / "0.1,adam_0", "loss", "--style", tmp_path / "wide.mplstyle", "--title", "", "-o", file
    )
    with Image.open(file) as picture:
        assert picture.size == (500, 150)
    message = failed("plot", path, "loss", "--style", "ggplo", "-o", file)
    assert "'ggplo'" in message
    assert "'ggplot'" in message


def test_without_a_file_it_says_where_it_wrote(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shown("plot", path, "loss") == f"{path.name}-loss.png\n"
    assert shown("plot", path / "0.1,adam_0", "loss", "time") == "0.1,adam_0-loss+time.png\n"
    assert sorted(one.suffix for one in tmp_path.iterdir()) == [".png", ".png"]


def test_another_backend_is_drawn_too(tmp_path):
    fill(tmp_path / "root", "mlflow")
    place, file = tmp_path / "root" / safe_name(EXPERIMENT), tmp_path / "x.svg"
    found = as_json("plot", place, "loss", "--top", 1, "-o", file, "--backend", "mlflow")
    assert found["configurations"] == ["0.2,adam_0"]
    found = as_json("plot", place / "0.2,adam_0", "loss", "-o", file, "--backend", "mlflow")
    assert found["configurations"] == ["0.2,adam_0"]


def test_what_cannot_be_drawn_is_reported(path, tmp_path):
    file = tmp_path / "x.png"
    assert "has no curve: add --bars" in failed("plot", path, "test_accuracy", "-o", file)
    assert "did you mean 'loss'?" in failed("plot", path / "0.1,adam_0", "los", "-o", file)
    assert "cannot be saved in the format 'jpg'" in failed("plot", path, "loss", "-o", tmp_path / "x.jpg")
    assert "show one METRIC" in misused("plot", path, "loss", "time", "-o", file)
    assert "are for an experiment" in misused("plot", path / "0.1,adam_0", "loss", "--bars", "-o", file)
    assert "cannot write" in failed("plot", path, "loss", "-o", tmp_path / "no" / "x.png")
    assert list(tmp_path.iterdir()) == []


def test_a_report_has_the_experiments_of_a_root_directory_or_one(path, tmp_path, monkeypatch):
    file = tmp_path / "page.html"
    assert shown("report", path.parent, "-o", file) == f"{file}\n"
    whole = file.read_bytes()
    assert whole.lower().startswith(b"<!doctype html>")
    found = as_json("report", path, "-o", file, "--metric", "accuracy", "--test", "--higher")
    assert (found["output"], found["experiments"]) == (str(file), [EXPERIMENT])
    assert found["choices"][EXPERIMENT]["test_accuracy"]["because"] == "asked"
    assert found["choices"][EXPERIMENT]["best_loss"] == {
        "title": "last loss",
        "higher_better": False,
        "because": "name",
        "note": "",
    }
    monkeypatch.chdir(tmp_path)
    assert shown("report", path, "--metric", "loss", "--lower") == "report.html\n"
    assert "did you mean 'loss'?" in failed("report", path, "--metric", "los")
    assert "there is no experiment" in failed("report", tmp_path)
