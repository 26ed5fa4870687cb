"""The files that the original legm wrote for each configuration, for scripts that read them.

In the configuration's folder::

    params.yml                           experiment_0: {parameter: value}, … below what legm wrote
    [description-]indexed_metrics.yml    experiment_0: {example: {test_x: value}, description: text}
    [description-]<custom data>.yml      experiment_0: {…, description: text}
    aggregated_indexed_metrics.yml       description: {example: {test_x: "mean+-deviation"}}
    aggregated_<custom data>.yml         the same of custom data
    classic/steps.yml                    metric: [step, …], of the last run
    classic/aggregated_metrics.yml       description: {test_x: "mean+-deviation"}

They are beside legm's own. ``metrics.yml`` has the same layout in both.
"""

from __future__ import annotations

import json
import logging
import math
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from legm.core.naming import short_name
from legm.errors import CorruptFile, LegmError, storage_error
from legm.records import Plain
from legm.runlog.file_names import AGGREGATES_FILE, METRICS_FILE, PARAMETERS_FILE, RUNS, STEPS_FILE
from legm.util.atomic_files import write_atomically
from legm.util.locks import file_lock
from legm.util.yaml_files import parse_yaml
from legm.util.yaml_text import yaml_key

__all__ = ["ClassicFiles", "classic_aggregate_texts"]

log = logging.getLogger("legm.compat")

INDEXED_FILE = "indexed_metrics.yml"
_FOLDER = "classic"
_LOCK = ".classic.lock"  # beside the run logs
_ENTRY = re.compile(rb'^(experiment_\d+): \{"run_id": "([^"]+)"', re.MULTILINE)
_EXTRA = re.compile(rb"^experiment_\d+:", re.MULTILINE)
_DIGITS = 4  # of the texts of aggregates, after the point


@dataclass(frozen=True, slots=True)
class ClassicFiles:
    """The files of one configuration.

    Args:
        folder: the configuration's.
        description: of the runs; "" for none.
    """

    folder: Path
    description: str

    def add_run(
        self,
        run_id: str,
        parameters: Mapping[str, Plain],
        by_example: Mapping[str, Plain],
        data: Mapping[str, Plain],
        steps: Mapping[str, Sequence[int]],
    ) -> None:
        """Add what a completed run has; what it added before is replaced.

        Args:
            run_id: of the run, which is in the folder's ``metrics.yml``.
            parameters: all of its parameters.
            by_example: its values by example.
            data: its custom data by the name of the file.
            steps: the steps of each of its dev metrics; the file has those of the last run.

        Raises:
            StorageError: a file cannot be read or written.
            CorruptFile: a file that is there is no YAML or JSON of entries.
        """
        with self._locked():
            entry = self._entry_of(run_id)
            self._add_parameters(entry, parameters)
            if by_example:
                self._add(INDEXED_FILE, entry, by_example)
            for name, content in data.items():
                self._add(name, entry, content)
            self._write_steps(steps)

    def write_aggregates(self, aggregates: Mapping[str, Plain], custom: Sequence[str]) -> None:
        """Write the aggregates of the description, and those of values by example and of custom data.

        Args:
            aggregates: the texts of the metrics.
            custom: the names of the files of custom data.

        Raises:
            StorageError, CorruptFile: as :meth:`add_run`.
        """
        with self._locked():
            self._add_description(self.folder / _FOLDER / AGGREGATES_FILE, aggregates)
            for name in (INDEXED_FILE, *custom):
                path = self.path(name)
                if path.suffix in _FORMATS and path.is_file():
                    runs = [one for one in self._read(path).values() if isinstance(one, dict)]
                    if texts := classic_aggregate_texts(runs):
                        self._add_description(self.folder / f"aggregated_{name}", texts)

    def path(self, name: str) -> Path:
        """Where a file of the description is."""
        prefix = f"{short_name(self.description)}-" if self.description else ""
        return self.folder / f"{prefix}{short_name(name)}"

    def _locked(self) -> AbstractContextManager[None]:
        return file_lock(self.folder / RUNS / _LOCK)

    def _entry_of(self, run_id: str) -> str:
        """The key that a run has in ``metrics.yml``.

        Raises:
            StorageError: it cannot be read.
            CorruptFile: it does not have the run.
        """
        path = self.folder / METRICS_FILE
        try:
            content = path.read_bytes()
        except OSError as cause:
            raise storage_error("read", path, cause) from cause
        for entry in _ENTRY.finditer(content):
            if entry[2] == run_id.encode():
                return entry[1].decode()
        raise CorruptFile(path, "line 1", f"it does not have the run {run_id}", "Run `legm recover` on it.")

    def _add_parameters(self, entry: str, parameters: Mapping[str, Plain]) -> None:
        """Append the run's parameters to what legm wrote into ``params.yml``, whose checksum stays valid."""
        path = self.folder / PARAMETERS_FILE
        try:
            content = path.read_bytes()
        except OSError as cause:
            raise storage_error("read", path, cause) from cause
        first = _EXTRA.search(content)
        own, extra = (content, b"") if first is None else (content[: first.start()], content[first.start() :])
        entries = (
            {**_classic_file_mapping(path, parse_yaml(path, extra)), entry: dict(parameters)}
            if extra
            else {entry: dict(parameters)}
        )
        write_atomically(path, own + _classic_file_yaml(entries))

    def _write_steps(self, steps: Mapping[str, Sequence[int]]) -> None:
        lines = [
            f"{yaml_key(name)} {json.dumps([int(step) for step in of_metric])}\n"
            for name, of_metric in steps.items()
        ]
        path = self.folder / _FOLDER / STEPS_FILE
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, "".join(lines).encode(errors="surrogatepass"))

    def _add(self, name: str, entry: str, content: Plain) -> None:
        path = self.path(name)
        entries = self._read(path) if path.is_file() else {}
        of_run = {**content, "description": self.description} if isinstance(content, dict) else content
        self._write(path, {**entries, entry: of_run})

    def _add_description(self, path: Path, content: Mapping[str, Plain]) -> None:
        entries = self._read(path) if path.is_file() else {}
        self._write(path, {**entries, self.description: dict(content)})

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            content = path.read_bytes()
        except OSError as cause:
            raise storage_error("read", path, cause) from cause
        return _classic_file_mapping(path, _FORMATS[path.suffix][0](path, content))

    def _write(self, path: Path, content: Mapping[str, Plain]) -> None:
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, _FORMATS[path.suffix][1](dict(content)))


def _classic_file_mapping(path: Path, content: Any) -> dict[str, Any]:
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise CorruptFile(
            path, "line 1", "it has no entries of runs", "Restore it from a copy, or delete it."
        )
    return content


def _classic_file_yaml(content: Mapping[str, Plain]) -> bytes:
    import yaml

    text: str = yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True)
    return text.encode(errors="surrogatepass")


def _parse_classic_json(path: Path, content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as cause:
        raise CorruptFile(
            path, "line 1", f"it is not JSON: {cause}", "Restore it from a copy, or delete it."
        ) from cause


_FORMATS: dict[str, tuple[Callable[[Path, bytes], Any], Callable[[Mapping[str, Plain]], bytes]]] = {
    ".yml": (parse_yaml, _classic_file_yaml),
    ".json": (_parse_classic_json, lambda content: (json.dumps(content, indent=2) + "\n").encode()),
}


def classic_aggregate_texts(runs: Sequence[Mapping[str, Any]]) -> dict[str, Plain]:
    """The texts of the aggregates of the numbers that several mappings have in common places.

    Args:
        runs: of each run, nested mappings of numbers; what is no number is left out.

    Returns:
        the same nesting, with ``"0.5+-0.01"`` for the mean and population standard deviation of each number.
    """
    found: dict[str, Plain] = {}
    for key in dict.fromkeys(key for run in runs for key in run):
        values = [run[key] for run in runs if key in run]
        numbers = [
            float(one) for one in values if isinstance(one, (int, float)) and not isinstance(one, bool)
        ]
        inner = [one for one in values if isinstance(one, Mapping)]
        if numbers:
            found[key] = classic_aggregate_text(statistics.fmean(numbers), statistics.pstdev(numbers))
        elif inner and (nested := classic_aggregate_texts(inner)):
            found[key] = nested
    return found


def classic_aggregate_text(mean: float, deviation: float) -> str:
    """A mean and its deviation as the original wrote them, such as ``"0.5+-0.01"``."""
    return "+-".join(
        str(round(number, _DIGITS)) if math.isfinite(number) else str(number) for number in (mean, deviation)
    )


def is_classic_format(name: str) -> bool:
    """Whether custom data of this name is stored in a file with an entry for each run."""
    return Path(name).suffix in _FORMATS


def report_unwritten_classic_files(error: LegmError) -> None:
    """Log that the files of the original could not be written; the run itself is stored."""
    log.error("the run is stored, but not in the files of the original legm: %s", error)
