"""``legm run``: runs a script with wandb and mlflow where they are installed, else with their stand-ins."""

from __future__ import annotations

import ast
import contextlib
import glob
import importlib.util
import json
import os
import re
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from legm.cli.basic_options import script_options
from legm.compat.redirection import REDIRECTED, SHADOW_FOLDER
from legm.console.console_options import SWITCH, console_limit
from legm.errors import CommandError

__all__ = ["command_with_stand_ins", "run_command"]

_PYTHON = re.compile(r"(python|pypy)[\d.]*(\.exe)?")
_WITH_VALUE = ("-W", "-X", "--check-hash-based-pycs")  # options of Python's whose value is the next argument
_SHEBANG = re.compile(rb"#!\s*(?:\S*/env\s+(?:-S\s+)?)?(\S+)")
_LONG_SHEBANG = re.compile(rb"'''exec' \"?([^\"\s]+)\"? ")  # pip's, where a path is too long for one
_MOST_FILES = 200  # of a script that are searched for imports
_LARGEST_FILE = 1_000_000  # bytes
_FIND = """
import importlib.util as u
for name in {}: print(name, (spec := u.find_spec(name)) and spec.origin or "", sep="=")
"""


@click.command("run", context_settings={"allow_interspersed_args": False})
@click.option("--real", "way", flag_value="real", help="Use wandb and mlflow themselves.")
@click.option("--drop-in", "way", flag_value="drop-in", help="Use legm's stand-ins for wandb and mlflow.")
@script_options
def run_command(
    *, way: str | None, as_json: bool, root: Path, command: tuple[str, ...], **options: Any
) -> None:
    """Run a script that logs to wandb, mlflow or legm, and record its runs.

    legm run -- python train.py --lr 0.1. Where the wandb and mlflow that the script imports are installed,
    they are used, as by legm capture; where not, legm's stand-ins are, as by python -m legm.compat. Which
    is said on standard error. What the script prints is kept with its runs, also with those of an
    ExperimentHandler. The exit status is that of COMMAND. What --json prints is the last line of the
    standard output.
    """
    command = command[command[0] == "--" :]  # after an argument, click leaves it where it is
    if not command:
        raise click.UsageError("a COMMAND is missing: legm run -- python train.py")
    begun = _run_with_python(command)
    interpreter = _run_interpreter(begun)
    installed = _installed_for_run(interpreter, ("legm", *REDIRECTED))
    trackers = [name for name in REDIRECTED if name in installed]
    imported = set() if way else _trackers_imported_by_run(_script_to_run(begun))
    is_real = imported <= set(trackers) and bool(trackers) if way is None else way == "real"
    with _run_console_switched(options["console"]):
        if is_real:
            if not trackers:
                raise CommandError(f"--real: {interpreter} has neither wandb nor mlflow", 1)
            _say(f"run with the installed {' and '.join(trackers)}")
            _run_with_libraries(begun, root, options, as_json=as_json)
        if "legm" not in installed:
            raise CommandError(f"the stand-ins for wandb and mlflow need legm in {interpreter}", 1)
        settings = _run_stand_in_settings(root, **options)
        missing = " and ".join(name for name in REDIRECTED if name not in installed)
        reason = f", since {missing} {'are' if ' ' in missing else 'is'} not installed" if missing else ""
        _say(f"run with legm's stand-ins for wandb and mlflow{reason}")
        _run_with_stand_ins(begun, settings, as_json=as_json)


def _say(text: str) -> None:
    click.echo(f"legm: {text}", err=True)


@contextlib.contextmanager
def _run_console_switched(console: bool | None) -> Iterator[None]:
    """Keep the console of every run of the script, also of one that a handler in it begins."""
    before = os.environ.get(SWITCH)
    if console is False or not console_limit(console, default=True):
        os.environ[SWITCH] = "0"
    elif console or not before:
        os.environ[SWITCH] = before if before and before.isdigit() and int(before) else "1"
    try:
        yield
    finally:
        os.environ.pop(SWITCH, None)
        if before is not None:
            os.environ[SWITCH] = before


def _run_with_libraries(
    command: Sequence[str], root: Path, options: Mapping[str, Any], *, as_json: bool
) -> NoReturn:
    from legm.cli.capture import capture_as_dict, capture_script, report_capture

    done = capture_script(command, root, **options)
    if as_json:
        click.echo(json.dumps({"way": "real", **capture_as_dict(done)}))
    elif done.reports or done.problems or done.earlier_runs or done.running_processes:
        report_capture(done, root)
    sys.exit(done.status)


def _run_with_stand_ins(command: Sequence[str], settings: Mapping[str, str], *, as_json: bool) -> NoReturn:
    """Run the command in place of this process where that can be, so that all is as without legm."""
    command, environment = command_with_stand_ins(command, settings)
    try:
        if os.name == "posix" and not as_json:
            sys.stderr.flush()
            os.execvpe(command[0], list(command), environment)  # noqa: S606 - it is asked for
        status = _run_status_of(command, environment)
    except OSError as error:
        _say(f"cannot run {command[0]!r}: {error.strerror}")
        sys.exit(127 if isinstance(error, FileNotFoundError) else 126)
    except CommandError as error:
        _say(str(error))
        sys.exit(error.status)
    if as_json:
        click.echo(json.dumps({"way": "drop-in", "status": status}))
    sys.exit(status)


def command_with_stand_ins(
    command: Sequence[str], settings: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """A command and its environment, so that legm stands in for wandb and mlflow in it.

    Args:
        command: the program and its arguments.
        settings: environment variables of the stand-ins.
    """
    at = _run_script_index(command)
    found = list(command)
    if at is not None and command[at] != "-c":
        found = [*command[:at], "-m", "legm.compat", *command[at:]]
    paths = [str(SHADOW_FOLDER), *filter(None, [os.environ.get("PYTHONPATH")])]
    return found, {**os.environ, **settings, "PYTHONPATH": os.pathsep.join(paths)}


def _run_status_of(command: Sequence[str], environment: Mapping[str, str]) -> int:
    from legm.capture.script_process import ScriptProcess

    script = ScriptProcess(command, environment)
    with script.signals_forwarded():
        return script.status


def _run_stand_in_settings(
    root: Path,
    *,
    experiment: str | None,
    seed_param: Sequence[str],
    ignore: Sequence[str],
    compare: Sequence[str],
    name_param: Sequence[str],
    console: bool | None,  # noqa: ARG001 - it is switched for both ways
) -> dict[str, str]:
    """The options as the environment variables of the stand-ins."""
    lists = {
        "LEGM_IGNORE": [*map(glob.escape, (*seed_param, *ignore))],
        "LEGM_COMPARE": [*map(glob.escape, compare)],
        "LEGM_NAME_PARAMS": list(name_param),
    }
    for name in (name for names in lists.values() for name in names):
        if "," in name:
            raise click.UsageError(f"the parameter {name!r} has a comma in its name: --real takes it")
    found = {"LEGM_ROOT": str(root.absolute())}
    found |= {"LEGM_EXPERIMENT": experiment} if experiment else {}
    for variable, names in lists.items():
        given = os.environ.get(variable)
        if names:
            found[variable] = ",".join([*names, *filter(None, [given])])
    return found


# The command


def _run_with_python(command: Sequence[str]) -> list[str]:
    """The command with Python before a script that the system would not run by itself."""
    first = Path(command[0])
    is_script = first.suffix == ".py" and first.is_file()
    is_run_by_system = os.sep in command[0] and os.access(first, os.X_OK) and os.name == "posix"
    return [sys.executable, *command] if is_script and not is_run_by_system else list(command)


def _run_interpreter(command: Sequence[str]) -> str:
    """The Python that runs the command: itself, or the one that its program names in its first lines."""
    program = shutil.which(command[0])
    if program is None or _PYTHON.fullmatch(Path(command[0]).name):
        return program or sys.executable
    with open(program, "rb") as file:  # noqa: PTH123 - a program of the user's
        head = file.read(2000)
    found = _LONG_SHEBANG.search(head) or _SHEBANG.match(head)
    named = shutil.which(os.fsdecode(found[1])) if found else None
    return named if named and _PYTHON.fullmatch(Path(named).name) else sys.executable


def _installed_for_run(interpreter: str, names: Sequence[str]) -> Collection[str]:
    """Which of these modules a Python can import."""
    here = Path(sys.executable)
    if Path(interpreter).parent == here.parent and Path(interpreter).resolve() == here.resolve():
        specs = {name: importlib.util.find_spec(name) for name in names}
        files = {name: spec.origin or "" for name, spec in specs.items() if spec is not None}
    else:
        import subprocess

        done = subprocess.run(  # noqa: S603 - the Python that runs the script
            [interpreter, "-c", _FIND.format(tuple(names))], capture_output=True, check=False, text=True
        )
        files = dict(line.split("=", 1) for line in done.stdout.splitlines())
    return [name for name, file in files.items() if file and Path(file).parent != SHADOW_FOLDER]


def _run_script_index(command: Sequence[str]) -> int | None:
    """Where a Python's script, ``-m`` or ``-c`` is among the arguments; None where there is none."""
    if not _PYTHON.fullmatch(Path(command[0]).name):
        return None
    at = 1
    while at < len(command):
        one = command[at]
        if one in ("-m", "-c") or not one.startswith("-"):
            return at
        at += 2 if one in _WITH_VALUE else 1
    return None


def _script_to_run(command: Sequence[str]) -> Path | None:
    """The file of the script, also of one that a launcher such as torchrun runs."""
    at = _run_script_index(command)
    candidates = [Path(one) for one in command if one.endswith(".py")]
    if at is not None and command[at] == "-m" and at + 1 < len(command):
        module = Path(*command[at + 1].split("."))
        candidates = [module.with_suffix(".py"), module / "__main__.py", *candidates]
    return next((one for one in candidates if one.is_file()), None)


# The imports


def _trackers_imported_by_run(script: Path | None) -> set[str]:
    """Which of wandb and mlflow a script imports, or a module next to it that it imports."""
    found: set[str] = set()
    waiting = [script] if script is not None else []
    seen = set(waiting)
    folders = {Path(), *(one.parent for one in waiting)}
    while waiting and len(seen) < _MOST_FILES:
        for folder, name in _imports_of_run(waiting.pop()):
            if folder is None:
                found |= {name.partition(".")[0]} & set(REDIRECTED)
            module = Path(*name.split("."))
            for above in folders if folder is None else {folder}:
                for file in (above / module.with_suffix(".py"), above / module / "__init__.py"):
                    if file not in seen and file.is_file():
                        seen.add(file)
                        waiting.append(file)
    return found


def _imports_of_run(file: Path) -> Iterator[tuple[Path | None, str]]:
    """The modules that a file imports, each with the folder that a relative import begins at.

    Nothing of a file that cannot be read.
    """
    try:
        if file.stat().st_size > _LARGEST_FILE:
            return
        nodes = list(ast.walk(ast.parse(file.read_bytes())))
    except (OSError, SyntaxError, ValueError, RecursionError):
        return
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((None, one.name) for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = [file.parent, *file.parent.parents]
            folder = above[node.level - 1] if 0 < node.level <= len(above) else None
            begin = f"{node.module}." if node.module else ""
            yield from ((folder, name) for name in filter(None, [node.module]))
            yield from ((folder, begin + one.name) for one in node.names)
