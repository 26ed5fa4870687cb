"""What kind of parameter one is, judging by its name and values: a seed, a device, a path, … Pure.

Both name and values must match: ``device="cuda:1"`` looks like a device, ``device="iPhone"`` does not, and
``num_seeds=5`` is a count.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable

from legm.records import Plain

__all__ = ["describe_parameter_kind", "infer_parameter_kind", "is_own_time"]

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_COUNT_WORDS = frozenset(
    {"n", "num", "number", "count", "max", "min", "total", "per", "size", "length", "ratio"}
)
_SEED_WORDS = frozenset({"seed", "rng", "repetition", "replicate", "trial"})
_DEVICE_WORDS = frozenset({"device", "gpu", "cuda", "accelerator"})
_WORKER_WORDS = frozenset(
    {"worker", "workers", "jobs", "thread", "threads", "proc", "procs", "processes", "cpus", "cores"}
)
_HOST_WORDS = frozenset({"host", "hostname", "machine", "nodename", "port", "pid"})
_HOST_WORD_PAIRS = frozenset(
    {"nodename", "jobid", "runid", "processid", "masteraddr", "localrank", "noderank"}
)
_RUN_NAME_WORD_PAIRS = frozenset({"runname", "trialname", "trialid", "jobname"})
_TIME_WORDS = frozenset({"time", "timestamp", "date", "datetime", "started", "created", "stamp"})
_DATA_TIME_WORDS = frozenset({"start", "end", "split", "until"})  # times that are part of the data,
_DATA_MOMENT_WORDS = _DATA_TIME_WORDS - {"start", "end"}  # also where they have a time of day
_WRITTEN_WORDS = frozenset({
    "out", "output", "outputs", "outdir", "save", "saved", "savedir", "log", "logs", "logdir", "logging",
    "checkpoint", "checkpoints", "ckpt", "result", "results", "tensorboard", "run", "runs", "work", "workdir",
    "working", "cache", "tmp", "temp", "artifact", "artifacts", "export", "dump", "scratch",
})  # fmt: skip
_READ_WORDS = frozenset({
    "data", "dataset", "datasets", "train", "training", "test", "val", "valid", "validation", "eval", "input",
    "inputs", "load", "init", "resume", "from", "pretrained", "restore", "weights", "model", "teacher",
    "source", "corpus", "vocab", "tokenizer", "config",
})  # fmt: skip
_PATH_WORDS = frozenset({
    "dir", "directory", "path", "folder", "file", "filename", "root", "location", "uri", "outdir", "savedir",
    "logdir", "workdir",
})  # fmt: skip
_STATE_NAMES = frozenset({
    "_current_progress_remaining", "_episode_num", "_last_episode_starts", "_last_obs", "_last_original_obs",
    "_n_calls", "_n_updates", "_num_timesteps_at_start", "ep_info_buffer", "ep_success_buffer",
    "num_timesteps",
})  # fmt: skip
"""Attributes of a model of Stable-Baselines3 that say how far a training is; its callbacks log them all."""
_DEVICE_VALUE = re.compile(
    r"(cpu|gpu|cuda|mps|xpu|tpu|hpu|auto|none)(:\d+)?(,\s*\d+)*|\d+(,\s*\d+)*", re.IGNORECASE
)
_HOST_VALUE = re.compile(r"[\w-]+(\.[\w-]+)*(:\d+)?", re.ASCII)
_DAY = r"(?P<year>\d{4})[-_/.]?(?P<month>\d{2})[-_/.]?(?P<day>\d{2})"
_TIME_OF_DAY = r"(?P<hour>\d{2})[-_:h.]?(?P<minute>\d{2})([-_:m.]?(?P<second>\d{2}))?(\.\d+)?"
_MOMENT = re.compile(rf"{_DAY}[T _-]*{_TIME_OF_DAY}\s*(Z|[+-]\d{{2}}:?\d{{2}})?")
_DATE = re.compile(_DAY)
_PATH = re.compile(r"(/|~|\.\.?[/\\]|[A-Za-z]:[/\\]|\\\\|[a-z][a-z0-9+.-]*://).*", re.DOTALL)
_CLOCK_UNITS = (1, 10**3, 10**6, 10**9)  # per second
_CLOCK_RANGE = 946_684_800, 4_102_444_800  # the years 2000 to 2100, in seconds since 1970
_OWN_TIME = 2 * 86_400  # seconds: time zones, a job that waits, and a sweep that begins before its runs


def _words_in_parameter_name(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _is_whole_number_kind_value(value: Plain) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_device_kind_value(value: Plain) -> bool:
    if isinstance(value, list):
        return all(map(_is_whole_number_kind_value, value))
    return isinstance(value, int) or (isinstance(value, str) and bool(_DEVICE_VALUE.fullmatch(value)))


def _is_host_kind_value(value: Plain) -> bool:
    return _is_whole_number_kind_value(value) or (
        isinstance(value, str) and bool(_HOST_VALUE.fullmatch(value))
    )


def _is_moment_kind_value(value: Plain) -> bool:
    """Whether a text is a date with a time of day."""
    return isinstance(value, str) and bool(_MOMENT.fullmatch(value))


def _is_number_kind_value(value: Plain) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _seconds_of_time(value: Plain) -> float | None:
    """The seconds since 1970 of a date, with or without a time of day, or of a clock; None for no time.

    A date or time is taken as one of UTC.
    """
    if isinstance(value, (int, float)):
        low, high = _CLOCK_RANGE
        return next((value / unit for unit in _CLOCK_UNITS if low <= value / unit < high), None)
    found = (_MOMENT.fullmatch(value) or _DATE.fullmatch(value)) if isinstance(value, str) else None
    if found is None:
        return None
    parts = {name: int(part or 0) for name, part in found.groupdict().items()}
    try:
        return datetime.datetime(**parts, tzinfo=datetime.timezone.utc).timestamp()
    except ValueError:
        return None


def is_own_time(value: Plain, began: float, ended: float) -> bool:
    """Whether a value is a time of its run's own: at most two days before its begin or after its end.

    A time that is further away, such as the date up to which there are data, is one that somebody chose.

    Args:
        value: in plain form: a date, a date with a time of day, or what a clock said, in s, ms, us or ns
            since 1970.
        began, ended: when the run began and ended, in seconds since 1970.
    """
    seconds = _seconds_of_time(value)
    return seconds is not None and began - _OWN_TIME <= seconds <= ended + _OWN_TIME


def _is_path_kind_value(value: Plain) -> bool:
    return isinstance(value, str) and bool(_PATH.fullmatch(value))


def _last_path_kind_value_part(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


def _is_seed_kind_name(words: list[str]) -> bool:
    joined = "".join(words[-2:])
    named = words[-1] in _SEED_WORDS or words[0] == "seed" or joined in {"randomstate", "seedeverything"}
    return named and _COUNT_WORDS.isdisjoint(words)


def _is_device_kind_name(words: list[str]) -> bool:
    significant = words[:-1] if words[-1] in {"id", "index", "type"} else words
    return bool(significant) and significant[-1] in _DEVICE_WORDS and _COUNT_WORDS.isdisjoint(words)


def _is_host_kind_name(words: list[str]) -> bool:
    return words[-1] in _HOST_WORDS or "".join(words[-2:]) in _HOST_WORD_PAIRS


def _is_time_kind_name(words: list[str]) -> bool:
    return words[-1] in _TIME_WORDS and (_READ_WORDS | _DATA_TIME_WORDS).isdisjoint(words)


def _is_output_kind_name(words: list[str]) -> bool:
    """Whether a name suggests a path that is written to."""
    is_path = words[-1] in _PATH_WORDS or words[-1] in {"output", "out"}
    return is_path and not _WRITTEN_WORDS.isdisjoint(words) and _READ_WORDS.isdisjoint(words)


def infer_parameter_kind(
    name: str, values: Iterable[Plain], *, more_to_come: bool = False, are_own_times: bool = False
) -> str | None:
    """What a parameter looks like: seed, device, workers, host, run name, time, path, or state of a training.

    Args:
        name: its name; only the last part of a dotted or grouped one counts.
        values: its different values in plain form; None if some run does not have it.
        more_to_come: whether it may still vary, so that a matching name and value are enough.
        are_own_times: whether each is a time of its run's own (:func:`is_own_time`).

    Returns:
        the kind; None for any other parameter.
    """
    values = list(values)
    known = [value for value in values if value is not None and value is not False]
    words = _words_in_parameter_name(re.split(r"[./]", name)[-1]) or _words_in_parameter_name(name)
    if not known or not words:
        return None
    if _is_seed_kind_name(words) and all(map(_is_whole_number_kind_value, known)):
        return "seed"
    if len(values) < 2 and not more_to_come:
        return None
    if re.split(r"[./]", name)[-1] in _STATE_NAMES:
        return "state of a training"
    if _is_device_kind_name(words) and all(map(_is_device_kind_value, known)):
        return "device"
    if words[-1] in _WORKER_WORDS and all(map(_is_whole_number_kind_value, known)):
        return "workers"
    if _is_host_kind_name(words) and all(map(_is_host_kind_value, known)):
        return "host"
    if "".join(words[-2:]) in _RUN_NAME_WORD_PAIRS and all(isinstance(value, (str, int)) for value in known):
        return "run name"
    if are_own_times and (
        (all(map(_is_moment_kind_value, known)) and (_READ_WORDS | _DATA_MOMENT_WORDS).isdisjoint(words))
        or _is_time_kind_name(words)
        or (words[-1] in _TIME_WORDS and all(map(_is_number_kind_value, known)))
    ):
        return "time"
    if _is_output_kind_name(words) and all(isinstance(value, str) for value in known):
        return "path"
    # If some runs have no path at all, the values differ in more than their folders.
    if (
        1 < len(known) == len(values)
        and all(map(_is_path_kind_value, known))
        and len(set(map(_last_path_kind_value_part, known))) == 1
    ):
        return "path"
    return None


def describe_parameter_kind(kind: str) -> str:
    """A kind of :func:`infer_parameter_kind` in words: ``looks like a seed``."""
    return f"looks like {'a number of workers' if kind == 'workers' else f'a {kind}'}"
