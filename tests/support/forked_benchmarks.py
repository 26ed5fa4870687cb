"""``python -m benchmarks``, but its probes are forked from one process that has the libraries.

It shows that every probe runs; what they measure means nothing here. Probes of how a process begins are
run as ever, in fresh processes. The probes of an MLflow server are given the same one, one after the other.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import os
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from benchmarks import __main__, mlflow_store, sample, several, start
from tests.support.mlflow_store import prepare_store

open_store = mlflow_store.open_store
_opened = contextlib.ExitStack()


@functools.cache
def server_address() -> str:
    """The address of the one server, which is started as a probe starts its own."""
    folder = _opened.enter_context(tempfile.TemporaryDirectory())
    prepare_store(Path(folder) / "mlflow.db")
    return _opened.enter_context(open_store(folder, server=True))


@contextlib.contextmanager
def given_store(folder: str, *, server: bool) -> Iterator[str]:
    """The address of a store in which nothing has the name that probes give."""
    if not server:
        with open_store(folder, server=False) as uri:
            yield uri
        return
    yield server_address()
    client = MlflowClient(server_address())
    found = client.get_experiment_by_name("write")
    assert found is not None
    client.rename_experiment(found.experiment_id, folder)


def run(
    probe: sample.Probe, arguments: Mapping[str, Any], home: Path, timeout: float | None = None
) -> dict[str, float]:
    """Call a probe in a process that is forked from this one."""
    assert timeout is None
    if probe.__module__ == start.__name__:
        return sample.run(probe, arguments, home)
    if arguments.get("server"):
        server_address()
    elif probe.__module__ in {mlflow_store.__name__, several.__name__}:
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
    import matplotlib.figure  # noqa: F401
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
    import numpy as np  # noqa: F401
    import wandb  # noqa: F401
    from sqlalchemy.orm import configure_mappers

    configure_mappers()
    gc.freeze()  # the probes leave alone what they share
    __main__.run = run
    mlflow_store.open_store = given_store
    with _opened:
        __main__.main()
