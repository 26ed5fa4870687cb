"""A run's folder of W&B without its log: its configuration and the last value of each metric are known.

Users delete logs because they are large, or copy only the files of their runs. What remains are the files
``config.yaml``, ``wandb-summary.json`` and ``wandb-metadata.json``.
"""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from legm.core.point_columns import points_from_blocks
from legm.errors import CorruptFile
from legm.importers.plain_yaml import parse_plain_yaml
from legm.importers.size_limits import read_within_size_limit
from legm.importers.wandb.history_rows import (
    WANDB_KEYS,
    history_number,
    history_time,
    restore_non_finite_history,
)
from legm.importers.wandb.json_items import flatten_json
from legm.importers.wandb.run_conversion import ExternalWandbRun
from legm.importers.wandb.run_metadata import parse_wandb_json_mapping, wandb_origin_in_metadata
from legm.records import Points, Series, Status

__all__ = ["FILES_OF_RUN", "last_values_without_log", "read_folder_without_log", "run_id_in_folder_name"]

FILES_OF_RUN = ("config.yaml", "wandb-summary.json")
"""The files of which a run has at least one."""
_FOLDER_NAME = re.compile(r"(?:offline-)?run-(\d{8}_\d{6})-(.+)")
_FRACTION = re.compile(r"(\.\d{6})\d+")  # nanoseconds, which not every Python reads
_MAX_BYTES = 16 << 20
_REMEDY = "Delete it in a copy of the folder."
_STEP_LIMIT = 2**62


def run_id_in_folder_name(folder: Path) -> str | None:
    """The run's id in a folder's name; None if it is not a run's folder."""
    found = _FOLDER_NAME.fullmatch(folder.name)
    return found[2] if found else None


def read_folder_without_log(folder: Path) -> tuple[ExternalWandbRun, dict[str, Any]] | None:
    """The run of a folder without a log, and its flattened summary; None if nothing of a run is there.

    Raises:
        CorruptFile: a file is not what W&B writes.
        StorageError: a file cannot be read.
    """
    name = _FOLDER_NAME.fullmatch(folder.name)
    files = folder / "files"
    if name is None or not any(_is_file_in_wandb_folder(files / one) for one in FILES_OF_RUN):
        return None
    config = _read_wandb_folder_config(files / "config.yaml")
    summary = _read_wandb_folder_json(files / "wandb-summary.json")
    metadata = _read_wandb_folder_json(files / "wandb-metadata.json")
    started = _parse_wandb_folder_time(metadata.get("startedAt")) or _time_in_wandb_folder_name(name[1])
    ended = history_time(history_number(summary.get("_timestamp", 0.0)), 0.0) or None
    values = flatten_json({key: value for key, value in summary.items() if key not in WANDB_KEYS})
    texts = {key: value for key, value in values.items() if not isinstance(value, (bool, int, float))}
    run = ExternalWandbRun(
        run_id=name[2],
        project="",
        entity="",
        name="",
        group="",
        job_type="",
        notes="",
        tags=(),
        status=Status.COMPLETED if summary else Status.INTERRUPTED,
        error=None if summary else "its folder has no summary",
        started=started,
        ended=ended,
        parameters=flatten_json(config),
        summary=texts,
        origin=wandb_origin_in_metadata(metadata),
    )
    return run, summary


def last_values_without_log(summary: Mapping[str, Any], time: float) -> Iterator[Points]:
    """The last value of each metric, from a summary.

    Args:
        summary: the summary.
        time: when it was written, in seconds since 1970.
    """
    given = history_number(summary.get("_step", 0))
    step = int(given) if abs(given) < _STEP_LIMIT else 0
    tree = {key: restore_non_finite_history(one) for key, one in summary.items() if key not in WANDB_KEYS}
    found = {
        Series(name): history_number(value)
        for name, value in flatten_json(tree).items()
        if isinstance(value, (bool, int, float))
    }
    if found:
        values = np.array([[*found.values()]])
        yield points_from_blocks([(tuple(found), np.array([step]), np.array([time]), values)])


def _is_file_in_wandb_folder(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _read_wandb_folder_config(path: Path) -> dict[str, Any]:
    """The configuration: a mapping from names to their values, each below the key ``value``."""
    if not _is_file_in_wandb_folder(path):
        return {}
    content = parse_plain_yaml(path, read_within_size_limit(path, _MAX_BYTES, _REMEDY)) or {}
    if not isinstance(content, dict):
        raise CorruptFile(path, "line 1", "it is not a mapping", _REMEDY)
    return {
        name: one["value"]
        for name, one in content.items()
        if isinstance(one, dict) and "value" in one and name not in {"_wandb", "wandb_version"}
    }


def _read_wandb_folder_json(path: Path) -> dict[str, Any]:
    if not _is_file_in_wandb_folder(path):
        return {}
    content = read_within_size_limit(path, _MAX_BYTES, _REMEDY)
    try:
        return parse_wandb_json_mapping(content)
    except ValueError as cause:
        raise CorruptFile(path, "the file", str(cause), _REMEDY) from cause


def _parse_wandb_folder_time(text: Any) -> float | None:
    try:
        found = datetime.fromisoformat(_FRACTION.sub(r"\1", str(text)).replace("Z", "+00:00"))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()


def _time_in_wandb_folder_name(text: str) -> float:
    """The time in a folder's name, read as UTC: in which time zone it was written is not known."""
    try:
        return float(calendar.timegm(time.strptime(text, "%Y%m%d_%H%M%S")))
    except ValueError:
        return 0.0
