"""An ``mlruns`` folder: MLflow's old file store of texts and YAML, which MLflow itself no longer opens.

::

    mlruns/<experiment>/meta.yaml
    mlruns/<experiment>/<run>/meta.yaml
                              params/<name>     a text
                              tags/<name>       a text
                              metrics/<name>    a line for each number: timestamp value step
                              artifacts/
    mlruns/<experiment>/models/<model>/         meta.yaml, artifacts/
    mlruns/.trash/<experiment>/                 deleted experiments

A name with ``/`` is stored as a path. Links are not followed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from legm.core.point_columns import points_from_blocks
from legm.core.value_parsing import parse_value_text
from legm.errors import CorruptFile, StorageError, storage_error
from legm.importers.external_run import ExternalRun, unreadable_run
from legm.importers.import_notes import ImportNotes
from legm.importers.import_source import RunGroup
from legm.importers.mlflow.artifact_folders import MlflowArtifactFolders
from legm.importers.mlflow.run_conversion import (
    DELETED,
    ExternalMlflowRun,
    convert_mlflow_run,
    mlflow_to_seconds,
    restore_mlflow_infinities,
)
from legm.records import Plain, Points, Series
from legm.util.yaml_files import parse_yaml

__all__ = ["MlrunsSource"]

_STATUSES = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
_MAX_BYTES = 1 << 20  # of a file that is read whole, and of metrics that are read at once
_MAX_LINE_BYTES = 4096
_REMEDY = "Repair it, or delete the run's folder in a copy of the store."
_RUN_FOLDERS = ("metrics", "params", "tags")
_OTHER_FOLDERS = frozenset({"datasets", "models", "traces"})
_DETAILS = ("user_id", "source_name", "source_version", "entry_point_name")


class MlrunsSource:
    """The runs in an ``mlruns`` folder.

    Args:
        path: the folder.
        deleted: whether to include runs and experiments that are deleted in MLflow.
    """

    kind = "mlflow"

    def __init__(self, path: Path, *, deleted: bool = False) -> None:
        self._root = path
        self.location = str(path)
        self.notes = ImportNotes()
        self._deleted = deleted
        self._files = MlflowArtifactFolders(path.absolute().parent, self.notes)
        self._experiment_metadata: dict[Path, dict[str, Any]] = {}
        self._models: dict[Path, dict[str, list[tuple[str, Path]]]] = {}
        self._tags_of_experiments: dict[Path, dict[str, Plain]] = {}
        self._run_folders: dict[str, Path] = {}
        self._outside: dict[Path, list[Path]] = {}  # by a run's folder, where else its artifacts are

    @staticmethod
    def find_store(path: Path) -> Path | None:
        """The ``mlruns`` folder at, or in, a path."""
        for folder in (path, path / "mlruns"):
            if folder.is_dir() and any(True for _ in _mlruns_experiment_folders(folder)):
                return folder
        return None

    def runs(self) -> Iterator[ExternalRun]:
        """Every run, experiment by experiment."""
        for group in self.groups():
            yield from group.runs()

    def groups(self) -> Iterator[RunGroup]:
        """The run of each folder."""
        for experiment in self._experiment_folders():
            shared = [experiment / name for name in ("meta.yaml", "tags", "datasets", "models")]
            for folder in _mlruns_subfolders(experiment):
                key = folder.relative_to(self._root).as_posix()
                runs, outside = partial(self._run_of_folder, folder), partial(self._outside.get, folder, ())
                yield RunGroup(key, [folder, *shared], runs, outside)

    def _run_of_folder(self, folder: Path) -> Iterator[ExternalRun]:
        """The run of a folder, if it is one."""
        try:
            found = self._read_run(folder) if self._is_run(folder) else None
        except StorageError as error:
            found = unreadable_run(folder.name, folder.parent.name, error)
        if found is not None:
            self._run_folders[found.key] = folder
            yield found

    def _experiment_folders(self) -> list[Path]:
        trash = self._root / ".trash"
        return [*_mlruns_experiment_folders(self._root), *_mlruns_experiment_folders(trash)]

    def number_of_runs(self) -> int:
        """How many folders of runs there are."""
        return sum(
            map(self._is_run, chain.from_iterable(map(_mlruns_subfolders, self._experiment_folders())))
        )

    def run(self, key: str) -> ExternalRun:
        """The run with a key."""
        found = self._read_run(self._run_folders[key]) if key in self._run_folders else None
        if found is None:
            raise StorageError(f"the MLflow store {self._root} no longer has the run {key}")
        return found

    def close(self) -> None:
        """Do nothing: no file is held open."""

    def _is_run(self, folder: Path) -> bool:
        """Whether a folder of an experiment is one of a run, with or without its ``meta.yaml``."""
        if any((folder / name).is_dir() for name in _RUN_FOLDERS):
            return True
        path = folder / "meta.yaml"
        if not path.is_file() or folder.name in _OTHER_FOLDERS:
            return False
        if not {"run_id", "run_uuid"}.isdisjoint(_read_mlruns_mapping(path)):
            return True
        self.notes.add("folders of an experiment that are not of a run were left out", str(folder))
        return False

    def _read_run(self, folder: Path) -> ExternalRun | None:
        experiment = self._experiment(folder.parent)
        path = folder / "meta.yaml"
        if path.is_file():
            meta = _read_mlruns_mapping(path)
        else:
            self.notes.add(
                "what a missing meta.yaml says of a run: the run counts as interrupted", str(folder)
            )
            meta = {"status": "KILLED", "start_time": self._first_time(folder / "metrics")}
        run_id = str(meta.get("run_id") or meta.get("run_uuid") or folder.name)
        is_deleted = "deleted" in (meta.get("lifecycle_stage"), experiment.get("lifecycle_stage"))
        if (is_deleted or folder.parent.parent.name == ".trash") and not self._deleted:
            self.notes.add(DELETED, run_id)
            return None
        status = meta.get("status")
        mlflow_run = ExternalMlflowRun(
            run_id=run_id,
            experiment=str(experiment.get("name") or folder.parent.name),
            experiment_id=folder.parent.name,
            name=str(meta.get("run_name") or meta.get("name") or ""),
            status=_STATUSES.get(status, "") if isinstance(status, int) else str(status),
            start_time=_mlruns_int_or_none(meta.get("start_time")),
            end_time=_mlruns_int_or_none(meta.get("end_time")),
            params=self._read_texts(folder / "params"),
            tags=self._read_texts(folder / "tags"),
            details={
                **{name: str(meta[name]) for name in _DETAILS if meta.get(name)},
                **self._dataset_inputs(folder),
                **self._experiment_tags(folder.parent),
                **self._logged_models(folder.parent, run_id),
            },
        )
        folders = self._artifact_folders(folder, meta, run_id)
        return convert_mlflow_run(
            mlflow_run,
            lambda: self._read_points(folder / "metrics"),
            lambda: self._files.files_in(folders),
            self.notes,
        )

    def _first_time(self, folder: Path) -> int | None:
        """The earliest time at which a metric begins, in milliseconds since 1970; None without any."""
        found = []
        for path in self._files_below(folder):
            try:
                with path.open("rb") as file:
                    first = file.readline(_MAX_LINE_BYTES).split(maxsplit=1)
            except OSError as cause:
                raise storage_error("read", path, cause) from cause
            if first and first[0].isdigit() and len(first[0]) < 16:
                found.append(float(first[0]))
        return round(1000 * min(mlflow_to_seconds(np.array(found)).tolist())) if found else None

    def _experiment(self, folder: Path) -> dict[str, Any]:
        if folder not in self._experiment_metadata:
            path = folder / "meta.yaml"
            self._experiment_metadata[folder] = _read_mlruns_mapping(path) if path.is_file() else {}
        return self._experiment_metadata[folder]

    def _artifact_folders(self, folder: Path, meta: Mapping[str, Any], run_id: str) -> dict[str, Path]:
        """The folders with artifacts of the run and of models logged in it, by the prefix of their names."""
        own = folder / "artifacts"
        if own.is_dir() and not own.is_symlink() and any(own.iterdir()):
            found = {"": own}
        else:
            address = str(meta.get("artifact_uri") or own)
            tail = f"{folder.parent.name}/{folder.name}/artifacts"
            found = self._files.existing_folders([("", address, tail)], run_id)
            candidates = [*found.values()] or self._files.possible_folders(address, tail)
            self._outside[folder] = [one for one in candidates if not one.is_relative_to(folder)]
        for name, location in self._logged_models_in(folder.parent).get(run_id, ()):
            found[f"models/{name}/"] = location
        return found

    def _logged_models_in(self, experiment: Path) -> dict[str, list[tuple[str, Path]]]:
        """The models logged in each run, by run id: each a name and the folder of its artifacts."""
        if experiment not in self._models:
            found: dict[str, list[tuple[str, Path]]] = {}
            for folder in _mlruns_subfolders(experiment / "models"):
                if (folder / "meta.yaml").is_file() and (folder / "artifacts").is_dir():
                    meta = _read_mlruns_mapping(folder / "meta.yaml")
                    model = (f"{meta.get('name')}-{folder.name}", folder / "artifacts")
                    found.setdefault(str(meta.get("source_run_id")), []).append(model)
            self._models[experiment] = found
        return self._models[experiment]

    def _experiment_tags(self, experiment: Path) -> dict[str, Plain]:
        """The tags of an experiment, its description among them."""
        if experiment not in self._tags_of_experiments:
            self._tags_of_experiments[experiment] = {**self._read_texts(experiment / "tags")}
        found = self._tags_of_experiments[experiment]
        return {"experiment_tags": found} if found else {}

    def _logged_models(self, experiment: Path, run_id: str) -> dict[str, Plain]:
        """The models that were logged in a run, with their parameters."""
        found: list[Plain] = []
        for label, artifacts in self._logged_models_in(experiment).get(run_id, ()):
            params = self._read_texts(artifacts.with_name("params"))
            found.append(
                {
                    "name": label.removesuffix(f"-{artifacts.parent.name}"),
                    "model_id": artifacts.parent.name,
                    "params": {name: parse_value_text(text) for name, text in params.items()},
                }
            )
        return {"logged_models": found} if found else {}

    def _dataset_inputs(self, folder: Path) -> dict[str, Plain]:
        """The datasets that were logged as the run's inputs."""
        found: list[Plain] = []
        for one in _mlruns_subfolders(folder / "inputs"):
            if not (one / "meta.yaml").is_file():
                continue
            data = (
                folder.parent
                / "datasets"
                / Path(str(_read_mlruns_mapping(one / "meta.yaml").get("source_id"))).name
            )
            if (data / "meta.yaml").is_file():
                found.append(
                    {name: str(value) for name, value in _read_mlruns_mapping(data / "meta.yaml").items()}
                )
        return {"inputs": found} if found else {}

    def _read_texts(self, folder: Path) -> dict[str, str]:
        """Params or tags, by name."""
        return {
            path.relative_to(folder).as_posix(): _read_mlruns_file(path).decode(errors="replace")
            for path in self._files_below(folder)
        }

    def _files_below(self, folder: Path) -> Iterator[Path]:
        """The files below a folder, sorted; links are left out."""
        for parent, names, files in os.walk(folder):
            names.sort()
            for name in sorted([*files, *(one for one in names if (Path(parent) / one).is_symlink())]):
                path = Path(parent) / name
                if path.is_file() and not path.is_symlink():
                    yield path
                else:
                    self.notes.add("links instead of params, tags or metrics were left out", str(path))

    def _read_points(self, folder: Path) -> Iterator[Points]:
        for path in self._files_below(folder):
            name = path.relative_to(folder).as_posix()
            for stamps, values, steps in _mlruns_metric_blocks(path):
                block = ((Series(name),), steps, mlflow_to_seconds(stamps), restore_mlflow_infinities(values))
                yield points_from_blocks([block])


def _mlruns_experiment_folders(root: Path) -> Iterator[Path]:
    return (folder for folder in _mlruns_subfolders(root) if _is_mlruns_experiment(folder))


def _is_mlruns_experiment(folder: Path) -> bool:
    try:
        with (folder / "meta.yaml").open("rb") as file:
            return re.search(rb"^experiment_id:", file.read(_MAX_BYTES), re.MULTILINE) is not None
    except OSError:
        return False


def _mlruns_subfolders(folder: Path) -> list[Path]:
    """The subfolders of a folder, sorted, without hidden ones and links."""
    try:
        found = [
            one for one in folder.iterdir() if one.name[0] != "." and one.is_dir() and not one.is_symlink()
        ]
    except OSError:
        return []
    return sorted(found)


def _read_mlruns_file(path: Path) -> bytes:
    """Read a file of limited size.

    Raises:
        CorruptFile: it is too large.
        StorageError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as cause:
        raise storage_error("read", path, cause) from cause
    if len(data) > _MAX_BYTES:
        raise CorruptFile(
            path, f"byte {_MAX_BYTES}", "it is larger than any file that MLflow writes here", _REMEDY
        )
    return data


def _read_mlruns_mapping(path: Path) -> dict[str, Any]:
    content = parse_yaml(path, _read_mlruns_file(path))
    if not isinstance(content, dict):
        raise CorruptFile(path, "line 1", "it is not a mapping", _REMEDY)
    return content


def _mlruns_int_or_none(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _mlruns_metric_blocks(path: Path) -> Iterator[tuple[Any, Any, Any]]:
    """The numbers of a metric in blocks: timestamps, values, steps.

    Raises:
        CorruptFile: a line is not what MLflow writes.
        StorageError: the file cannot be read.
    """
    rest, line = b"", 1
    try:
        with path.open("rb") as file:
            while piece := file.read(_MAX_BYTES):
                whole, end, rest = (rest + piece).rpartition(b"\n")
                if len(rest) > _MAX_LINE_BYTES:
                    problem = f"a line of more than {_MAX_LINE_BYTES} bytes is not a number"
                    number = line + whole.count(b"\n") + len(end)
                    raise CorruptFile(path, f"line {number}", problem, _REMEDY)
                if end:
                    yield _parse_mlruns_metric_block(path, whole, line)
                    line += whole.count(b"\n") + 1
    except OSError as cause:
        raise storage_error("read", path, cause) from cause
    if rest.strip():
        yield _parse_mlruns_metric_block(path, rest, line)


def _parse_mlruns_metric_block(path: Path, text: bytes, first_line: int) -> tuple[Any, Any, Any]:
    lines = text.split(b"\n")
    try:
        return _parse_mlruns_metric_rows([line.split() for line in lines])
    except (ValueError, OverflowError):
        for number, line in enumerate(lines, first_line):
            try:
                _parse_mlruns_metric_rows([line.split()])
            except (ValueError, OverflowError) as cause:
                problem = f"{line[:60].decode(errors='replace')!r} is not a timestamp, a value and a step"
                raise CorruptFile(path, f"line {number}", problem, _REMEDY) from cause
        raise


def _parse_mlruns_metric_rows(rows: list[list[bytes]]) -> tuple[Any, Any, Any]:
    """Timestamps, values, steps: the first versions wrote no step, recent ones append a dataset.

    Raises:
        ValueError, OverflowError: a row is something else.
    """
    if {*map(len, rows)} != {3}:
        rows = [[*row, b"0"] if len(row) == 2 else row[:3] for row in rows if row]
    if any(len(row) != 3 for row in rows):
        raise ValueError("too few words in a line")
    return (
        np.array([int(row[0]) for row in rows], np.float64),
        np.array([float(row[1]) for row in rows], np.float64),
        np.array([int(row[2]) for row in rows], np.int64),
    )
