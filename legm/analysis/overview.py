"""What there is below a root directory, for a person who looks: experiments, configurations, runs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from legm.backends.local import PARAMETERS_FILE, LocalBackend
from legm.backends.local.folders import read_configuration
from legm.backends.local.repair import repair
from legm.core.identity import Difference, parameter_differences
from legm.delivery.backlog import finalize_dead_runs
from legm.delivery.client import connect
from legm.delivery.registry import make_backend
from legm.errors import LegmError, StorageError
from legm.records import Configuration, RunResult
from legm.runlog.folder import LogFolder

__all__ = ["Overview", "compare", "configurations", "look", "mlflow_ui_command", "recover"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Overview:
    """A configuration with its runs.

    Args:
        folder: where it is.
        configuration: None where its parameters cannot be read.
        runs: in the order of their starts.
        problem: what could not be read; "" where all could.
    """

    folder: Path
    configuration: Configuration | None
    runs: list[RunResult] = field(default_factory=list)
    problem: str = ""


def configurations(root: Path) -> Iterator[Path]:
    """The folder of every configuration at or below a folder: a root, an experiment, or itself.

    Raises:
        StorageError: there is no such folder.
    """
    if not root.is_dir():
        raise StorageError(f"there is no folder {root}")
    for pattern in (PARAMETERS_FILE, f"[!.]*/{PARAMETERS_FILE}", f"[!.]*/[!.]*/{PARAMETERS_FILE}"):
        found = sorted(path.parent for path in root.glob(pattern))
        if found:
            yield from found
            return


def look(folder: Path, histories: frozenset[str] = frozenset()) -> Overview:
    """A configuration's folder as it is; damage is told, not raised.

    Args:
        folder: the configuration's.
        histories: the dev metrics whose series are wanted.

    Raises:
        StorageError: it is no configuration's folder.
    """
    if not (folder / PARAMETERS_FILE).exists():
        raise StorageError(f"{folder} is no configuration's folder: it has no {PARAMETERS_FILE}")
    try:
        configuration = read_configuration(folder)
    except LegmError as error:
        return Overview(folder, None, problem=str(error))
    try:
        runs = sorted(LocalBackend.runs_in(folder, histories), key=lambda result: result.run.run_id)
    except LegmError as error:
        return Overview(folder, configuration, problem=str(error))
    return Overview(folder, configuration, runs)


def compare(ours: Configuration, theirs: Configuration) -> tuple[Difference, ...]:
    """What makes two stored configurations differ."""

    def note(configuration: Configuration, name: str) -> str:
        return "inactive" if name in configuration.parameters else "absent"

    found = parameter_differences(
        {name: ours.parameters[name] for name in ours.active},
        {name: theirs.parameters[name] for name in theirs.active},
        lambda name: note(ours, name),
        lambda name: note(theirs, name),
    )
    if ours.experiment != theirs.experiment:
        return (Difference("experiment", ours.experiment, theirs.experiment), *found)
    return found


def recover(root: Path) -> Iterator[tuple[Path, list[RunResult], list[str]]]:
    """Settle the runs that processes left behind, and make damaged files again.

    Yields:
        for each configuration: its folder, the runs that were settled, and what was repaired or not.

    Raises:
        StorageError: there is no such folder.
    """
    for folder in configurations(root):
        messages: list[str] = []
        settled: list[RunResult] = []
        try:
            messages = repair(folder)
            place = folder.parent.parent
            settled = finalize_dead_runs(connect(place), LogFolder.of(folder))
        except LegmError as error:
            messages.append(str(error))
        if settled or messages:
            yield folder, settled, messages


def mlflow_ui_command(root: Path, port: int) -> list[str]:
    """The command that starts MLflow's page on the store in a root directory.

    Raises:
        StorageError: there is none.
        BackendError: MLflow is not installed.
    """
    if not (root / "mlflow.db").is_file():
        raise StorageError(
            f"there is no MLflow store {root / 'mlflow.db'}: run something with backend='mlflow'"
        )
    make_backend("mlflow", root, {})  # says what is missing
    from legm.backends.mlflow.stores import sqlite_uri

    store, artifacts = sqlite_uri(root.resolve() / "mlflow.db"), (root.resolve() / "mlartifacts").as_uri()
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store]
    place = [
        "--default-artifact-root",
        artifacts,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    return [*command, *place]
