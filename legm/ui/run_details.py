"""All of one run: where it comes from, how to run it again, its files, and what it prints."""

from __future__ import annotations

import codecs
import os
from pathlib import Path
from typing import Any

from legm.console.console_options import console_path
from legm.console.console_reader import ConsoleTail
from legm.core.effective_values import ineffective_value_note
from legm.core.identity import configuration_differences
from legm.core.naming import short_name
from legm.core.run_marks import marks_as_dict
from legm.core.run_origin import commands_to_reproduce_origin, origin_facts, origin_notes
from legm.core.texts import exact_text
from legm.errors import StorageError
from legm.records import Plain, RunResult
from legm.report.number_encoding import encode_numbers_exactly
from legm.runlog.configuration_folders import artifacts_folder
from legm.runlog.file_names import CONSOLE_FILE, MEDIA
from legm.ui.run_files import (
    OpenedRunFile,
    open_run_file,
    read_run_file_start,
    read_run_patch,
    run_patch_path,
)
from legm.ui.stored_runs import StoredRuns
from legm.util.own_files import is_own_file

__all__ = ["RunDetails"]

_MOST_LINES = 2000  # of a console at once
_PREVIEWED = 64 << 10  # bytes of a file that are shown as text
_MEDIA_TYPES = {  # of the files that the page shows as what they are
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".webm": "video/webm",
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
}
_DISTRIBUTIONS = "distributions."


class RunDetails:
    """Reads single runs for the page.

    Args:
        stored: where the runs are.
    """

    def __init__(self, stored: StoredRuns) -> None:
        self._stored = stored

    def run(self, experiment: str, fingerprint: str, run_id: str, baseline: str = "") -> dict[str, Plain]:
        """A run with where it comes from.

        Args:
            experiment, fingerprint, run_id: which run.
            baseline: the fingerprint of the configuration from which it differs; "" for none.

        Raises:
            LegmError: it is not there, or cannot be read.
        """
        of, runs = self._stored.runs_of_configuration(experiment, fingerprint)
        result = next((one for one in runs if one.run.run_id == run_id), None)
        if result is None:
            raise StorageError(f"the configuration {of.label!r} has no run {run_id!r}")
        run, environment = result.run, result.run.environment
        flat = origin_facts(environment)
        patch = run_patch_path(of.folder, result)
        tests = {series.name: value for series, value in result.test.items() if series.index is None}
        best = {series.name: value for series, value in result.best.items() if series.index is None}
        return {
            "id": run.run_id,
            "experiment": experiment,
            "fingerprint": fingerprint,
            "configuration": self._stored.configuration_name(experiment, fingerprint),
            "folder": None if of.folder is None else str(of.folder),
            "description": run.description,
            "status": result.status.value,
            "started": run.started,
            "ended": result.ended,
            "last_step": result.last_step,
            "best_step": result.best_step,
            "error": result.error,
            "marks": marks_as_dict(result.marks),
            "parameters": [
                [name, exact_text(value), ineffective_value_note(run.configuration, name)]
                for name, value in sorted(run.configuration.parameters.items())
                if name not in run.parameters
            ]
            + [[name, exact_text(value), "of this run"] for name, value in sorted(run.parameters.items())],
            "best": [[*best], encode_numbers_exactly([*best.values()])],
            "test": [[*tests], encode_numbers_exactly([*tests.values()])],
            "origin": [
                [name, value if isinstance(value, str) else exact_text(value)]
                for name, value in flat.items()
                if not name.startswith(_DISTRIBUTIONS)
            ],
            "versions": [
                [name.removeprefix(_DISTRIBUTIONS), str(value)]
                for name, value in flat.items()
                if name.startswith(_DISTRIBUTIONS)
            ],
            "notes": origin_notes(environment),
            "reproduce": self._reproduction(result, patch),
            "has_patch": patch is not None,
            "files": [] if of.folder is None else _run_detail_files(artifacts_folder(of.folder, run_id)),
            "differences": self._differences(experiment, result, baseline),
            "siblings": [
                [one.run.run_id, one.status.value]
                for one in sorted(runs, key=lambda one: one.run.run_id)
                if one.run.run_id != run_id
            ],
            "has_console": of.folder is not None and is_own_file(of.folder, console_path(of.folder, run_id)),
        }

    def _differences(self, experiment: str, result: RunResult, baseline: str) -> dict[str, Plain] | None:
        """In which parameters a baseline has other values."""
        if baseline in {"", result.run.configuration.fingerprint}:
            return None
        try:
            other = self._stored.stored_configuration(experiment, baseline)
        except StorageError:  # it was deleted, or the address is of another experiment
            return None
        found = configuration_differences(result.run.configuration, other.configuration)
        return {
            "baseline": self._stored.configuration_name(experiment, baseline),
            "parameters": [
                [
                    one.name,
                    one.our_note or exact_text(one.ours),
                    one.their_note or exact_text(one.theirs),
                ]
                for one in found
            ],
        }

    def console(self, experiment: str, fingerprint: str, run_id: str, after: int = 0) -> dict[str, Plain]:
        """What a run printed.

        Args:
            experiment, fingerprint, run_id: which run.
            after: how many lines the page has already that will not change any more.

        Returns:
            the lines from there on, which begin at ``first``, the newest ones where there are many; and how
            many there are in all.

        Raises:
            LegmError: the run is not there, or its console cannot be read.
        """
        of = self._stored.stored_configuration(experiment, fingerprint)
        path = None if of.folder is None else console_path(of.folder, short_name(run_id))
        if of.folder is None or path is None or not is_own_file(of.folder, path):
            return {"first": 0, "total": 0, "lines": []}
        _, lines = ConsoleTail(path, folder=of.folder).read()
        first = max(0, min(after, len(lines)), len(lines) - _MOST_LINES)
        return {"first": first, "total": len(lines), "lines": [one.text for one in lines[first:]]}

    def patch(self, experiment: str, fingerprint: str, run_id: str) -> dict[str, Plain]:
        """The uncommitted changes of a run's code.

        Raises:
            LegmError: the run is not there, or they cannot be read.
        """
        of, result = self._stored.run(experiment, fingerprint, run_id)
        path = run_patch_path(of.folder, result)
        if of.folder is None or path is None:
            raise StorageError(f"the run {run_id} has no uncommitted changes")
        return {"name": path.name, "text": read_run_patch(of.folder, path).decode("utf-8", "replace")}

    def artifact(
        self, experiment: str, fingerprint: str, run_id: str, name: str
    ) -> tuple[OpenedRunFile, str]:
        """A file of a run, opened, and the type of a picture, a sound or a video; "" of any other file.

        Raises:
            LegmError: the run has no such file, or it cannot be read.
        """
        folder, path = self._artifact_path(experiment, fingerprint, run_id, name)
        return open_run_file(folder, path), _media_type(path)

    def preview(self, experiment: str, fingerprint: str, run_id: str, name: str) -> dict[str, Plain]:
        """The beginning of a file of a run as text.

        Returns:
            ``text``, None where it is not text in UTF-8; and whether ``more`` follows.

        Raises:
            LegmError: the run has no such file, or it cannot be read.
        """
        folder, path = self._artifact_path(experiment, fingerprint, run_id, name)
        data = read_run_file_start(folder, path, _PREVIEWED + 1)
        more = len(data) > _PREVIEWED
        try:
            text = codecs.getincrementaldecoder("utf-8")().decode(data[:_PREVIEWED], final=not more)
        except UnicodeDecodeError:
            return {"text": None, "more": False}
        return {"text": None if "\0" in text else text, "more": more}

    def _artifact_path(self, experiment: str, fingerprint: str, run_id: str, name: str) -> tuple[Path, Path]:
        """The folder of its configuration, and the path of a file of a run."""
        of = self._stored.stored_configuration(experiment, fingerprint)
        folder = None if of.folder is None else artifacts_folder(of.folder, short_name(run_id))
        known = [] if folder is None else [one["name"] for one in _run_detail_files(folder)]
        if of.folder is None or folder is None or name not in known:
            raise StorageError(f"the run {run_id} has no file {name!r}")
        return of.folder, folder / name

    @staticmethod
    def _reproduction(result: RunResult, patch: Path | None) -> list[str]:
        environment = result.run.environment
        git: Any = environment.get("git")
        git = git if isinstance(git, dict) else {}
        folder, commit = str(git.get("folder") or ""), str(git.get("commit") or "")
        target = Path.cwd() / f"{Path(folder).name or 'code'}-{commit[:7]}"
        has_folder = bool(folder) and (Path(folder) / ".git").exists()
        return commands_to_reproduce_origin(
            environment, target, None if patch is None else str(patch.absolute()), has_folder=has_folder
        )


def _media_type(path: Path) -> str:
    return _MEDIA_TYPES.get(path.suffix.lower(), "")


def _run_detail_files(folder: Path) -> list[dict[str, Plain]]:
    """The files in the folder of a run's artifacts, without media and the console; links are left out."""
    found: list[dict[str, Plain]] = []
    if folder.is_symlink() or folder.parent.is_symlink():
        return found
    for parent, folders, names in os.walk(folder):
        if Path(parent) == folder:
            folders[:] = [name for name in folders if name != MEDIA]
        for name in names:
            path = Path(parent, name)
            if path != folder / CONSOLE_FILE and path.is_file() and not path.is_symlink():
                relative = path.relative_to(folder).as_posix()
                kind = _media_type(path).partition("/")[0] or "file"
                found.append({"name": relative, "size": path.stat().st_size, "kind": kind})
    return sorted(found, key=lambda one: str(one["name"]))
