"""The folders of the original legm: which are configurations, and which files belong to which runs.

::

    <root>/<experiment>/<names of parameters>_<k>/    or any path below the experiment
        params.yml                 the parameters of the last run; in later versions of each: experiment_0, …
        names.txt                  which of them make up the name
        obj.pkl                    the handler, pickled at the last start
        metrics.yml                an entry for each completed run: experiment_0, …
        indexed_metrics.yml        the same for metrics of single examples
        steps.yml                  the steps of each metric in its longest run
        aggregated_metrics.yml, plots/, log.txt, custom data, models
        tensorboard/               event files, one for each start

The files of runs with a description start with it: ``<description>-model.pt``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from legm.backends.mlflow.names import ARTIFACTS_FOLDER
from legm.importers.import_notes import ImportNotes
from legm.importers.legm_root import is_legm_root_file

__all__ = [
    "READ_FILES",
    "classic_configuration_folders",
    "classic_file_description",
    "classic_layout_start_time",
]

METRICS, INDEXED_METRICS = "metrics.yml", "indexed_metrics.yml"
READ_FILES = frozenset({METRICS, INDEXED_METRICS, "params.yml", "steps.yml", "obj.pkl", "names.txt"})
"""The files of a configuration's folder that are read instead of copied."""
_SKIPPED_FOLDERS = frozenset({"tensorboard", "plots", "mlruns", ARTIFACTS_FOLDER, "wandb"})
_EVENT_FILE_NAME = re.compile(r"events\.out\.tfevents\.(\d{9,10})\.")


def is_classic_configuration_folder(names: Collection[str]) -> bool:
    """Whether these are the names of the files in a configuration's folder."""
    if "meta.yaml" in names:
        return False
    return "obj.pkl" in names or ("params.yml" in names and not {METRICS, INDEXED_METRICS}.isdisjoint(names))


def classic_configuration_folders(
    root: Path, notes: ImportNotes, *, max_depth: int | None = None
) -> Iterator[Path]:
    """The configurations' folders in a folder, including itself; links are not followed.

    Args:
        root: the folder.
        notes: collects what is left out.
        max_depth: how many levels down to look; None for all.
    """

    def note_unreadable_classic_folder(error: OSError) -> None:
        notes.add(f"folders that cannot be read: {error.strerror}", str(error.filename))

    for parent, names, files in os.walk(root, onerror=note_unreadable_classic_folder):
        folder = Path(parent)
        if "params.yml" in files and is_legm_root_file(folder / "params.yml"):
            names.clear()
            continue
        names[:] = sorted(name for name in names if name[0] != "." and name not in _SKIPPED_FOLDERS)
        if "meta.yaml" in files or len(folder.relative_to(root).parts) == max_depth:
            names.clear()
        if is_classic_configuration_folder(files):
            yield folder
        else:
            for name in names:
                if (folder / name).is_symlink():
                    notes.add("links to folders, which may lead anywhere, were left out", str(folder / name))


def classic_layout_start_time(folder: Path) -> float:
    """When a configuration's first run started (s), from the names of its event files; 0 without any."""
    try:
        names = [one.name for one in (folder / "tensorboard").iterdir()]
    except OSError:
        return 0.0
    return float(min((int(one[1]) for name in names if (one := _EVENT_FILE_NAME.match(name))), default=0))


def classic_file_description(name: str, descriptions: Collection[str]) -> str:
    """The description of the runs that a file or folder of a configuration belongs to, from its name."""
    fitting = [one for one in descriptions if one and name.startswith(f"{one}-")]
    return max(fitting, key=len, default="")
