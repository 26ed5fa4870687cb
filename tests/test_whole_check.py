"""The script of the whole check, .ci/run: its arguments, and that nothing is left of it when it is ended."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.processes import is_running
from tests.support.waiting import until

SCRIPT = ROOT / ".ci" / "run"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not SCRIPT.exists(), reason="is for Debian, and not part of the sdist"
)

# Stands for the interpreter that makes the virtual environment: neither it nor what it starts ends.
NEVER_DONE = """#!/bin/sh
sh -c 'echo $PPID $$ >"$STARTED.new"; mv "$STARTED.new" "$STARTED"; exec sleep 600'
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, timeout=60, check=False)


def stand_ins(folder: Path, **scripts: str) -> Path:
    """A folder, to be on PATH, with scripts of these names."""
    for name, script in scripts.items():
        path = folder / name.replace("_", "-")
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)
    return folder


def test_usage_is_shown_and_nothing_is_run():
    for option in ("-h", "--help"):
        done = run(option)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("Usage: .ci/run\n")


@pytest.mark.parametrize("arguments", [["tests"], ["--hlep"], ["--help", "tests"], [""]])
def test_an_argument_that_it_does_not_know_is_an_error(arguments):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: .ci/run takes no arguments, not: {' '.join(arguments)}\nUsage: ")


@pytest.mark.skipif(
    not all(map(shutil.which, ("chromium", "chromedriver", "npm"))), reason="would install packages of Debian"
)
@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE])
def test_a_signal_ends_the_processes_of_all_steps(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, ended_by: signal.Signals
):
    interpreter, started = tmp_path / "python", tmp_path / "started"
    interpreter.write_text(NEVER_DONE, encoding="utf-8")
    interpreter.chmod(0o755)
    commands = stand_ins(tmp_path_factory.mktemp("commands"), faketime="exit 1")  # else it is installed
    variables = {
        **os.environ,
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "PYTHON": str(interpreter),
        "STARTED": str(started),
        "TMPDIR": str(tmp_path),
    }
    # A signal that whoever runs the tests ignores, as nohup does SIGHUP, would be ignored by the script too.
    command = ["env", "--default-signal", SCRIPT]
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True) as script:
        try:
            until(started.exists)
            processes = [int(one) for one in started.read_text(encoding="utf-8").split()]
            assert all(map(is_running, processes))
            script.send_signal(ended_by)
            said, _ = script.communicate(timeout=60)
        finally:
            script.kill()
    assert script.returncode == 128 + ended_by
    assert not any(map(is_running, processes))
    assert "environment" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["python", "started"]


def test_faketime_is_installed_where_only_it_is_missing(tmp_path: Path):
    """Without it the test that kills a training cannot set the clock back."""
    commands, asked = tmp_path / "commands", tmp_path / "asked"
    commands.mkdir()
    for folder in ("/usr/bin", "/bin"):
        for path in Path(folder).iterdir():
            if path.name != "faketime" and not (commands / path.name).is_symlink():
                (commands / path.name).symlink_to(path)
    install = f'echo "$@" >>"{asked}"; [ "$1" = update ]'  # the script ends where a package is not installed
    stand_ins(commands, chromium="", chromedriver="", npm="", apt_get=install, sudo='exec "$@"')
    variables = {**os.environ, "PATH": str(commands), "PYTHON": "false", "TMPDIR": str(tmp_path)}

    done = subprocess.run([SCRIPT], env=variables, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode
    assert "== environment" not in done.stdout
    update, installed = asked.read_text(encoding="utf-8").splitlines()
    assert update.split()[0] == "update"
    assert installed.split()[0] == "install"
    assert {"faketime"} <= {*installed.split()} - {"install"} <= {"-y", "-qq", "postgresql", "faketime"}
