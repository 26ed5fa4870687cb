"""Texts that somebody else made: YAML that is endless as a value, and characters that act on a terminal."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from legm import CorruptFile, ExperimentHandler
from legm.cli.printing import terminal_text
from legm.runlog.configuration_folders import configuration_folders
from legm.runlog.file_names import AGGREGATES_FILE, METRICS_FILE, PARAMETERS_FILE, STEPS_FILE
from legm.util.yaml_files import parse_yaml
from tests.support.calling import call, shown

_LEVELS = "abcdefghij"
BOMBS = {
    "lists": "a: &a [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise(_LEVELS)),
    "merges": "a: &a {x: 1, y: 1}\n"
    + "".join(f"{b}: &{b} {{{b}: 1, <<: [{', '.join([f'*{a}'] * 9)}]}}\n" for a, b in pairwise(_LEVELS)),
    "itself": "a: &a [1, *a]\n",
    "brackets": f"a: {'[' * 3000}{']' * 3000}\n",
    "dashes": f"{'- ' * 3000}1\n",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_yaml_that_is_endless_as_a_value_is_refused_before_anything_is_made_of_it(text):
    with pytest.raises(CorruptFile, match=r"params.yml, line \d+: it is not valid YAML: .*(alias|nest)"):
        parse_yaml(Path("params.yml"), text.encode())


def test_anchors_that_a_user_writes_are_read():
    text = b"a: &a {x: 1, y: [1, 2]}\nb: *a\nc: {<<: *a, z: 3}\nd: [*a, *a]\n"
    found = parse_yaml(Path("params.yml"), text)
    assert found["b"] == {"x": 1, "y": [1, 2]}
    assert found["c"] == {"x": 1, "y": [1, 2], "z": 3}


@pytest.mark.parametrize("name", [PARAMETERS_FILE, METRICS_FILE, STEPS_FILE, AGGREGATES_FILE])
def test_every_command_ends_on_endless_yaml(tmp_path, name):
    with ExperimentHandler(tmp_path, "e") as handler:
        handler.set_param("lr", 0.1)
        handler.start().set_metric("loss", 1.0)
    handler.aggregate_results()
    (folder,) = configuration_folders(tmp_path)
    text = BOMBS["lists"]
    if name in (METRICS_FILE, STEPS_FILE):
        text = (
            "experiment_0: {run_id: x, loss: ["
            + "".join(f"{{{line}}}, " for line in text.splitlines())
            + "]}\n"
        )
    (folder / name).write_text(text)
    for arguments in (
        ["ls", tmp_path],
        ["show", folder],
        ["best", tmp_path, "loss"],
        ["table", tmp_path, "loss"],
        ["diff", folder, folder],
        ["recover", tmp_path],
        ["export", tmp_path, tmp_path / "runs.csv", "--to", "table"],
        ["report", tmp_path, "-o", tmp_path / "report.html"],
    ):
        result = call(*arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            arguments,
            result.exception,
        )


HOSTILE = "\x1b]0;title\x07\x1b[2J\u202egnp.exe\u2066\x00\udcff"


def is_harmless(text: str) -> bool:
    return all(c.isprintable() or c == "\n" for c in text)


@pytest.mark.parametrize("kind", ["markdown", "latex", "csv"])
def test_a_table_shows_characters_that_act_on_a_terminal_as_escapes(tmp_path, kind):
    for text in (HOSTILE, "plain"):
        with ExperimentHandler(tmp_path, "e") as handler:
            handler.set_dict_params({"net": text, f"of {HOSTILE[:-1]}": 1})
            handler.name_param("net")
            handler.start().set_metric(f"loss {HOSTILE[:-1]}", 1.0)
    metric = f"loss {HOSTILE[:-1]}"
    assert is_harmless(shown("table", tmp_path, metric, "--format", kind))
    out = tmp_path / "table.txt"
    shown("table", tmp_path, metric, "--format", kind, "-o", out)
    text = out.read_text(encoding="utf-8")
    assert "plain" in text
    assert kind == "csv" or is_harmless(text)
    for arguments in (
        ["ls", tmp_path],
        ["best", tmp_path, metric],
        ["best", tmp_path, HOSTILE[:-1]],
        ["ls", tmp_path, "--where", f"net={HOSTILE}x"],
        ["export", tmp_path, tmp_path / "runs.csv", "--to", "table"],
        ["report", tmp_path, "-o", tmp_path / "report.html"],
    ):
        result = call(*arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            arguments,
            result.exception,
        )
        assert is_harmless(result.output), arguments


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_comma_separated_values_do_nothing_to_a_terminal_and_are_whole_in_a_file(tmp_path):
    import pty

    pytest.importorskip("duckdb")
    experiment = HOSTILE[:-1].replace("\0", "")
    with ExperimentHandler(tmp_path, experiment) as handler:
        handler.start().set_metric("loss", 1.0)
    query = 'select experiment, experiment as "a\x1b[2Jb" from runs'
    line = [sys.executable, "-c", "from legm.cli import main; main()", "sql", str(tmp_path), query, "--csv"]
    ours, theirs = pty.openpty()
    done = subprocess.run(line, stdout=theirs, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
    os.close(theirs)
    shown_text = b""
    with contextlib.suppress(OSError):  # how Linux says that its last program has ended
        while part := os.read(ours, 1 << 16):
            shown_text += part
    os.close(ours)
    assert done.returncode == 0, done.stderr
    assert is_harmless(shown_text.decode().replace("\r\n", "\n"))
    assert r"\x1b[2J" in shown_text.decode()
    assert experiment in shown("sql", tmp_path, query, "--csv")


def test_colours_and_line_breaks_are_kept():
    assert terminal_text("\x1b[1ma\x1b[0m\tb\nc\xa0d") == "\x1b[1ma\x1b[0m\tb\nc\xa0d"
    assert terminal_text("\x1b[2J\u202e") == r"\x1b[2J\u202e"
