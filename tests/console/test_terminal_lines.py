"""What is kept of what was printed: lines as a terminal shows them in the end, without credentials."""

from __future__ import annotations

import errno
import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legm.console import console_file
from legm.console.console_file import ConsoleFile
from legm.console.console_reader import ConsoleTail, read_console_line
from legm.console.terminal_lines import TerminalLines
from tests.support.secrets import SECRETS


def shown(*printed: str | bytes | tuple[int, str]) -> list[str]:
    lines = TerminalLines()
    for at, one in enumerate(printed):
        stream, data = one if isinstance(one, tuple) else (1, one)
        lines.feed(stream, data.encode() if isinstance(data, str) else data, float(at))
    return [line.text for line in lines.window]


def kept(path) -> list[str]:
    return [read_console_line(line).text for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_progress_bar_is_folded_to_its_last_state():
    assert shown("\r  0%|    |", "\r 50%|##  |", "\r100%|####|\n", "done\n") == ["100%|####|", "done"]


def test_nested_progress_bars_that_move_the_cursor_are_folded():
    first = "\router 0/2\n\rinner 0/2\x1b[A\r"
    later = "outer 1/2\n\rinner 2/2\x1b[A\router 2/2\n\r\x1b[K\x1b[A\r"
    assert [one.rstrip() for one in shown(first, later)] == ["outer 2/2", ""]


def test_lines_that_are_drawn_again_replace_themselves():
    drawn = "a 1\nb 1\n\x1b[2A\x1b[2Ka 2\n\x1b[2Kb 2\n"
    assert shown(drawn) == ["a 2", "b 2"]
    assert shown("gone\nlines\n\x1b[2A\x1b[Jnew\n") == ["new"]


def test_the_progress_bars_of_rich_leave_their_last_state():
    from rich.console import Console
    from rich.progress import Progress

    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=60)
    with Progress(console=console, auto_refresh=False) as bars:
        tasks = [bars.add_task(name, total=3) for name in ("first", "second")]
        for _ in range(3):
            for task in tasks:
                bars.advance(task)
                bars.refresh()
    found = [one.rstrip() for one in shown(file.getvalue()) if one.strip()]
    assert [(one.split()[0], "100%" in one) for one in found] == [("first", True), ("second", True)]


def test_colors_and_titles_are_removed():
    assert shown("\x1b]0;title\x07\x1b[1;31mred\x1b[0m and \x1b]8;;http://x\x1b\\a link\x1b]8;;\x1b\\\n") == [
        "red and a link"
    ]


def test_a_character_or_a_sequence_that_comes_in_pieces_is_whole():
    text = "é 你好 \x1b[31mred\x1b[0m".encode()
    assert shown(*(text[i : i + 1] for i in range(len(text)))) == ["é 你好 red"]


def test_lines_of_different_streams_are_not_mixed():
    assert shown((1, "out "), (2, "err\n"), (1, "line\n")) == ["out line", "err"]


def test_bytes_that_are_no_text_are_kept_as_far_as_can_be():
    assert shown(b"a\xff\x00b\n") == ["a�b"]


@given(st.lists(st.text(st.sampled_from("ab\n\r\b\x1b[;0123ABKJm]\x07é"), max_size=40), max_size=20))
def test_whatever_is_printed_is_read_in_pieces_as_in_one(pieces):
    text = "".join(pieces)
    encoded = text.encode()
    whole = shown(encoded)
    assert shown(*(encoded[i : i + 3] for i in range(0, len(encoded), 3))) == whole
    assert all(one.isprintable() for one in whole)


def test_text_without_control_characters_is_kept_as_it_is():
    assert shown("a\n\n  b\tc\n") == ["a", "", "  b\tc"]


# The file


def test_a_line_that_changes_is_written_again_and_the_others_once(tmp_path):
    file = ConsoleFile(tmp_path / "c.txt", 10_000)
    for text in ("first\n", "\r 10%", "\r 90%", "\r100%\nlast"):
        file.feed(1, text.encode(), 0.0)
        file.write()
    assert kept(tmp_path / "c.txt") == ["first", "100%", "last"]
    file.close()
    assert (tmp_path / "c.txt").read_text().startswith("1970-01-01T00:00:00.000Z first\n")


def test_the_first_and_the_newest_lines_are_kept_and_what_was_cut_is_said(tmp_path):
    path = tmp_path / "c.txt"
    file, printed = ConsoleFile(path, 20_000), 0
    for at in range(5000):
        line = f"line {at}\n".encode()
        printed += len(line) + 25
        file.feed(1, line, 0.0)
        if at % 7 == 0:
            file.write()
        assert path.stat().st_size < 21_000
    file.close()
    lines = kept(path)
    note = lines.index(next(line for line in lines if "left out" in line))
    assert lines[:note] == [f"line {at}" for at in range(note)]
    newest = lines[note + 1 :]
    assert newest == [f"line {at}" for at in range(5000 - len(newest), 5000)]
    assert 25 * len(newest) > 4_000
    assert 33 * note > 9_000
    said = int(lines[note].split()[1].replace(",", ""))
    assert said == printed - (path.stat().st_size - len(lines[note]) - 1)


def test_a_later_process_of_the_run_is_running_in_the_file(tmp_path):
    path = tmp_path / "c.txt"
    for text in ("one\ntw", "three\n"):
        file = ConsoleFile(path, 10_000)
        file.feed(1, text.encode(), 0.0)
        file.close()
    assert kept(path) == ["one", "tw", "three"]
    path.write_bytes(path.read_bytes()[:-1])  # as a process that was killed while it wrote leaves it
    file = ConsoleFile(path, 10_000)
    file.feed(1, b"four\n", 0.0)
    file.close()
    assert kept(path) == ["one", "tw", "three", "four"]


@pytest.mark.parametrize(("name", "value", "hidden"), [one for one in SECRETS if isinstance(one[1], str)])
def test_no_credential_is_written(tmp_path, name, value, hidden):
    file = ConsoleFile(tmp_path / "c.txt", 10_000)
    for part in f"begin\n{name}={value}\nend\n".encode().partition(b"\n"):
        file.feed(1, part, 0.0)
        file.write()
    file.close()
    text = (tmp_path / "c.txt").read_text()
    assert hidden not in text
    assert "begin" in text
    assert "end" in text


def test_a_private_key_of_many_lines_is_left_out_whole(tmp_path):
    path = tmp_path / "c.txt"
    file = ConsoleFile(path, 100_000)
    key = "".join(f"MII{at:061}\n" for at in range(150))
    printed = f"before\n-----BEGIN RSA PRIVATE KEY-----\n{key}-----END RSA PRIVATE KEY-----\nafter\n"
    for start in range(0, len(printed), 999):
        file.feed(1, printed[start : start + 999].encode(), 0.0)
        file.write()
    file.close()
    assert "MII" not in path.read_text()
    assert next(one for one in kept(path) if one) == "before"
    assert kept(path)[-1] == "after"


def test_a_line_without_an_end_is_cut_and_that_is_said(tmp_path):
    file = ConsoleFile(tmp_path / "c.txt", 100_000)
    for _ in range(10):
        file.feed(1, b"x" * 5_000, 0.0)
        file.write()
    file.close()
    (line,) = kept(tmp_path / "c.txt")
    assert line == "x" * 10_000 + " [... 40,000 characters left out]"


def test_a_disk_that_is_full_for_a_while_loses_nothing_and_a_dead_one_takes_no_memory(tmp_path, monkeypatch):
    path = tmp_path / "c.txt"
    file = ConsoleFile(path, 10_000_000)
    real = os.write
    monkeypatch.setattr(console_file, "_MOST_UNWRITTEN", 1000)

    def full(fd, data):
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "write", full)
    for at in range(500):
        file.feed(1, f"line {at}\n".encode(), 0.0)
        with pytest.raises(OSError, match="no space"):
            file.write()
    monkeypatch.setattr(os, "write", real)
    file.write()
    assert kept(path) == [f"line {at}" for at in range(500)]
    monkeypatch.setattr(os, "write", full)
    for at in range(5000):
        file.feed(1, f"lost {at}\n".encode(), 0.0)
    with pytest.raises(OSError, match="no space"):
        file.write()
    assert len(file._lines.window) <= 1000  # noqa: SLF001 - memory is what this is about
    monkeypatch.setattr(os, "write", real)
    file.feed(1, b"after\n", 0.0)
    file.close()
    assert any("left out" in line for line in kept(path))
    assert kept(path)[-1] == "after"


# Reading


def test_a_reader_gets_each_line_once_and_says_which_ones_change(tmp_path):
    path = tmp_path / "c.txt"
    file, tail = ConsoleFile(path, 10_000), ConsoleTail(path)
    assert tail.read()[1] == []
    seen: list[str] = []
    for text in ("a\nb\n", " 10%", "\r 20%", "\r100%\n", *(f"{at}\n" for at in range(300))):
        file.feed(1, text.encode(), 0.0)
        file.write()
        replaced, lines = tail.read()
        seen = [*seen[: len(seen) - replaced], *(line.text for line in lines)]
    assert seen == ["a", "b", "100%", *map(str, range(300))]
    assert [line.text for line in ConsoleTail(path, 2).read()[1]] == ["298", "299"]
    file.close()


def test_a_reader_is_running_after_something_was_left_out(tmp_path):
    path = tmp_path / "c.txt"
    file, tail = ConsoleFile(path, 10_000), ConsoleTail(path)
    seen = []
    for at in range(2000):
        file.feed(1, f"{at}\n".encode(), 0.0)
        file.write()
        seen += [line.text for line in tail.read()[1]]
    file.close()
    assert seen[-1] == "1999"
    assert len(seen) == len(set(seen))
    assert len(seen) > 1900
