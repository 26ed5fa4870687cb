"""Which folders of event files are one run: a pure function of where they are and what is in them.

TensorBoard shows each folder as a run of its own. Writers split one run over several, which join it here:

- **Keras** writes into ``train``, ``validation`` and the like: their metrics get that in front.
- **PyTorch's** ``add_hparams`` writes into a folder that is named by a time, in that of the run. Several with
  different hyperparameters are runs of their own.
- **PyTorch's** ``add_scalars(main, {name: …})`` writes each into a folder ``<main>_<name>`` with the only tag
  ``main``, a ``/`` in it being ``_``: the metric ``<main>/<name>``.

tensorboardX does as PyTorch; newer versions of it write what is added together into ``<main>/<name>``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from legm.records import Plain

__all__ = ["FolderContents", "RunFolder", "RunPart", "group_into_runs"]

_PART_NAMES = frozenset({"train", "validation", "val", "eval", "test"})
_TIME_NAME = re.compile(r"\d{9,11}\.\d+")


class FolderContents(Protocol):
    """What is in the event files of a folder."""

    @property
    def only_tag(self) -> str | None:
        """The tag of their numbers, where there is just one, and nothing else."""

    @property
    def parameters(self) -> Mapping[str, Plain]:
        """The hyperparameters in them."""


@dataclass(frozen=True, slots=True)
class RunPart:
    """A folder of event files that belongs to a run.

    Args:
        folder: where it is.
        prefix: what is in front of the names of its metrics.
        whole: what its only metric is called instead of its tag; "" for the tag.
    """

    folder: PurePosixPath
    prefix: str = ""
    whole: str = ""

    def metric_name(self, tag: str) -> str:
        """What a tag in it is called."""
        return self.prefix + (self.whole or tag)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run: the folder that is its own, and the folders of event files that belong to it, its own first."""

    path: PurePosixPath
    parts: tuple[RunPart, ...]


def group_into_runs(folders: Mapping[PurePosixPath, FolderContents]) -> list[RunFolder]:
    """The runs, by path.

    Args:
        folders: each folder that holds event files, by its path below one folder.
    """
    beside: dict[PurePosixPath, list[PurePosixPath]] = {}
    for folder in folders:
        if folder.parts:
            beside.setdefault(folder.parent, []).append(folder)
    parents = {}
    for siblings in beside.values():
        for folder in siblings:
            if (parent := _parent_run(folder, siblings, folders)) is not None:
                parents[folder] = parent
    runs: dict[PurePosixPath, list[RunPart]] = {}
    for folder in sorted(folders, key=lambda one: one.parts):
        path, prefix, whole = folder, "", ""
        while path in parents:
            path, before, name = parents[path]
            prefix, whole = before + prefix, whole or name
        runs.setdefault(path, []).append(RunPart(folder, prefix, whole))
    return [RunFolder(path, tuple(runs[path])) for path in sorted(runs, key=lambda one: one.parts)]


def _parent_run(
    folder: PurePosixPath, siblings: Sequence[PurePosixPath], folders: Mapping[PurePosixPath, FolderContents]
) -> tuple[PurePosixPath, str, str] | None:
    """Whose part a folder is, its prefix there, and what its only metric is called; None for a whole run."""
    tag = folders[folder].only_tag
    if (added := _add_scalars_target(folder, tag)) is not None:
        parent, name = added
        like = [
            one
            for one in siblings
            if folders[one].only_tag == tag and _add_scalars_target(one, tag) is not None
        ]
        if parent in folders or (parent == folder.parent and len(like) > 1):
            return parent, "", f"{tag}/{name}"
    if folder.name in _PART_NAMES:
        return folder.parent, f"{folder.name}/", ""
    if folder.parent in folders and _TIME_NAME.fullmatch(folder.name):
        own = folders[folder].parameters
        told = (folders[one].parameters for one in siblings if _TIME_NAME.fullmatch(one.name))
        return (folder.parent, "", "") if all(one == own for one in told) else None
    return None


def _add_scalars_target(folder: PurePosixPath, tag: str | None) -> tuple[PurePosixPath, str] | None:
    """Whose number ``add_scalars`` wrote into a folder, and its name; None where it did not."""
    head, deep = (tag or "").replace("/", "_") + "_", tuple((tag or "").split("/"))
    if not tag:
        return None
    if folder.name.startswith(head) and folder.name != head:
        return folder.parent, folder.name[len(head) :]
    if folder.parts[-len(deep) - 1 : -1] == deep:
        return folder.parents[len(deep)], folder.name
    return None
