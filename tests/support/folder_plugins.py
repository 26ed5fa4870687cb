"""Two backends of another package that keep runs in folders: one with a folder reader, one without."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from legm import hookimpl
from legm.backends import portable
from legm.backends.local import folder_reader
from legm.backends.local.backend import LocalBackend
from legm.core.naming import safe_name
from legm.hooks import Backend, Capability
from legm.records import Configuration, Query, Run, RunResult

PLUGINS = ("vault", "cellar")
_SETUP = """[legm.backends]
vault = tests.support.folder_plugins:Vault
cellar = tests.support.folder_plugins:Cellar

[legm.folder_readers]
cellar = tests.support.folder_plugins:CellarReader
"""


def install(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install both as a package would be."""
    info = site / "legm_houses-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: legm-houses\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(_SETUP)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", ":".join(filter(None, sys.path)))


class Vault:
    """A folder for each configuration, with files of its own kind; it has a run once that has ended."""

    name = "vault"
    capabilities = frozenset({Capability.FOLDERS, Capability.EXPERIMENTS})

    def __init__(self, root: Path) -> None:
        self._root = root

    @hookimpl
    def legm_folder(self, configuration: Configuration, create: bool) -> Path | None:
        folder = self._root / safe_name(configuration.experiment) / configuration.fingerprint
        if create:
            folder.mkdir(parents=True, exist_ok=True)
        return folder if folder.is_dir() else None

    def _place(self, run: Run) -> Path:
        folder = self.legm_folder(run.configuration, create=True)
        assert folder is not None
        return folder / "stored" / run.run_id

    @hookimpl
    def legm_open_run(self, run): ...

    @hookimpl
    def legm_write(self, run, records, position): ...

    @hookimpl
    def legm_close_run(self, run, result, records):
        for name, content in (
            (portable.RUN_FILE, portable.run_json(run)),
            (portable.RESULT_FILE, portable.result_json(result)),
            (portable.SERIES_FILE, portable.series_npz(result.histories)),
        ):
            path = self._place(run) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def _stored(self) -> Iterator[tuple[Path, Run]]:
        for path in sorted(self._root.glob(f"*/*/stored/*/{portable.RUN_FILE}")):
            yield path.parent.parent, portable.run_from(path.read_bytes())

    @hookimpl
    def legm_read_runs(self, query: Query) -> Iterator[RunResult]:
        for place, run in self._stored():
            configuration = run.configuration
            if configuration.experiment != query.experiment:
                continue
            if query.fingerprint not in {None, configuration.fingerprint}:
                continue
            if query.description not in {None, run.description}:
                continue
            data = (place / portable.RESULT_FILE).read_bytes()
            result, series = portable.result_from(data, configuration)
            numbers = (place / portable.SERIES_FILE).read_bytes()
            result.histories.update(portable.series_from(numbers, series, query.histories))
            yield result

    @hookimpl
    def legm_read_configurations(self, experiment: str) -> list[Configuration]:
        every = (run.configuration for _, run in self._stored() if run.configuration.experiment == experiment)
        return list({one.fingerprint: one for one in every}.values())

    @hookimpl
    def legm_read_experiments(self) -> list[str]:
        return sorted({run.configuration.experiment for _, run in self._stored()})


class Cellar(LocalBackend):
    """The local backend's folders, as those of another one."""

    name = "cellar"


class CellarReader:
    """Reads them by their paths; what it returns names the other backend."""

    read_configuration = staticmethod(folder_reader.read_configuration)
    read_status = staticmethod(folder_reader.read_status)
    read_statuses = staticmethod(folder_reader.read_statuses)
    counted_once = staticmethod(folder_reader.counted_once)
    experiment_in = staticmethod(folder_reader.experiment_in)
    read_runs = staticmethod(folder_reader.read_runs)
    read_stored_runs = staticmethod(folder_reader.read_stored_runs)
    read_summaries = staticmethod(folder_reader.read_summaries)
    repair = staticmethod(folder_reader.repair)

    @staticmethod
    def backend_of(folder: Path) -> tuple[Path, Backend]:
        root, _ = folder_reader.backend_of(folder)
        backend = Cellar(root)
        backend.use_folder(folder)
        return root, backend
