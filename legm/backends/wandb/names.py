"""The names under which legm stores its data in W&B: of projects, groups, keys and files.

The backend writes under these names and the importer looks for them; neither spells one itself. The files
that hold a run exactly are those of :mod:`legm.backends.portable`. Importing this module does not import W&B.
"""

from __future__ import annotations

import hashlib
import math
import re
from typing import TYPE_CHECKING, TypeVar

from legm.backends.portable import DISPLAYS, FOLDER
from legm.backends.portable_media import MEDIA_FOLDER, name_of_portable_media
from legm.core.naming import short_name
from legm.core.system_names import SYSTEM_PREFIX, is_system_name
from legm.media.content_files import content_extension
from legm.records import Configuration, MediaFile, Series, Split, Status

if TYPE_CHECKING:
    from legm.records import FloatArray

__all__ = [
    "ABSENT_VALUES_KEY",
    "AGGREGATES_FILE",
    "AGGREGATE_JOB",
    "BEST_STEP_KEY",
    "CHANGES_FILE",
    "COMPARISON_GROUP",
    "COMPARISON_JOB",
    "COMPUTED_JOBS",
    "CONSOLE_FILE",
    "DESCRIPTION_KEY",
    "DIFFERENT_CODE_KEY",
    "ERROR_KEY",
    "EXPERIMENT_KEY",
    "FINGERPRINT_KEY",
    "HISTORY_PATTERNS",
    "MEDIA_KEYS",
    "METADATA_FILE",
    "REQUIREMENTS_FILE",
    "REWOUND_KEY",
    "RUN_JOB",
    "RUN_KEY",
    "SENT_MARKS_KEY",
    "STATUS_KEY",
    "STEP_KEY",
    "STRETCHES_KEY",
    "SUMMARY_FILE",
    "system_metric_from_wandb",
    "wandb_best_summary_key",
    "wandb_computed_run_id",
    "wandb_config_key",
    "wandb_curve_file_name",
    "wandb_display_history_item",
    "wandb_figure_file_name",
    "wandb_figure_summary_key",
    "wandb_group_name",
    "wandb_history_key",
    "wandb_indexed_summary_key",
    "wandb_media_file",
    "wandb_media_key",
    "wandb_project_name",
    "wandb_status_count_key",
]

_Values = TypeVar("_Values", float, "FloatArray")

RUN_JOB = "run"
"""The job type of a legm run."""
AGGREGATE_JOB = "aggregate"
"""The job type of a W&B run with what was computed over the runs of a configuration."""
COMPARISON_JOB = "comparison"
"""The job type of a W&B run with what was computed over configurations."""
COMPARISON_GROUP = "comparison"

COMPUTED_JOBS = frozenset({AGGREGATE_JOB, COMPARISON_JOB})
"""The job types of W&B runs that are not legm runs."""

EXPERIMENT_KEY = "legm_experiment"
FINGERPRINT_KEY = "legm_fingerprint"
ABSENT_VALUES_KEY = "legm_absent_values"
"""The config key of the keys whose parameters equal their absent value, and so do not count."""
DESCRIPTION_KEY = "legm_description"
RUN_KEY = "legm_run"
"""The config key of the whole run as JSON."""
STATUS_KEY = "legm_status"
SENT_MARKS_KEY = "legm_marks"
"""The config key of a run with the tags and the note that legm last wrote."""
ERROR_KEY = "legm_error"
REWOUND_KEY = "legm_rewound"
"""The summary key of a run that was rewound: the step, and the number of rows before, of each rewind."""
STRETCHES_KEY = "legm_stretches"
"""The config key of a resumed run: the host and the begin of each stretch."""
BEST_STEP_KEY = "best_step"
DIFFERENT_CODE_KEY = "runs/different_code"
"""The summary key of what code averaged runs come from, where it differs."""

STEP_KEY = "legm/step"
"""The history key of a row's step; W&B's own step counts rows."""
MEDIA_KEYS = "media"
"""The first part of the history keys of media."""
HISTORY_PATTERNS = ("dev/*", "test/*", f"{DISPLAYS}/*", f"{MEDIA_KEYS}/*", f"{SYSTEM_PREFIX}*")
"""The history keys whose x axis is :data:`STEP_KEY`."""

CONSOLE_FILE = "output.log"
"""What W&B's page shows as a run's logs."""
SUMMARY_FILE = f"{FOLDER}/summary.json"
"""The file from which an offline run's summary is shown again."""
AGGREGATES_FILE = f"{FOLDER}/aggregated_metrics.json"

METADATA_FILE = "wandb-metadata.json"
CHANGES_FILE = "diff.patch"
REQUIREMENTS_FILE = "requirements.txt"
"""W&B's own files for where a run comes from."""

_MEGABYTE, _MEBIBYTE, _GIBIBYTE = 1e6, float(1 << 20), float(1 << 30)
_SYSTEM_METRICS: dict[str, tuple[str, float | None]] = {
    "process_cpu_utilization_percentage": ("cpu", None),
    "system_memory_usage_percentage": ("memory_percent", None),
    "system_memory_usage_megabytes": ("memory.used", 1.0),
    "process_memory_megabytes": ("proc.memory.rssMB", _MEBIBYTE),
    "disk_usage_percentage": ("disk.root_directory.usagePercent", None),
    "disk_usage_megabytes": ("disk.root_directory.usageGB", _GIBIBYTE),
    "network_receive_megabytes": ("network.recv", 1.0),
    "network_transmit_megabytes": ("network.sent", 1.0),
}
"""W&B's own names of system metrics, and for megabytes the bytes of W&B's unit; a disk's has its path."""
_GPU_METRICS: dict[str, tuple[str, float | None]] = {
    "utilization_percentage": ("gpu", None),
    "memory_usage_percentage": ("memoryAllocated", None),
    "memory_usage_megabytes": ("memoryAllocatedBytes", 1.0),
    "temperature_celsius": ("temp", None),
    "power_usage_watts": ("powerWatts", None),
    "power_usage_percentage": ("powerPercent", None),
}
"""The same of a GPU, behind its number."""
_GPU_NAME = re.compile(r"gpu_([0-9]+)_(.+)")
_WANDB_GPU_NAME = re.compile(r"gpu\.([0-9]+)\.([A-Za-z]+)")
_FROM_WANDB = {one: (name, unit) for name, (one, unit) in _SYSTEM_METRICS.items()}
_FROM_WANDB |= {  # of W&B's own: the disk that holds the system's root, which MLflow calls so too
    f"disk./.{one}": _FROM_WANDB[f"disk.root_directory.{one}"] for one in ("usagePercent", "usageGB")
}
_GPU_FROM_WANDB = {one: (name, unit) for name, (one, unit) in _GPU_METRICS.items()}

_LONGEST_MEDIA_SEGMENT = 60  # bytes; W&B makes it part of a file's name

_TAKEN = re.compile(r"legm_|_|wandb_version$")  # the config keys of legm and W&B begin like this


def wandb_project_name(experiment: str) -> str:
    """The project of an experiment: W&B refuses slashes, ``# ? % :`` and more than 128 characters."""
    return short_name(experiment, 100).replace("%", "_x25_").replace("#", "_x23_")


def wandb_group_name(configuration: Configuration) -> str:
    """The group of a configuration's runs: its readable name and the start of its fingerprint."""
    start = configuration.fingerprint[:15]
    name = short_name(configuration.name, 100) if configuration.name else ""
    return f"{name}-{start}" if name else start


def wandb_computed_run_id(job: str, *parts: str) -> str:
    """The id of the one W&B run that holds what was computed over runs."""
    digest = hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()
    return f"{job}-{digest[:24]}"


def wandb_config_key(name: str) -> str:
    """The config key of a parameter."""
    return f"param/{name}" if _TAKEN.match(name) or not name else name


def wandb_history_key(series: Series) -> str:
    """The history key of a metric; of a test metric, the summary key too."""
    return f"{series.split.value}/{series.name}"


def wandb_display_history_item(name: str, value: float) -> tuple[str, float]:
    """The history key of a number that is only shown, and the number there.

    A system metric is ``system/`` and the name of W&B's own monitor, in the unit of W&B's. That is how W&B's
    page calls those of its monitor too. One that W&B does not have keeps its name and unit.
    """
    if not is_system_name(name):
        return f"{DISPLAYS}/{name}", value
    own = name.removeprefix(SYSTEM_PREFIX)
    gpu = _GPU_NAME.fullmatch(own)
    key, unit = _GPU_METRICS.get(gpu[2], (None, None)) if gpu else _SYSTEM_METRICS.get(own, (None, None))
    if key is None:
        return name, value
    key = f"gpu.{gpu[1]}.{key}" if gpu else key
    return f"{SYSTEM_PREFIX}{key}", value if unit is None else _bytes_from_megabytes(value) / unit


def _bytes_from_megabytes(value: float) -> float:
    """As a whole number where megabytes were computed from one, so that the way back is exact."""
    found = value * _MEGABYTE
    whole = float(round(found)) if math.isfinite(found) else found
    return whole if whole / _MEGABYTE == value else found


def system_metric_from_wandb(name: str, values: _Values) -> tuple[str, _Values]:
    """The name of a system metric for a name of W&B's monitor, and its values in the unit of that name.

    Args:
        name: without a prefix; one that legm has no name for is kept, with its unit.
        values: of W&B's; a number or an array.
    """
    gpu = _WANDB_GPU_NAME.fullmatch(name)
    own, unit = _GPU_FROM_WANDB.get(gpu[2], (None, None)) if gpu else _FROM_WANDB.get(name, (None, None))
    if own is None:
        return f"{SYSTEM_PREFIX}{name}", values
    own = f"gpu_{gpu[1]}_{own}" if gpu else own
    return f"{SYSTEM_PREFIX}{own}", values if unit is None else values * unit / _MEGABYTE


def wandb_media_key(name: str) -> str:
    """The history key of a medium, of which W&B makes the path of its file: no part of it leads elsewhere."""
    segments = [short_name(one, _LONGEST_MEDIA_SEGMENT) if one else "_x2f_" for one in name.split("/")]
    return "/".join([MEDIA_KEYS, *segments])


def wandb_media_file(file: MediaFile) -> str:
    """The file that holds a file of a medium as it was logged."""
    return f"{MEDIA_FOLDER}/{name_of_portable_media(file)}{content_extension(file.path)}"


def wandb_best_summary_key(metric: str) -> str:
    """The summary key of a metric's value at the best step."""
    return f"best/{metric}"


def wandb_indexed_summary_key(series: Series) -> str:
    """The summary key of the table of an indexed metric."""
    return f"indexed/{'test' if series.split is Split.TEST else 'best'}_{series.name}"


def wandb_status_count_key(status: Status) -> str:
    """The summary key of the number of runs that ended with a status."""
    return f"runs/{status.value}"


def wandb_curve_file_name(metric: str) -> str:
    """The file with the aggregated curve of a metric."""
    return f"curves/{short_name(metric)}.csv"


def wandb_figure_file_name(name: str, extension: str) -> str:
    """The file with a figure."""
    return f"plots/{short_name(name)}.{extension}"


def wandb_figure_summary_key(name: str) -> str:
    """The summary key of a figure."""
    return f"plots/{name}"
