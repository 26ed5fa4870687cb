"""Which folders of a run's path name its experiment, and which the run: a pure function of all paths.

Usually the last folder is the run's, and those above it are its experiment. It is otherwise where

- the last folder is the same for all runs (``seed_0/PPO_1``, ``seed_1/PPO_1``): it does not name a run;
- the folder above is named after a seed: no experiment consists of one seed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

__all__ = ["choose_run_name_folders", "infer_run_name_folders", "seed_in_experiment_path"]

_SEED = re.compile(r"(?:(?<![a-z])random[_ -]?)?(?<![a-z])seed[_=. -]*(\d{1,18})(?!\d)", re.IGNORECASE)


def infer_run_name_folders(paths: Iterable[PurePosixPath]) -> dict[PurePosixPath, int]:
    """How many of the last folders of each run's path name the run.

    Args:
        paths: the paths of all runs relative to the source.
    """
    paths = [*paths]
    parts = [path.parts for path in paths if path.parts]
    same = 1
    while (
        len(parts) > 1 and all(len(one) > same for one in parts) and len({one[-same] for one in parts}) == 1
    ):
        same += 1
    return {path: _count_above_experiment_seeds(path.parts, same) for path in paths}


def _count_above_experiment_seeds(parts: Sequence[str], count: int) -> int:
    while count < len(parts) and _SEED.search(parts[-count - 1]):
        count += 1
    return count


def choose_run_name_folders(path: PurePosixPath, inferred: int, known: Mapping[PurePosixPath, int]) -> int:
    """How many folders name a run if earlier imports have decided it for an experiment that it may belong to.

    Args:
        path: the run's path.
        inferred: what would be inferred now.
        known: by the path of an experiment that was imported, how many folders name its runs.
    """
    for count in (inferred, *range(1, len(path.parts) + 1)):
        if known.get(PurePosixPath(*path.parts[:-count])) == count:
            return int(count)
    return inferred


def seed_in_experiment_path(parts: Sequence[str]) -> tuple[int | None, str]:
    """The seed in the names of folders, None without one; and the path without it."""
    seed, kept = None, []
    for part in parts:
        found = _SEED.search(part) if seed is None else None
        if found is not None:
            seed = int(found[1])
            part = f"{part[: found.start()].rstrip('_=. -')}{part[found.end() :]}".strip("_=. -")  # noqa: PLW2901
        if part:
            kept.append(part)
    return seed, "/".join(kept)
