"""Which folders of event files make up one run: a pure function of their paths and contents.

TensorBoard shows each folder as a run. Writers split one run over several folders, which are joined here:

- **Keras** writes into ``train``, ``validation`` and the like, which becomes a prefix of their metrics.
- **PyTorch's** ``add_hparams`` writes into a subfolder of the run that is named after a time. Several of them
  with different hyperparameters are separate runs.
- **PyTorch's** ``add_scalars(main, {name: …})`` writes each name into a folder ``<main>_<name>`` with the
  only tag ``main``, in which ``/`` becomes ``_``: the metric ``<main>/<name>``.

tensorboardX does the same; its newer versions write the values of ``add_scalars`` into ``<main>/<name>``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from legm.records import Plain

__all__ = ["RunFolder", "RunLayoutFolder", "RunLayoutPart", "group_into_run_layout"]

_PART_NAMES = frozenset({"train", "validation", "val", "eval", "test"})
_TIME_NAME = re.compile(r"\d{9,11}\.\d+")


class RunLayoutFolder(Protocol):
    """What the event files of a folder contain."""

    @property
    def only_tag(self) -> str | None:
        """The tag of their numbers, if there is only one and nothing else."""

    @property
    def parameters(self) -> Mapping[str, Plain]:
        """The hyperparameters in them."""


@dataclass(frozen=True, slots=True)
class RunLayoutPart:
    """A folder of event files that is part of a run.

    Args:
        folder: its path.
        prefix: the prefix of its metrics' names.
        only_metric: the name of its only metric instead of its tag; "" for the tag.
    """

    folder: PurePosixPath
    prefix: str = ""
    only_metric: str = ""

    def metric_name(self, tag: str) -> str:
        """The metric's name for a tag."""
        return self.prefix + (self.only_metric or tag)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run: its own folder, and the folders of event files that are part of it, its own first."""

    path: PurePosixPath
    parts: tuple[RunLayoutPart, ...]


def group_into_run_layout(folders: Mapping[PurePosixPath, RunLayoutFolder]) -> list[RunFolder]:
    """Group folders of event files into runs, ordered by path.

    Args:
        folders: each folder that contains event files, by its path relative to the source.
    """
    by_parent: dict[PurePosixPath, list[PurePosixPath]] = {}
    for folder in folders:
        if folder.parts:
            by_parent.setdefault(folder.parent, []).append(folder)
    parents = {}
    for siblings in by_parent.values():
        for folder in siblings:
            if (parent := _parent_run_in_layout(folder, siblings, folders)) is not None:
                parents[folder] = parent
    runs: dict[PurePosixPath, list[RunLayoutPart]] = {}
    for folder in sorted(folders, key=lambda one: one.parts):
        path, prefix, only_metric = folder, "", ""
        while path in parents:
            path, before, name = parents[path]
            prefix, only_metric = before + prefix, only_metric or name
        runs.setdefault(path, []).append(RunLayoutPart(folder, prefix, only_metric))
    return [RunFolder(path, tuple(runs[path])) for path in sorted(runs, key=lambda one: one.parts)]


def _parent_run_in_layout(
    folder: PurePosixPath, siblings: Sequence[PurePosixPath], folders: Mapping[PurePosixPath, RunLayoutFolder]
) -> tuple[PurePosixPath, str, str] | None:
    """The run that a folder is part of, its prefix, and its only metric's name; None for a separate run."""
    tag = folders[folder].only_tag
    if (added := _add_scalars_run_layout(folder, tag)) is not None:
        parent, name = added
        like = [
            one
            for one in siblings
            if folders[one].only_tag == tag and _add_scalars_run_layout(one, tag) is not None
        ]
        if parent in folders or (parent == folder.parent and len(like) > 1):
            return parent, "", f"{tag}/{name}"
    if folder.name in _PART_NAMES:
        return folder.parent, f"{folder.name}/", ""
    if folder.parent in folders and _TIME_NAME.fullmatch(folder.name):
        own = folders[folder].parameters
        others = (folders[one].parameters for one in siblings if _TIME_NAME.fullmatch(one.name))
        return (folder.parent, "", "") if all(one == own for one in others) else None
    return None


def _add_scalars_run_layout(folder: PurePosixPath, tag: str | None) -> tuple[PurePosixPath, str] | None:
    """The run and the name for which ``add_scalars`` wrote into a folder; None if it did not."""
    head, deep = (tag or "").replace("/", "_") + "_", tuple((tag or "").split("/"))
    if not tag:
        return None
    if folder.name.startswith(head) and folder.name != head:
        return folder.parent, folder.name[len(head) :]
    if folder.parts[-len(deep) - 1 : -1] == deep:
        return folder.parents[len(deep)], folder.name
    return None
