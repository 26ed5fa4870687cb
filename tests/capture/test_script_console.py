"""What a captured script prints is kept with its runs, each with its own part."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from legm.capture.capturing import capture
from legm.capture.script_console import ScriptConsole, with_console
from legm.importers.external_run import ExternalFile, ExternalRun
from legm.records import Status
from legm.runlog.file_names import CONSOLE_FILE
from tests.support.captured import play

PRINTED = [(10, "begin"), (12, "first"), (20, "second"), (29, "end")]


def external(key: str, started: float, ended: float | None) -> ExternalRun:
    return ExternalRun(key, "e", "", {}, {}, Status.COMPLETED, started, ended, None, lambda: iter(()))


def parts(path: Path, *runs: ExternalRun) -> dict[str, list[str]]:
    lines = [f"1970-01-01T00:00:{at:02}.000Z {text}\n" for at, text in PRINTED]
    path.write_text("".join(lines), encoding="utf-8")
    found = {}
    for key, file in ScriptConsole(path, 8.0).files(runs).items():
        assert file.name == CONSOLE_FILE
        with file.open() as opened:
            found[key] = [line.split()[1] for line in opened.read().decode().splitlines()]
    return found


def test_the_only_run_of_a_script_has_all_of_it(tmp_path):
    for ended in (15, None):
        assert parts(tmp_path / "c.txt", external("a", 11, ended)) == {"a": [text for _, text in PRINTED]}


def test_each_run_has_its_own_part_and_the_ends_belong_to_the_first_and_the_last(tmp_path):
    found = parts(tmp_path / "c.txt", external("b", 19, 21), external("a", 11, 14))
    assert found == {"a": ["begin", "first"], "b": ["second", "end"]}


def test_a_run_of_an_earlier_script_has_nothing_of_it(tmp_path):
    found = parts(tmp_path / "c.txt", external("earlier", 1, 5), external("a", 11, 28))
    assert found == {"a": [text for _, text in PRINTED]}


def test_what_is_printed_after_the_only_run_belongs_to_it(tmp_path):
    assert parts(tmp_path / "c.txt", external("a", 8.5, 9)) == {"a": [text for _, text in PRINTED]}


def test_without_a_console_no_run_has_one(tmp_path):
    assert ScriptConsole(tmp_path / "missing.txt", 0.0).files([external("a", 1, 2)]) == {}


def test_a_run_that_a_later_script_continues_has_both_consoles_once():
    def file(content: bytes) -> ExternalFile:
        return ExternalFile(CONSOLE_FILE, lambda: io.BytesIO(content))

    def read(files) -> list[bytes]:
        return [one.open().read() for one in files]

    both = with_console([file(b"first\n")], file(b"second\n"))
    assert read(both) == [b"first\nsecond\n"]
    assert read(with_console(both, file(b"second\n"))) == [b"first\nsecond\n"]


SCRIPT = """
import wandb
with wandb.init(project="digits") as run:
    run.log({"loss": 1.0})
print("api_key=abc123def456 done")
raise SystemExit("it ended")
"""


def test_the_console_can_be_left_out(tmp_path):
    (tmp_path / "other").mkdir()
    play(tmp_path, SCRIPT)
    (kept,) = (tmp_path / "root").glob(f"digits/*/artifacts/*/{CONSOLE_FILE}")
    text = kept.read_text(encoding="utf-8")
    assert "api_key=<redacted> done" in text
    assert "it ended" in text
    play(tmp_path / "other", SCRIPT, "--no-console")
    assert not list((tmp_path / "other").rglob(CONSOLE_FILE))


def test_a_command_that_cannot_be_run_leaves_the_descriptors_as_they_were(tmp_path):
    import os

    from legm import CommandError

    before = [os.fstat(fd)[:2] for fd in (1, 2)]
    with pytest.raises(CommandError):
        capture(["no-such-command"], tmp_path)
    assert [os.fstat(fd)[:2] for fd in (1, 2)] == before
