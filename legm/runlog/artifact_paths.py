"""Where the files of a run are: in the folder of its configuration, whatever path its log names."""

from __future__ import annotations

import re
from pathlib import Path

from legm.runlog.file_names import ARTIFACTS, OPEN
from legm.util.given_paths import resolved_path

__all__ = ["ArtifactPaths"]

_SEPARATORS = re.compile(r"[/\\]")


class ArtifactPaths:
    """The paths of a run's files, which are found again where a root directory was moved.

    A log that somebody else made may name any file of this machine, so the path that it has is not obeyed:
    only what follows the configuration's folder in it counts, and no link leads out of that folder.

    Args:
        log: the path of the run's log.
        run_id: the run's id.
    """

    def __init__(self, log: Path, run_id: str) -> None:
        logs = log.parent.parent if log.parent.name == OPEN else log.parent
        self._folder = logs.parent
        self._own = [ARTIFACTS, run_id]

    def current(self, recorded: str) -> Path | None:
        """Where a file is now.

        Args:
            recorded: its path when the log was written.

        Returns:
            None where it is not in the configuration's folder.
        """
        parts = _SEPARATORS.split(recorded)
        starts = [at for at in range(len(parts) - 2) if parts[at : at + 2] == self._own]
        inside = parts[starts[-1] :] if starts else parts[-1:]
        if not {"", ".", ".."}.isdisjoint(inside):
            return None
        path = self._folder.joinpath(*inside)
        return path if resolved_path(path).is_relative_to(resolved_path(self._folder)) else None
