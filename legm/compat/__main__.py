"""``python -m legm.compat script.py …`` runs a script like ``python script.py …``, with the stand-ins."""

from __future__ import annotations

import builtins
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import NoReturn

from legm.compat.script_session import SESSION
from legm.compat.stand_in_imports import redirect_to_stand_ins

__all__ = ["main"]

_USAGE = "usage: python -m legm.compat script.py [argument …]"


def main(arguments: Sequence[str]) -> NoReturn:
    """Run a script, and exit with its exit status.

    Args:
        arguments: the script's path and its own arguments.
    """
    if not arguments or arguments[0].startswith("-"):
        print(_USAGE, file=sys.stderr)
        sys.exit(0 if arguments and arguments[0] in {"-h", "--help"} else 2)
    script = Path(arguments[0])
    if not script.is_file():
        print(f"python -m legm.compat: there is no file {arguments[0]!r}", file=sys.stderr)
        sys.exit(2)
    sys.argv = list(arguments)
    sys.path[0] = str(script.resolve().parent)
    redirect_to_stand_ins()
    module = ModuleType("__main__")
    module.__file__ = str(script)
    module.__builtins__ = builtins  # type: ignore[attr-defined]
    module.__dict__["__cached__"] = None
    sys.modules["__main__"] = module
    status: object = None
    try:
        with io.open_code(str(script.resolve())) as file:
            code = compile(file.read(), str(script), "exec")
        exec(code, module.__dict__)  # noqa: S102 - the script that the user named
    except SystemExit as end:
        status = end.code
        if status not in (None, 0):
            SESSION.error = f"SystemExit: {status}"
    except BaseException as error:  # noqa: BLE001 - reported as Python reports it
        error = error.with_traceback(_script_traceback(error.__traceback__))
        sys.excepthook(type(error), error, error.__traceback__)
        SESSION.error = f"{type(error).__name__}: {error}"
        status = 130 if isinstance(error, KeyboardInterrupt) else 1
    SESSION.close()
    sys.exit(status)  # type: ignore[arg-type]


def _script_traceback(traceback: TracebackType | None) -> TracebackType | None:
    """The part of a traceback that is in the script."""
    return traceback.tb_next if traceback is not None else None


if __name__ == "__main__":
    main(sys.argv[1:])
