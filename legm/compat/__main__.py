"""``python -m legm.compat script.py …`` runs a script like ``python script.py …``, with the stand-ins."""

from __future__ import annotations

import builtins
import functools
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import NoReturn

import legm
from legm.compat.script_observation import OBSERVATION
from legm.compat.stand_in_imports import redirect_to_stand_ins
from legm.delivery.process_end import at_process_end, has_awaited_threads
from legm.errors import LegmError
from legm.util.process_exit import is_success
from legm.util.process_rank import is_main_process

__all__ = ["main"]

_USAGE = "usage: python -m legm.compat (script.py | -m module) [argument …]"


def main(arguments: Sequence[str]) -> NoReturn:
    """Run a script or a module, and exit with its exit status.

    Args:
        arguments: the script's path, or -m and the module's name, and its own arguments.
    """
    is_module = arguments[:1] == ["-m"] and len(arguments) > 1
    if not arguments or (arguments[0].startswith("-") and not is_module):
        print(_USAGE, file=sys.stderr)
        sys.exit(0 if arguments and arguments[0] in {"-h", "--help"} else 2)
    if not is_module and not Path(arguments[0]).is_file():
        print(f"python -m legm.compat: there is no file {arguments[0]!r}", file=sys.stderr)
        sys.exit(2)
    redirect_to_stand_ins()
    vars(legm)["_HOMES"]["ExperimentHandler"] = "legm.compat.classic"  # imported where the script uses it
    if is_main_process():
        try:
            OBSERVATION.begin()
        except LegmError as problem:
            print(f"python -m legm.compat: {problem}", file=sys.stderr)
            sys.exit(2)
    status: object = None
    cause: str | None = None
    try:
        if is_module:
            _run_main_module(arguments[1:])
        else:
            _run_main_script(arguments)
    except SystemExit as end:
        status = end.code
        if not is_success(status):
            cause = f"SystemExit: {status}"
    except BaseException as error:  # noqa: BLE001 - reported as Python reports it
        error = error.with_traceback(_script_traceback(error.__traceback__))
        sys.excepthook(type(error), error, error.__traceback__)
        cause = f"{type(error).__name__}: {error}"
        status = 130 if isinstance(error, KeyboardInterrupt) else 1
    if has_awaited_threads():
        at_process_end(functools.partial(_end_main_script, cause))
    else:
        _end_main_script(cause)
    sys.exit(status)  # type: ignore[arg-type]


def _end_main_script(cause: str | None) -> None:
    """End the runs of the script, where it asked for any."""
    OBSERVATION.end()
    used = sys.modules.get("legm.compat.script_session")
    if used is not None:
        used.SESSION.error = cause or used.SESSION.error
        used.SESSION.close()


def _run_main_script(arguments: Sequence[str]) -> None:
    sys.argv = list(arguments)
    path = os.path.join(os.getcwd(), arguments[0])  # noqa: PTH109, PTH118 - as Python itself does
    sys.path[0] = str(Path(path).resolve().parent)
    module = ModuleType("__main__")
    module.__file__ = path
    module.__builtins__ = builtins  # type: ignore[attr-defined]
    module.__dict__["__cached__"] = None
    sys.modules["__main__"] = module
    with io.open_code(path) as file:
        code = compile(file.read(), path, "exec")
    exec(code, module.__dict__)  # noqa: S102 - the script that the user named


def _run_main_module(arguments: Sequence[str]) -> None:
    import runpy

    sys.argv = list(arguments)
    try:
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    except ImportError as error:
        if _script_traceback(error.__traceback__) is not None:
            raise
        print(f"{sys.executable}: {error}", file=sys.stderr)
        raise SystemExit(1) from None


def _script_traceback(traceback: TracebackType | None) -> TracebackType | None:
    """The part of a traceback that is in the script; None where it did not get there."""
    while traceback is not None and _is_main_starting(traceback.tb_frame.f_code.co_filename):
        traceback = traceback.tb_next
    return traceback


def _is_main_starting(filename: str) -> bool:
    return filename == __file__ or filename.startswith("<frozen ") or Path(filename).name == "runpy.py"


if __name__ == "__main__":
    main(sys.argv[1:])
