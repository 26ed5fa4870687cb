"""A run's console: what the process and its children print passes on as it was, and is kept with the run."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from legm import ExperimentHandler, LegmError
from legm.console.console_file import ConsoleFile, is_console_being_written
from legm.console.console_options import console_limit
from legm.console.console_reader import ConsoleTail, read_console_line
from legm.records import Artifact
from legm.runlog.file_names import CONSOLE_FILE
from legm.runlog.log_folder import find_logs
from legm.runlog.log_reader import read_log
from legm.testing import MemoryBackend
from tests.support.calling import as_json, call, failed, shown
from tests.support.paths import ROOT
from tests.support.waiting import until

_BEGIN = """
import os, subprocess, sys, time, warnings
from legm import ExperimentHandler
warnings.filterwarnings("ignore", ".*fork")  # Python 3.12's, of forking a process with threads
handler = ExperimentHandler(sys.argv[1], "e", console=True)
handler.set_param("rate", 0.1)
print("before the run")
handler.start()
"""


def training(root: Path, code: str, **options) -> subprocess.Popen[bytes]:
    """A process with a run whose console is kept."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _BEGIN + code, str(root)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(command, env=environment, **streams)


def trained(root: Path, code: str, status: int = 0, **options) -> tuple[str, str]:
    """What a process with a run printed."""
    with training(root, code, **options) as process:
        out, error = process.communicate(timeout=60)
    assert process.returncode == status, error
    return out.decode(), (error or b"").decode()


def consoles(root: Path) -> list[Path]:
    return sorted(root.glob(f"*/*/artifacts/*/{CONSOLE_FILE}"))


def lines(path: Path) -> list[str]:
    return [read_console_line(line).text for line in path.read_text(encoding="utf-8").splitlines()]


def console(root: Path) -> list[str]:
    (path,) = consoles(root)
    return lines(path)


def test_what_the_process_its_children_and_c_print_is_kept_and_passed_on(tmp_path):
    out, error = trained(
        tmp_path,
        "import ctypes\n"
        "print('from Python')\n"
        "ctypes.CDLL(None).puts(b'from C')\n"
        "print('to stderr', file=sys.stderr)\n"
        "sys.stdout.flush()\n"
        "subprocess.run([sys.executable, '-c', 'print(\"from a child\")'])\n"
        "if os.fork() == 0:\n"
        "    print('from a fork', flush=True); os._exit(0)\n"
        "os.wait()\n"
        "handler.set_metric('loss', 1.0)\n"
        "handler.log()\n"
        "print('after the run')\n",
    )
    printed = ["from Python", "from C", "from a child", "from a fork"]
    assert sorted(out.splitlines()) == sorted(["before the run", *printed, "after the run"])
    assert "to stderr\n" in error
    assert sorted(line for line in console(tmp_path) if "run " not in line) == sorted([*printed, "to stderr"])


def test_streams_that_lead_to_one_file_keep_their_order(tmp_path):
    code = "for i in range(50):\n    os.write(1 + i % 2, b'line %d\\n' % i)\nhandler.log()\n"
    out, _ = trained(tmp_path, code, stderr=subprocess.STDOUT)
    printed = [line for line in out.splitlines() if line.startswith("line")]
    assert printed == [f"line {at}" for at in range(50)]
    assert [line for line in console(tmp_path) if line.startswith("line")] == printed


def test_each_run_of_a_process_has_what_was_printed_during_it(tmp_path):
    trained(
        tmp_path,
        "print('first'); handler.log(); print('between'); handler.reset(); print('second'); handler.log()",
    )
    first, second = (lines(path) for path in consoles(tmp_path))
    assert "first" in first
    assert "second" not in first
    assert "second" in second
    assert not {"first", "between"} & set(second)


def test_handlers_at_once_have_it_both_and_the_descriptors_are_restored(tmp_path, capfd):
    before = [os.fstat(fd)[:2] for fd in (1, 2)]
    handlers = [ExperimentHandler(tmp_path, name, console=True) for name in "ab"]
    for name, handler in zip("ab", handlers, strict=True):
        handler.start()
        os.system(f"echo begun {name}")
    handlers[0].log()
    os.system("echo only b")
    handlers[1].log()
    os.system("echo nobody")
    assert [os.fstat(fd)[:2] for fd in (1, 2)] == before
    first, second = (lines(path) for path in consoles(tmp_path))
    assert first == ["begun a", "begun b"]
    assert second == ["begun b", "only b"]
    assert capfd.readouterr().out.splitlines() == ["begun a", "begun b", "only b", "nobody"]


def test_a_stream_without_a_descriptor_is_kept_by_its_write(tmp_path, monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    handler = ExperimentHandler(tmp_path, "e", console=True).start()
    sys.stdout.write("in a notebook\n")
    sys.stdout.write("\r 50%")
    sys.stdout.writelines(["\r100%", "\n"])
    handler.log()
    sys.stdout.write("afterwards\n")
    assert console(tmp_path) == ["in a notebook", "100%"]
    assert stream.getvalue() == "in a notebook\n\r 50%\r100%\nafterwards\n"
    assert "write" not in vars(stream)


def test_a_stream_that_hands_on_to_a_descriptor_is_kept_once(tmp_path):
    trained(
        tmp_path,
        "class Tee:\n"
        "    def __init__(self, stream): self.stream = stream\n"
        "    def write(self, text): return self.stream.write(text)\n"
        "    def flush(self): self.stream.flush()\n"
        "handler.log(); sys.stdout = Tee(sys.stdout)\n"
        "handler.reset(); print('once'); handler.log()\n",
    )
    assert lines(consoles(tmp_path)[1]).count("once") == 1


def test_the_error_by_which_a_run_ends_is_kept(tmp_path):
    _, error = trained(tmp_path, "with handler:\n    raise ValueError('it broke')\n", status=1)
    assert error.count("ValueError: it broke") == 1
    kept = console(tmp_path)
    assert "Traceback (most recent call last):" in kept
    assert kept[-1] == "ValueError: it broke"
    _, error = trained(tmp_path / "plain", "raise ValueError('it broke too')\n", status=1)
    assert error.count("ValueError: it broke too") == 1
    assert "ValueError: it broke too" in console(tmp_path / "plain")


def test_a_killed_process_leaves_all_that_it_printed(tmp_path):
    code = "os.write(1, b'the last words\\n'); os.kill(os.getpid(), 9)"
    out, _ = trained(tmp_path, code, status=-9)
    assert "the last words\n" in out
    until(lambda: "the last words" in console(tmp_path))
    shown("recover", tmp_path)
    (log,) = find_logs(tmp_path)
    assert [one.name for one in read_log(log).records if isinstance(one, Artifact)] == [CONSOLE_FILE]


def test_no_command_reads_a_console_through_a_link(tmp_path):
    trained(tmp_path / "other", "os.write(1, b'the last words\\n'); os.kill(os.getpid(), 9)", status=-9)
    until(lambda: "the last words" in console(tmp_path / "other"))
    (log,) = find_logs(tmp_path / "other")
    artifacts = log.parents[2] / "artifacts"
    artifacts.rename(tmp_path / "outside")
    artifacts.symlink_to(tmp_path / "outside", target_is_directory=True)
    answer = call("logs", log.stem, tmp_path / "other")
    assert answer.exit_code == 1
    assert f"{artifacts} is a link" in answer.stderr
    assert "the last words" not in answer.output
    shown("recover", tmp_path / "other")
    (log,) = find_logs(tmp_path / "other")
    assert not [one for one in read_log(log).records if isinstance(one, Artifact)]


def test_a_child_that_outlives_the_training_continues_printing(tmp_path):
    child = "import sys; print('begun', flush=True); sys.stdin.read(); print('done', flush=True)"
    code = (
        f"subprocess.Popen([sys.executable, '-c', {child!r}])\nhandler.log(); print('logged', flush=True)\n"
    )
    with training(tmp_path, code, stdin=subprocess.PIPE) as process:
        process.wait(60)
        out, error = (text.decode() for text in process.communicate(timeout=60))
    assert {"begun", "logged", "done"} <= set(out.splitlines())
    assert "BrokenPipe" not in error


def test_a_library_that_prints_much_while_it_holds_the_interpreter_does_not_stop_the_training(tmp_path):
    code = (
        "import ctypes\nlibc = ctypes.PyDLL(None)\ntext = (b'x' * 99 + b'\\n') * 100_000\nat = 0\n"
        "while at < len(text):\n    at += libc.write(1, text[at:], len(text) - at)\nhandler.log()\n"
    )
    out, _ = trained(tmp_path, code)
    assert out.count("x" * 99 + "\n") == 100_000
    assert consoles(tmp_path)[0].stat().st_size < 11_000_000


def test_the_end_of_the_process_that_passes_on_does_not_stop_the_training(tmp_path):
    code = (
        "import signal\nfrom legm.console.redirection import REDIRECTION\n"
        "child = subprocess.Popen(['sh', '-c', 'read line; echo from the child'], stdin=subprocess.PIPE)\n"
        "os.kill(REDIRECTION._active._process.pid, signal.SIGKILL)\n"
        "while REDIRECTION._active.is_working: time.sleep(0.01)\n"
        "print('still here', flush=True)\nchild.communicate(b'go\\n')\n"
        "handler.set_metric('loss', 1.0); handler.log(); print('logged')\n"
    )
    out, error = trained(tmp_path, code)
    assert set(out.splitlines()) == {"before the run", "still here", "from the child", "logged"}
    assert "the console is no longer kept" in error


def test_without_a_program_to_start_a_thread_passes_on(tmp_path):
    code = (
        "handler.log(); sys.executable = ''; handler.reset(); print('by a thread'); handler.log(); print('x')"
    )
    out, _ = trained(tmp_path, code)
    assert out.splitlines()[-2:] == ["by a thread", "x"]
    assert "by a thread" in lines(consoles(tmp_path)[1])


def test_a_file_that_cannot_be_written_is_reported_once_and_the_output_passes_on(tmp_path):
    code = (
        "handler.log()\n"
        "from legm.console.redirection import REDIRECTION\nfrom pathlib import Path\n"
        "path = Path(sys.argv[1]) / 'a-file'; path.write_text('')\n"
        "REDIRECTION.keep(path / 'below', 10_000)\n"
        "for i in range(3): print('line', i, flush=True)\n"
        "REDIRECTION.end(path / 'below')\n"
    )
    out, error = trained(tmp_path, code)
    assert out.splitlines()[-3:] == ["line 0", "line 1", "line 2"]
    assert error.count("the console cannot be kept") == 1


def test_a_forked_child_with_a_run_of_its_own_has_its_own_console(tmp_path):
    trained(
        tmp_path,
        "if os.fork() == 0:\n"
        "    own = ExperimentHandler(sys.argv[1], 'child', console=True).start()\n"
        "    print('in the child'); own.log(); sys.stdout.flush(); os._exit(0)\n"
        "os.wait(); print('in the parent'); handler.log()\n",
    )
    by_experiment = {path.relative_to(tmp_path).parts[0]: lines(path) for path in consoles(tmp_path)}
    assert by_experiment["child"] == ["in the child"]
    assert {"in the child", "in the parent"} <= set(by_experiment["e"])


def test_credentials_are_not_kept(tmp_path):
    out, _ = trained(tmp_path, "print('api_key=abcdef123456 --lr 0.1'); handler.log()")
    assert "abcdef123456" in out
    assert "api_key=<redacted> --lr 0.1" in console(tmp_path)


def test_a_run_that_is_resumed_continues_its_console(tmp_path):
    code = (
        "handler.set_metric('loss', 1.0, step=0); handler.flush()\n"
        "print('killed', flush=True); os.kill(os.getpid(), 9)"
    )
    trained(tmp_path, code, status=-9)
    until(lambda: "killed" in console(tmp_path))
    resumed = (
        _BEGIN.replace("handler.start()", "handler.start(resume=True)") + "print('resumed'); handler.log()"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", resumed, str(tmp_path)], env=environment, check=True)
    kept = console(tmp_path)
    assert kept.index("killed") < kept.index("resumed")


@pytest.mark.parametrize("outlives", [True, False])
def test_what_children_print_after_a_kill_is_kept_where_it_is_to_outlive_the_process(tmp_path, outlives):
    child = "import sys; sys.stdin.read(); print('much later', flush=True)"
    code = (
        "handler.log()\nfrom pathlib import Path\nfrom legm.console import redirection\n"
        "path = Path(sys.argv[1]) / 'c.txt'\n"
        f"redirection.REDIRECTION.keep(path, 10_000, outlives={outlives})\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        "print('begun', flush=True); os.kill(os.getpid(), 9)\n"
    )
    path = tmp_path / "c.txt"
    with training(tmp_path, code, stdin=subprocess.PIPE) as process:
        process.wait(60)
        until(lambda: path.exists() and "begun" in lines(path))
        with path.open("rb") as file:
            until(lambda: outlives or is_unlocked(file.fileno()), timeout=30)
        process.communicate(timeout=60)
    assert ("much later" in lines(path)) is outlives


def is_unlocked(fd: int) -> bool:
    import fcntl

    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(fd, fcntl.LOCK_UN)
    return True


# Terminals


@contextlib.contextmanager
def terminal(root: Path, code: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A process on a terminal of 20 lines of 70 columns."""
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 70, 0, 0))
    with training(root, code, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        yield process, ours
    os.close(ours)


def read_all(fd: int) -> bytes:
    """What arrives at a terminal until its last program has ended."""
    parts = []
    with contextlib.suppress(OSError):  # how Linux says that its last program has ended
        while select.select([fd], [], [], 60)[0]:
            part = os.read(fd, 1 << 16)
            if not part:
                break
            parts.append(part)
    return b"".join(parts)


def test_a_terminal_stays_one_of_its_size_and_gets_what_was_printed_as_it_was(tmp_path):
    code = (
        "sys.stdout.write('\\x1b[32mgreen\\x1b[0m tab\\tend\\r\\n')\n"
        "print([os.isatty(fd) for fd in (0, 1, 2)], os.get_terminal_size(1), flush=True)\n"
        "subprocess.run([sys.executable, '-c', 'import os; print(os.isatty(1))'])\n"
        "handler.log()\n"
    )
    with terminal(tmp_path, code) as (process, ours):
        printed = read_all(ours)
        assert process.wait(60) == 0
    assert b"\x1b[32mgreen\x1b[0m tab\tend\r\r\n" in printed  # the terminal itself makes \r\n of \n
    assert b"[True, True, True] os.terminal_size(columns=70, lines=20)\r\nTrue\r\n" in printed
    assert "green tab\tend" in console(tmp_path)


def test_a_terminal_that_is_resized_is_followed(tmp_path):
    import fcntl
    import struct
    import termios

    code = (
        "print('ready', flush=True)\n"
        "end = time.monotonic() + 30\n"
        "while os.get_terminal_size(1).columns != 90 and time.monotonic() < end:\n"
        "    print('.', end='', flush=True); os.sched_yield()\n"
        "print(os.get_terminal_size(1).columns, 'columns', flush=True); handler.log()\n"
    )
    with terminal(tmp_path, code) as (_, ours):
        seen = b""
        while b"ready" not in seen:
            seen += os.read(ours, 1 << 16)
        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 90, 0, 0))
        assert b"90 columns" in read_all(ours)


# Backends and options


def test_a_backend_that_keeps_files_gets_the_console(tmp_path):
    backend = MemoryBackend(tmp_path)
    handler = ExperimentHandler(tmp_path, "e", backend=backend, console=True).start()
    os.system("echo kept")
    handler.set_metric("loss", 1.0)
    handler.log()
    (log,) = find_logs(tmp_path)
    (artifact,) = [one for one in read_log(log).records if isinstance(one, Artifact)]
    assert artifact.name == CONSOLE_FILE
    assert "kept" in lines(Path(artifact.path))


def test_nothing_is_lost_of_what_is_printed_fast_within_the_limits(tmp_path):
    trained(tmp_path, "for number in range(150_000):\n    print(number, 'x' * 20)\nhandler.log()\n")
    (path,) = consoles(tmp_path)
    assert [int(line.split()[0]) for line in lines(path)] == list(range(150_000))


def test_what_was_lost_is_said_between_what_came_before_and_after(tmp_path):
    console = ConsoleFile(tmp_path / "console.txt", 10_000)
    console.feed(1, b"before\nhalf", 1.0)
    console.note_lost(1_000)
    console.feed(1, b"after\n", 2.0)
    console.close()
    before, half, note, after = (tmp_path / "console.txt").read_text().splitlines()
    assert (before.endswith("Z before"), half.endswith("Z half"), after.endswith("Z after")) == (True,) * 3
    assert note.startswith("[...] 1,000 bytes left out")


def test_the_last_line_has_no_newline_until_it_is_ended(tmp_path):
    path = tmp_path / "console.txt"
    console = ConsoleFile(path, 10_000)

    def kept() -> list[str]:
        console.write()
        return [line.partition("Z ")[2] for line in path.read_text().splitlines(keepends=True)]

    console.feed(1, b"first\n 10 %", 1.0)
    assert kept() == ["first\n", " 10 %"]
    console.feed(1, b"\r100 %", 2.0)
    assert kept() == ["first\n", "100 %"]
    assert is_console_being_written(path)
    console.feed(1, b"\n", 3.0)
    assert kept() == ["first\n", "100 %\n"]
    console.feed(1, b"an open one", 4.0)
    console.feed(2, b"of another stream", 4.0)
    assert kept()[2:] == ["an open one\n", "of another stream"]
    console.feed(1, b" that continues", 5.0)
    assert kept()[2:] == ["an open one that continues\n", "of another stream"]
    console.feed(1, b"\x1b[2A\x1b[J", 6.0)  # what was below the cursor is erased
    assert kept() == ["first\n", "of another stream"]
    console.close()
    assert path.read_text().endswith("of another stream\n")
    assert not is_console_being_written(path)


def test_a_tail_finds_the_lines_again_when_some_were_left_out_before_one_that_changed(tmp_path):
    path = tmp_path / "console.txt"
    path.write_text("".join(f"line {at}\n" for at in range(300)) + " 10 %")
    tail = ConsoleTail(path)
    assert len(tail.read()[1]) == 301
    path.write_text("line 0\n[...] 5,000 bytes left out\nline 298\nline 299\n100 %\nlast\n")
    replaced, new = tail.read()
    assert (replaced, [line.text for line in new]) == (1, ["100 %", "last"])


def test_a_file_that_moves_continues_behind_what_is_there(tmp_path):
    console = ConsoleFile(tmp_path / "early.txt", 10_000)
    console.feed(1, b"first\n 10 %", 1.0)
    console.write()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "console.txt").write_text("earlier, without an end")
    console.move(tmp_path / "run" / "console.txt")
    console.feed(1, b"\r100 %\nlast\n", 2.0)
    console.close()
    read = (tmp_path / "run" / "console.txt").read_text().splitlines()
    assert [line.partition("Z ")[2] or line for line in read] == [
        "earlier, without an end",
        "first",
        "100 %",
        "last",
    ]


@pytest.mark.parametrize(
    ("given", "asked", "size"),
    [
        ("1", None, 10_000_000),
        ("20000", None, 20_000),
        ("0", True, 0),
        ("1", False, 0),
        ("1", 30_000, 30_000),
    ],
)
def test_the_environment_decides_where_the_program_does_not(monkeypatch, given, asked, size):
    assert (console_limit(None), console_limit(None, default=True)) == (0, 10_000_000)
    monkeypatch.setenv("LEGM_CONSOLE", given)
    assert console_limit(asked) == size


def test_a_handler_that_does_not_say_keeps_what_the_environment_asks_for(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("LEGM_CONSOLE", "1")
    handler = ExperimentHandler(tmp_path, "e")
    handler.start()
    os.write(1, b"of the run\n")
    handler.log()
    assert lines(*consoles(tmp_path)) == ["of the run"]
    assert capfd.readouterr().out == "of the run\n"


def test_nothing_is_kept_unless_asked(tmp_path):
    ExperimentHandler(tmp_path, "e").start().log()
    assert not list(tmp_path.rglob(CONSOLE_FILE))


@pytest.mark.parametrize("asked", ["yes", -1, 5, 1.5])
def test_a_limit_that_is_none_is_refused(tmp_path, asked):
    with pytest.raises(LegmError, match="console must be True, False, or the largest size in bytes"):
        ExperimentHandler(tmp_path, "e", console=asked)


def test_a_dropped_handler_restores_the_descriptors(tmp_path, caplog):
    before = os.fstat(1)[:2]
    handler = ExperimentHandler(tmp_path, "e", console=True).start()
    assert os.fstat(1)[:2] != before
    del handler
    assert os.fstat(1)[:2] == before
    assert "dropped before log()" in caplog.text


# legm logs


def test_logs_shows_what_a_run_printed(tmp_path):
    trained(tmp_path, "print('one'); print('two'); handler.log()")
    (path,) = consoles(tmp_path)
    run_id = path.parent.name
    assert shown("logs", run_id[-6:], tmp_path).splitlines()[-2:] == ["one", "two"]
    assert shown("logs", path.parents[2], "-n", 1) == "two\n"
    day = time.strftime("%Y-%m-%d", time.localtime(path.stat().st_mtime))
    assert day in shown("logs", run_id, tmp_path, "--times")
    found = as_json("logs", run_id, tmp_path)
    assert [line["text"] for line in found["lines"]][-2:] == ["one", "two"]
    assert (found["run_id"], found["path"]) == (run_id, str(path))
    assert abs(found["lines"][-1]["time"] - path.stat().st_mtime) < 60


def test_logs_says_what_is_missing(tmp_path):
    handler = ExperimentHandler(tmp_path, "e").start()
    handler.log()
    assert "has no console: what a run prints is kept with" in failed("logs", handler.run_id, tmp_path)
    assert "there is no run 'nothing'" in failed("logs", "nothing", tmp_path)
    assert call("logs", handler.run_id, tmp_path, "-f", "--json").exit_code == 2


def test_logs_finds_runs_of_backends_without_folders(tmp_path):
    backend = MemoryBackend(tmp_path)
    handler = ExperimentHandler(tmp_path, "e", backend=backend, console=True).start()
    run_id = handler.run_id
    os.system("echo somewhere")
    handler.log()
    assert "somewhere" in shown("logs", run_id, tmp_path)


@pytest.mark.parametrize("end", ["handler.log(); input()", "os.kill(os.getpid(), 9)"])
def test_logs_follows_a_run_until_it_ends(tmp_path, end):
    code = f"print('begun\\nready', flush=True); input(); print('\\r 1%\\r 2%\\nlast', flush=True)\n{end}\n"
    with training(tmp_path, code, stdin=subprocess.PIPE) as process:
        until(lambda: find_logs(tmp_path))
        (log,) = find_logs(tmp_path)
        follow = [sys.executable, "-m", "legm", "logs", log.stem, str(tmp_path), "-f"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(follow, stdout=subprocess.PIPE, bufsize=0, env=environment) as following:
            until(lambda: consoles(tmp_path) and "begun" in console(tmp_path))
            first = b""
            while b"ready\n" not in first:  # a line is shown although nothing follows it
                first += following.stdout.readline()
            process.stdin.write(b"\n")
            process.stdin.flush()
            out = first + following.communicate(timeout=60)[0]
            assert following.returncode == 0
        if "input" in end:
            assert process.poll() is None  # the run ended, and not its process
        process.stdin.close()
    printed = [line for line in out.decode().splitlines() if "run " not in line]
    assert printed == ["begun", "ready", " 2%", "last"]


def test_a_console_of_others_does_nothing_to_a_terminal(tmp_path):
    trained(tmp_path, "handler.log()")
    (path,) = consoles(tmp_path)
    path.write_bytes(b"2026-01-01T00:00:00.000Z \x1b]0;title\x07evil\x1b[2J\n")
    assert "\x1b]" not in shown("logs", path.parent.name, tmp_path)
    assert json.dumps(as_json("logs", path.parent.name, tmp_path))


def test_logs_shows_what_wandb_kept_of_an_imported_run(tmp_path):
    handler = ExperimentHandler(tmp_path, "e").start()
    output = tmp_path / "output.log"
    output.write_bytes(b"\x1b[34mstep\x1b[0m 1\n  0%|  |\r100%|##|\n")
    handler.log_artifact(output)
    handler.log()
    assert shown("logs", handler.run_id, tmp_path) == "step 1\n100%|##|\n"
