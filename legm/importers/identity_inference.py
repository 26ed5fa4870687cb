"""Which parameters of imported runs identify a configuration: a pure function of the runs' parameters.

Other trackers store runs, not configurations: nothing states that a run with another seed belongs to the same
configuration. So this is inferred for each experiment, and the user reviews it. A parameter is proposed as
*not compared*

1. if its name and its values look like those of a **seed**, whether it varies or not, since the next run will
   have another one;
2. if it varies, and its name and its values look like those of a **device**, of **workers**, of a **host** or
   process, of a **time**, or of a **path that is written to**;
3. if it varies, every run has a **path** in it, whatever its name, and the last part of all these paths is
   the same: one file or folder at different paths on different machines.

Captured runs arrive one by one, so a parameter may not have varied yet. For them, rule 2 only requires a
matching name and value.

Both name and values must match: ``device="cuda:1"`` looks like a device, ``device="iPhone"`` does not, and
``num_seeds=5`` is a count. Everything else is compared. In doubt runs are therefore kept apart, which is
obvious and fixed with ``--ignore``, instead of being averaged together, which might go unnoticed. A path that
is read (of data, of a pretrained model) only falls under rule 3.

If the source knows whether a parameter is compared, nothing is inferred: a parameter that no run compares is
ignored, one that all runs compare is compared, and one on which runs disagree stays as it was for each run.

Where these parameters do not tell runs apart, names, groups, tags and the like may:
:mod:`legm.importers.label_identity`.

The rules never look at metrics, and at a parameter's values only as a set: neither the order nor the number
of runs changes the proposal, only which values occur. Parameters that are not compared never join runs that
differ in a compared one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from legm.core.parameters import format_name_value
from legm.core.texts import counted
from legm.importers.label_identity import infer_labels, label_values
from legm.importers.observed import ObservedRuns
from legm.importers.value_parsing import parse_value_text
from legm.records import Plain

__all__ = ["UNDECIDED", "Identity", "infer_identity", "infer_parameter_kind"]

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_MAX_NAMES, _MAX_VALUE_LENGTH = 4, 24
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
_TIME_WORDS = frozenset({"time", "timestamp", "date", "datetime", "started", "created", "stamp"})
_DATA_TIME_WORDS = frozenset({"start", "end", "split", "until"})  # times that are part of the data
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
_DEVICE_VALUE = re.compile(
    r"(cpu|gpu|cuda|mps|xpu|tpu|hpu|auto|none)(:\d+)?(,\s*\d+)*|\d+(,\s*\d+)*", re.IGNORECASE
)
_HOST_VALUE = re.compile(r"[\w-]+(\.[\w-]+)*(:\d+)?", re.ASCII)
_MOMENT = re.compile(
    r"\d{4}[-_/.]?\d{2}[-_/.]?\d{2}[T _-]*\d{2}[-_:h.]?\d{2}([-_:m.]?\d{2})?(\.\d+)?\s*(Z|[+-]\d{2}:?\d{2})?"
)
_DAY = re.compile(r"\d{4}[-_/.]?\d{2}[-_/.]?\d{2}")
_PATH = re.compile(r"(/|~|\.\.?[/\\]|[A-Za-z]:[/\\]|\\\\|[a-z][a-z0-9+.-]*://).*", re.DOTALL)
_EPOCHS = ((946_684_800, 4_102_444_800), (946_684_800_000, 4_102_444_800_000))  # 2000 to 2100, in s and ms


@dataclass(frozen=True, slots=True)
class Identity:
    """Which parameters identify the configurations of one experiment.

    Args:
        ignored: the parameters that are not compared, each with a short reason.
        compared: all other parameters.
        named: the compared parameters that make up a configuration's name, most important first.
        labels: the use (:class:`legm.importers.labels.LabelUse`) of each label about which something is
            decided. One that is not ignored is a parameter of the configurations.
        run_folders: in a source of folders, how many of the last ones name a run of the experiment.
    """

    ignored: Mapping[str, str] = field(default_factory=dict)
    compared: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    run_folders: int = 1


UNDECIDED = Identity()


def _words_in_name(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _is_whole_observed_value(value: Plain) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_device_value(value: Plain) -> bool:
    if isinstance(value, list):
        return all(map(_is_whole_observed_value, value))
    return isinstance(value, int) or (isinstance(value, str) and bool(_DEVICE_VALUE.fullmatch(value)))


def _is_host_value(value: Plain) -> bool:
    return _is_whole_observed_value(value) or (isinstance(value, str) and bool(_HOST_VALUE.fullmatch(value)))


def _is_moment_value(value: Plain) -> bool:
    """Whether a text is a date with a time of day."""
    return isinstance(value, str) and bool(_MOMENT.fullmatch(value))


def _is_time_value(value: Plain) -> bool:
    if isinstance(value, (int, float)):
        return any(low <= value < high for low, high in _EPOCHS)
    return _is_moment_value(value) or (isinstance(value, str) and bool(_DAY.fullmatch(value)))


def _is_path_value(value: Plain) -> bool:
    return isinstance(value, str) and bool(_PATH.fullmatch(value))


def _last_name_part(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


def _is_seed_name(words: list[str]) -> bool:
    joined = "".join(words[-2:])
    named = words[-1] in _SEED_WORDS or words[0] == "seed" or joined in {"randomstate", "seedeverything"}
    return named and _COUNT_WORDS.isdisjoint(words)


def _is_device_name(words: list[str]) -> bool:
    significant = words[:-1] if words[-1] in {"id", "index", "type"} else words
    return bool(significant) and significant[-1] in _DEVICE_WORDS and _COUNT_WORDS.isdisjoint(words)


def _is_host_name(words: list[str]) -> bool:
    return words[-1] in _HOST_WORDS or "".join(words[-2:]) in _HOST_WORD_PAIRS


def _is_time_name(words: list[str]) -> bool:
    return words[-1] in _TIME_WORDS and (_READ_WORDS | _DATA_TIME_WORDS).isdisjoint(words)


def _is_output_name(words: list[str]) -> bool:
    """Whether a name suggests a path that is written to."""
    is_path = words[-1] in _PATH_WORDS or words[-1] in {"output", "out"}
    return is_path and not _WRITTEN_WORDS.isdisjoint(words) and _READ_WORDS.isdisjoint(words)


_KIND_TEXTS = {"workers": "a number of workers"}
"""Kinds in words, where that is not the kind with an article."""


def infer_parameter_kind(name: str, values: Iterable[Plain], *, more_to_come: bool = False) -> str | None:
    """What a parameter looks like: seed, device, workers, host, time or path; None for any other.

    Args:
        name: its name; only the last part of a dotted or grouped one counts.
        values: its different values in plain form; None if some run does not have it.
        more_to_come: whether it may still vary, so that a matching name and value are enough.
    """
    values = list(values)
    known = [value for value in values if value is not None and value is not False]
    words = _words_in_name(re.split(r"[./]", name)[-1]) or _words_in_name(name)
    if not known or not words:
        return None
    if _is_seed_name(words) and all(map(_is_whole_observed_value, known)):
        return "seed"
    if len(values) < 2 and not more_to_come:
        return None
    if _is_device_name(words) and all(map(_is_device_value, known)):
        return "device"
    if words[-1] in _WORKER_WORDS and all(map(_is_whole_observed_value, known)):
        return "workers"
    if _is_host_name(words) and all(map(_is_host_value, known)):
        return "host"
    if all(map(_is_moment_value, known)) or (_is_time_name(words) and all(map(_is_time_value, known))):
        return "time"
    if _is_output_name(words) and all(isinstance(value, str) for value in known):
        return "path"
    # If some runs have no path at all, the values differ in more than their folders.
    if (
        1 < len(known) == len(values)
        and all(map(_is_path_value, known))
        and len(set(map(_last_name_part, known))) == 1
    ):
        return "path"
    return None


def infer_identity(
    observed: ObservedRuns, given: Identity = UNDECIDED, *, more_to_come: bool = False
) -> Identity:
    """Infer which parameters and labels identify an experiment's configurations.

    Args:
        observed: what was observed of the runs.
        given: what is already decided; the rest is inferred. A ``named`` that is not empty is kept.
        more_to_come: whether further runs are expected, so that a parameter does not have to vary to count as
            a device, a host, a time or a path that is written to.
    """
    ignored, compared = dict(given.ignored), list(given.compared)
    for name in observed.names():
        if name in ignored or name in compared:
            continue
        votes = observed.compared_by_source(name)
        if votes is not None:
            if votes == {False}:
                ignored[name] = "its source does not compare it"
            elif False not in votes:
                compared.append(name)
            continue
        values = observed.values(name)
        kind = infer_parameter_kind(name, values, more_to_come=more_to_come)
        if kind is None:
            compared.append(name)
        else:
            ignored[name] = (
                f"looks like {_KIND_TEXTS.get(kind, f'a {kind}')}, {counted(len(values), 'value')}"
            )
    labels = infer_labels(observed, ignored, compared, given.labels, _is_noise, more_to_come=more_to_come)
    return Identity(
        ignored,
        tuple(compared),
        given.named or observed.name_parameters() or _proposed_names(observed, ignored, compared, labels),
        labels,
        given.run_folders,
    )


def _is_noise(name: str, values: Iterable[Plain]) -> bool:
    """Whether a tag looks like a parameter that is not compared."""
    known = [parse_value_text(value) if isinstance(value, str) else value for value in values]
    return infer_parameter_kind(name, known, more_to_come=True) is not None


def _proposed_names(
    observed: ObservedRuns, ignored: Iterable[str], compared: Iterable[str], labels: Mapping[str, str]
) -> tuple[str, ...]:
    """The few compared parameters with the most values that are short enough for a readable name."""
    varied: list[tuple[int, str]] = []
    candidates = {name: observed.values(name) for name in compared if name in observed.names()}
    for name, values in {**candidates, **label_values(observed, ignored, labels)}.items():
        if len(values) > 1 and all(len(format_name_value(value)) <= _MAX_VALUE_LENGTH for value in values):
            varied.append((-len(values), name))
    return tuple(name for _, name in sorted(varied)[:_MAX_NAMES])
