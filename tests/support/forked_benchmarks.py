"""``python -m benchmarks``, but its probes are forked from one process that has the libraries.

It shows that every probe runs; what they measure means nothing here. Probes of how a process begins are
run as ever, in fresh processes.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import __main__, mlflow_store, sample, several, start
from tests.support.mlflow_store import prepare_store


def run(
    probe: sample.Probe, arguments: Mapping[str, Any], home: Path, timeout: float | None = None
) -> dict[str, float]:
    """Call a probe in a process that is forked from this one."""
    assert timeout is None
    if probe.__module__ == start.__name__:
        return sample.run(probe, arguments, home)
    if probe.__module__ in {mlflow_store.__name__, several.__name__}:
        prepare_store(Path(arguments["folder"]) / "mlflow.db")
    result = home / "numbers.json"
    child = os.fork()
    if child == 0:
        try:
            places = {"HOME": home, "TRACKIO_DIR": home / "trackio", "MPLCONFIGDIR": home.parent}
            os.environ.update({name: str(place) for name, place in places.items()})
            result.write_text(json.dumps(dict(probe(**arguments))), encoding="utf-8")
        except BaseException:  # noqa: BLE001 - whatever it is, this process ends here
            traceback.print_exc()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    if not result.exists():
        raise sample.FailedError(f"{probe.__name__}({dict(arguments)}) failed")
    numbers: dict[str, float] = json.loads(result.read_text(encoding="utf-8"))
    return numbers


if __name__ == "__main__":
    os.environ.update(sample.QUIET)
    import numpy as np  # noqa: F401
    import wandb  # noqa: F401

    __main__.run = run
    __main__.main()
