"""``legm table``: what a paper, a page or another program gets."""

from __future__ import annotations

import csv
import math
import re
import shutil

import pytest

from legm import ExperimentHandler
from legm.core.naming import safe_name
from tests.support.answers import EXPERIMENT, fill
from tests.support.calling import as_json, failed, misused, shown

SPECIAL = '100% of a_b & $x^2$ #1 {~} <\\|> "q" *b* [c]'


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Only to be read."""
    place = tmp_path_factory.mktemp("table") / "root"
    fill(place)
    return place / safe_name(EXPERIMENT)


@pytest.fixture(scope="module")
def special(tmp_path_factory):
    """A parameter and a value that mean something to every format."""
    root = tmp_path_factory.mktemp("special")
    for value in (SPECIAL, "[plain"):
        for loss in (-0.5, -0.25):
            with ExperimentHandler(root, "e") as made:
                made.set_param(f"p {SPECIAL}", value)
                made.start()
                made.set_metric(f"m {SPECIAL}", loss)
    return root / "e"


def markdown_cells(line):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def latex_cells(line):
    assert line.endswith(r" \\")
    return re.split(r"(?<!\\)&", line.removesuffix(r" \\").replace(" & ", "&"))


def test_markdown_has_the_parameters_that_differ_and_the_best_in_bold(path):
    table, *notes = shown("table", path, "loss", "test_accuracy").split("\n\n")
    head, rule, *rows = table.splitlines()
    assert markdown_cells(head) == ["layers", "momentum", "rate", "solver", "last loss ↓", "test accuracy ↑"]
    assert [cell[-1] for cell in markdown_cells(rule)] == ["-", ":", ":", "-", ":", ":"]
    assert [markdown_cells(row) for row in rows] == [
        [r"\[64, 32\]", "", "0.2", "adam", "**0.25 ± 0.00**", "**0.97 ± 0.00**"],
        [r"\[64, 32\]", "", "0.1", "adam", "0.50 ± 0.20", "0.94 ± 0.03"],
        [r"\[16\]", "0.9", "0.1", "sgd", "2.00 ± 0.82", "0.75 ± 0.10"],
        [r"\[16\]", "0.9", "0.2", "sgd", "no value", "no value"],
    ]
    assert len({len(line) for line in (head, rule, *rows)}) == 1
    assert notes == [
        "last loss: lower is better, by its name",
        "last loss is NaN in 3 of 12 completed runs; these are not averaged",
        "test accuracy: higher is better, by default",
        "test accuracy is NaN in 3 of 12 completed runs; these are not averaged",
        "mean ± std over 3 runs",
        "1 run with the description 'try this' does not count: --description selects by it",
        "1 failed run is not averaged\n",
    ]


def test_latex_is_a_booktabs_table_with_the_best_in_bold(path):
    latex = shown("table", path, "loss", "--lower", "loss", "--format", "latex", "--top", 2)
    assert latex.splitlines() == [
        r"% \usepackage{booktabs}",
        "% last loss: lower is better, as asked",
        "% mean ± std over 3 runs",
        "% 1 run with the description 'try this' does not count: --description selects by it",
        "% 1 failed run is not averaged",
        r"\begin{tabular}{rr}",
        r"\toprule",
        r"rate & last loss $\downarrow$ \\",
        r"\midrule",
        r"0.2 & \textbf{0.25 $\pm$ 0.00} \\",
        r"0.1 & 0.50 $\pm$ 0.20 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_latex_escapes_what_means_something_to_it(special):
    latex = shown("table", special, f"m {SPECIAL}", "--format", "latex")
    escaped = (
        r"100\% of a\_b \& \$x\textasciicircum{}2\$ \#1 \{\textasciitilde{}\} "
        r"\textless{}\textbackslash{}\textbar{}\textgreater{} \textquotedbl{}q\textquotedbl{} {*}b{*} {[}c{]}"
    )
    head, _, *rows = latex.splitlines()[5:-2]
    assert head == rf"p {escaped} & last m {escaped} $\uparrow$ \\"
    value = r"\textbf{$-$0.38 $\pm$ 0.12}"
    assert rows == [rf"{escaped} & {value} \\", rf"{{[}}plain & {value} \\"]
    assert all(len(latex_cells(row)) == 2 for row in rows)
    bare = re.sub(r"\\[\\{}]", "", latex)
    assert bare.count("{") == bare.count("}")


def test_markdown_escapes_what_means_something_to_it(special):
    head, _, *rows = shown("table", special, f"m {SPECIAL}").partition("\n\n")[0].splitlines()
    escaped = r'100% of a\_b & $x^2$ \#1 \{\~\} \<\\\|\> "q" \*b\* \[c\]'
    assert markdown_cells(head) == [f"p {escaped}", f"last m {escaped} ↑"]
    assert [markdown_cells(row)[0] for row in rows] == [escaped, r"\[plain"]


def test_a_dev_and_a_test_metric_of_one_name_have_their_own_numbers_of_runs(tmp_path):
    for seed in range(3):
        with ExperimentHandler(tmp_path, "e") as made:
            made.set_param("seed", seed)
            made.disable_param("seed")
            made.start()
            made.set_metric("loss", 0.5)
            if not seed:
                made.set_metric("loss", 0.25, test=True)
    notes = shown("table", tmp_path, "loss", "test_loss").splitlines()
    assert "mean ± std: loss over 3 runs, test loss over 1 run" in notes
    assert "test loss is missing in 2 of 3 completed runs; these are not averaged" in notes


def test_csv_has_every_number_in_full(path):
    text = shown("table", path, "loss", "test_accuracy", "--lower", "loss", "--format", "csv")
    first, second, *_, last = csv.DictReader(text.splitlines())
    assert list(first) == [
        *("configuration", "layers", "momentum", "rate", "solver"),
        *("best_loss_mean", "best_loss_std", "best_loss_n", "best_loss_nan", "best_loss_missing"),
        *("best_loss_repeated", "best_loss_different_code", "best_loss_chosen", "best_loss_better"),
        *("test_accuracy_mean", "test_accuracy_std", "test_accuracy_n"),
        *(
            "test_accuracy_nan",
            "test_accuracy_missing",
            "test_accuracy_repeated",
            "test_accuracy_different_code",
        ),
        *("test_accuracy_chosen", "test_accuracy_better"),
    ]
    assert (first["best_loss_chosen"], first["best_loss_better"]) == ("last loss", "lower")
    assert (first["test_accuracy_chosen"], first["test_accuracy_better"]) == ("test accuracy", "higher")
    assert (first["configuration"], first["layers"], first["momentum"]) == ("0.2,adam_0", "[64, 32]", "")
    assert float(second["best_loss_std"]) == math.sqrt(0.125 / 3)
    assert second["best_loss_n"] == "3"
    assert math.isnan(float(last["best_loss_mean"]))


def test_csv_has_what_the_aggregation_adds(path):
    text = shown("table", path, "loss", "--aggregation", "median", "--format", "csv")
    (row,) = [one for one in csv.DictReader(text.splitlines()) if one["configuration"] == "0.1,adam_0"]
    assert [float(row[f"best_loss_{field}"]) for field in ("median", "q1", "q3")] == [0.5, 0.375, 0.625]


def test_json_has_the_aggregates_by_key(path):
    first, *_ = as_json("table", path, "loss", "test_accuracy", "--lower", "loss")
    assert first["configuration"] == "0.2,adam_0"
    assert first["values"]["best_loss"]["mean"] == 0.25
    assert first["values"]["test_accuracy"]["mean"] == 0.96875


def test_the_parameters_can_be_chosen(path):
    head, *_ = shown("table", path, "loss", "--params", "solver, kind").splitlines()
    assert markdown_cells(head) == ["solver", "kind", "last loss ↓"]
    assert "did you mean 'solver'?" in failed("table", path, "loss", "--params", "solvr")


def test_where_no_parameter_differs_the_name_distinguishes_rows(path):
    lines = shown("table", path, "loss", "--where", "rate=0.1", "--where", "solver=adam").splitlines()
    assert [markdown_cells(lines[0]), markdown_cells(lines[2])] == [
        ["configuration", "last loss ↓"],
        [r"0.1,adam\_0", "**0.50 ± 0.20**"],
    ]


def test_a_configuration_without_a_metric_has_an_empty_cell(special, tmp_path):
    shutil.copytree(special, tmp_path / "e")
    with ExperimentHandler(tmp_path, "e") as made:
        made.set_param("other", 1)
        made.start()
        made.set_metric("only", 2.0)
    rows = shown("table", tmp_path, f"m {SPECIAL}", "only").partition("\n\n")[0].splitlines()[2:]
    assert [[bool(cell) for cell in markdown_cells(row)[-2:]] for row in rows] == [
        *[[True, False]] * 2,
        [False, True],
    ]


@pytest.mark.parametrize(("name", "start"), [("t.md", "| "), ("t.tex", "% "), ("t.csv", "configuration,")])
def test_a_files_ending_says_the_format(path, tmp_path, name, start):
    assert shown("table", path, "loss", "-o", tmp_path / name) == f"{tmp_path / name}\n"
    text = (tmp_path / name).read_text(encoding="utf-8")
    assert text.startswith(start)
    assert text.endswith("\n")


def test_what_cannot_be_written_is_reported(path, tmp_path):
    assert "t.txt does not end in any of .md, .tex, .csv" in misused("table", path, "loss", "-o", "t.txt")
    assert f"cannot write {tmp_path / 'no' / 't.md'}" in failed(
        "table", path, "loss", "-o", tmp_path / "no" / "t.md"
    )
    message = misused("table", path, "loss", "--lower", "test_accuracy")
    assert "--lower names 'test_accuracy', which is not one of the table's metrics" in message
    both = misused("table", path, "loss", "--lower", "loss", "--higher", "best_loss")
    assert "--lower and --higher both name 'best_loss'" in both


@pytest.mark.parametrize("format", ["md", "tex", "csv"])
def test_a_text_that_no_encoding_has_is_written_as_an_escape(tmp_path, format):
    for name in ("a\udc80b", "another"):
        with ExperimentHandler(tmp_path / "root", "e") as handler:
            handler.set_param("name", name)
            handler.start()
            handler.set_metric("loss", 0.5)
    written = tmp_path / f"table.{format}"
    shown("table", tmp_path / "root" / "e", "loss", "-o", written)
    assert "udc80" in written.read_text(encoding="utf-8")


def test_an_empty_text_looks_different_from_no_value_and_a_comma_from_another_parameter(tmp_path):
    for value in ("", None, "a=b, c=d"):
        with ExperimentHandler(tmp_path, "e") as made:
            made.set_dict_params({"p": value, "q": 1})
            made.name_param("q")
            made.start()
            made.set_metric("loss", math.inf if value is None else -math.inf if value else 0.5)
    rows = [markdown_cells(line)[0] for line in shown("table", tmp_path, "loss").splitlines()[2:5]]
    assert rows == ["a=b, c=d", '""', ""]
    listed = shown("ls", tmp_path)
    assert 'p=""' in listed
    assert 'p="a=b, c=d"' in listed
    grouped = shown("table", tmp_path, "loss", "--group-by", "q")
    assert markdown_cells(grouped.splitlines()[2])[:2] == ["1", "no value"]
