"""Completion: what a real bash offers while a user types, and the other shells' scripts."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys

import pytest
from click.shell_completion import FishComplete, ZshComplete

from legm.cli import main
from legm.core.naming import safe_name
from tests.support.answers import EXPERIMENT, fill
from tests.support.calling import misused, shown
from tests.support.paths import ROOT

FOLDER = safe_name(EXPERIMENT)

# Asks as readline does: the line, its words as bash splits them, and which of them the cursor is in.
ASK = r"""
eval "$(legm completion bash)"
compopt() { noted+=" $*"; }
COMP_LINE="$1" COMP_POINT=${#1}
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_legm_completion legm "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
"""

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a root directory ``runs`` and the program ``legm``; only to be read."""
    base = tmp_path_factory.mktemp("completion")
    fill(base / "runs")
    shutil.copytree(base / "runs" / FOLDER, base / "runs" / "lr=0.1")
    program = base / "bin" / "legm"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m legm "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return base


def offered(place, line, *words):
    """What bash offers at the end of a line."""
    path = os.pathsep.join([str(place / "bin"), os.environ["PATH"]])
    pythonpath = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        ["bash", "--norc", "-c", ASK, "ask", line, *(words or line.split(" "))],
        cwd=place,
        env={**os.environ, "PATH": path, "PYTHONPATH": pythonpath},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return [one for one in done.stdout.splitlines() if one]


def test_commands_and_options_are_offered(place):
    assert offered(place, "legm b") == ["best", "backends"]
    assert offered(place, "legm best runs loss --lo") == ["--lower"]


def test_root_directories_experiments_and_configurations_are_offered(place):
    assert offered(place, "legm ls ru") == ["runs/"]
    assert offered(place, "legm show runs/lr=0.1/0.2", "legm", "show", "runs/lr", "=", "0.1/0.2") == [
        "0.1/0.2,adam_0",
        "0.1/0.2,sgd_0",
    ]
    assert offered(place, "legm show runs/lr=", "legm", "show", "runs/lr", "=") == ["0.1/"]
    assert (
        offered(place, "legm show runs/lr=0.1/0.2,sgd_0/", "legm", "show", "runs/lr", "=", "0.1/0.2,sgd_0/")
        == []
    )


def test_a_path_with_characters_that_mean_something_to_bash_is_quoted(place):
    (one, *_) = offered(place, "legm ls runs/Net")
    back = subprocess.run(
        ["bash", "-c", f"printf %s {one}"], capture_output=True, encoding="utf-8", check=True
    )
    assert back.stdout == f"runs/{FOLDER}/"


@pytest.mark.parametrize("quote", ["", "'", '"'], ids=["bare", "single", "double"])
@pytest.mark.parametrize("word", ["{}hostile/", "h{}ostile/"], ids=["at the start", "within"])
def test_a_name_is_only_a_text_inside_of_a_quote_too(place, quote, word):
    name = "e$(touch made)`touch made`'\"\\\\ ;touch made;&&"
    path = place / "hostile" / name / "c_0" / "params.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    begun = word.format(quote)
    (offer,) = offered(place, f"legm ls {begun}e", "legm", "ls", f"{begun}e")
    assert offer.startswith("hostile/")
    back = subprocess.run(
        ["bash", "-c", f"printf %s {quote}{offer}{quote}"],
        cwd=place,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert back.stdout == f"hostile/{name}/"
    assert not (place / "made").exists()


def test_the_experiments_metrics_are_offered(place):
    assert offered(place, "legm best runs/lr=0.1 ", "legm", "best", "runs/lr", "=", "0.1", "") == ["loss"]
    line = "legm best runs/lr=0.1 --test a"
    assert offered(place, line, "legm", "best", "runs/lr", "=", "0.1", "--test", "a") == ["accuracy"]
    assert offered(
        place, "legm table runs/lr=0.1 loss ", "legm", "table", "runs/lr", "=", "0.1", "loss", ""
    ) == ["loss"]


def test_parameters_and_then_their_values_are_offered(place):
    words = ["legm", "best", "runs/lr", "=", "0.1", "loss", "--where"]
    line = "legm best runs/lr=0.1 loss --where "
    names = ["kind=", "layers=", "momentum=", "rate=", "solver="]
    assert offered(place, line, *words, "") == [*names, "status:", "tag:", "description:"]
    assert offered(place, f"{line}so", *words, "so") == ["solver="]
    assert offered(place, f"{line}solver=", *words, "solver", "=") == ["adam", "sgd"]
    started = [*words, "solver", "=", "sgd,"]
    assert offered(place, f"{line}solver=sgd,", *started) == ["sgd,adam", "sgd,sgd"]
    assert offered(place, f"{line}rate=0.2", *words, "rate", "=", "0.2") == ["0.2"]
    assert offered(place, f"{line}layers=", *words, "layers", "=") == [r"\[16\]", r"\[64\,\ 32\]"]


def test_a_selection_is_completed_within_quotes_and_behind_a_field(place):
    words = ["legm", "best", "runs/lr", "=", "0.1", "loss", "--where"]
    line = "legm best runs/lr=0.1 loss --where "
    for quote in ("'", '"'):
        begun = f"{quote}rate<0.2 and so"
        assert offered(place, line + begun, *words, begun) == ["rate<0.2 and solver="]
        values = [f"rate<0.2 and solver={one}" for one in ("adam", "sgd")]
        assert offered(place, f"{line}{begun}lver=", *words, f"{begun}lver=") == values
    assert offered(place, f"{line}status:fa", *words, "status", ":", "fa") == ["failed"]


def test_two_configurations_and_then_a_metric_are_offered_to_compare(place):
    words = ["legm", "compare", "runs/lr", "=", "0.1/0.2,adam_0", "runs/lr", "=", "0.1/0.2,sgd_0"]
    line = "legm compare runs/lr=0.1/0.2,adam_0 runs/lr=0.1/0.2,sgd_0 "
    assert offered(place, f"{line}l", *words, "l") == ["loss"]
    assert "runs/" in offered(place, line, *words, "")


def test_names_that_an_option_takes_are_offered(place):
    assert offered(place, "legm ls --backend ml") == ["mlflow"]
    assert offered(place, "legm table runs loss --format ") == ["markdown", "latex", "csv"]
    assert offered(place, "legm best runs loss --aggregation m") == ["mean", "median"]


def test_nothing_is_offered_and_nothing_said_where_there_is_nothing(place):
    assert offered(place, "legm best nowhere/e ") == []
    assert offered(place, "legm best nowhere/e loss --where ") == []
    assert offered(place, "legm show nowhere/") == []


def test_other_backends_have_their_experiments_and_configurations_offered(place, tmp_path):
    fill(tmp_path / "store", "mlflow")
    (tmp_path / "bin").symlink_to(place / "bin")
    assert offered(tmp_path, "legm ls --backend mlflow sto") == ["store/"]
    (one,) = offered(tmp_path, "legm ls --backend mlflow store/Net")
    words = ["legm", "show", "--backend", "mlflow", f"{one}0.1"]
    names = [name.rpartition("/")[2] for name in offered(tmp_path, " ".join(words), *words)]
    assert names == [r"0.1\,adam_0", r"0.1\,sgd_0"]


@pytest.mark.parametrize(
    ("shell", "kind", "said"),
    [
        ("zsh", ZshComplete, "compadd -U -V unsorted -S '' -a open"),  # no space behind "lr="
        ("fish", FishComplete, 'string split --max 1 ","'),  # a value may hold commas
    ],
)
def test_other_shells_ask_by_clicks_protocol(place, monkeypatch, shell, kind, said):
    script = shown("completion", shell)
    assert f"_LEGM_COMPLETE={shell}_complete" in script
    assert said in script
    monkeypatch.chdir(place)
    monkeypatch.delenv("_LEGM_COMPLETE", raising=False)
    asked = kind(main, {}, "legm", "_LEGM_COMPLETE")
    assert [one.value for one in asked.get_completions(["best", "runs/lr=0.1"], "")] == ["loss"]
    (folder,) = asked.get_completions(["ls"], "ru")
    assert (folder.type, folder.value) == ("dir", "ru")


def test_an_unknown_shell_is_refused():
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in misused("completion", "tcsh")
