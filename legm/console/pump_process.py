"""The process that passes on what a training prints; started as a file by ``redirection.py``."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import sys


def main() -> None:
    """Pass on between the descriptors that the argument names, until all output has ended."""
    given = json.loads(sys.argv[1])
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGTSTP", "SIGUSR1", "SIGUSR2", "SIGPIPE"):
        if hasattr(signal, name):  # the training's: this process ends when all output has ended
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - quicker
    sys.path.insert(0, os.path.dirname(package))  # noqa: PTH120
    pump = os.path.join(package, "console", "output_pump.py")  # noqa: PTH118
    # Not imported by its name, which would import the package: until it runs, no output passes.
    spec = importlib.util.spec_from_file_location("output_pump", pump)
    assert spec is not None  # noqa: S101
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    orders = socket.socket(fileno=given["orders"])
    module.OutputPump([tuple(one) for one in given["sources"]], orders).run()


if __name__ == "__main__":
    main()
