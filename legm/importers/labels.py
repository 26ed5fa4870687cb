"""What may distinguish runs besides their parameters: names, groups, tags, data, scripts and commits. Pure.

The *stem* of a label is what remains without the pieces that differ between runs of one configuration: a
seed (``svm, seed 3``), a date, a counter (``run 7``) and an id. A name that a tracker made up
(``sunny-river-12``) has no stem.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from legm.core.addresses import without_addresses
from legm.records import Plain

__all__ = [
    "Label",
    "LabelKind",
    "LabelUse",
    "are_numbered_labels",
    "is_made_up_label",
    "label_has_number",
    "label_stem",
    "label_value",
    "last_label_part",
    "tag_labels",
]

_MAX_TAG_LENGTH = 250  # characters; longer ones, and those of several lines, are notes
_TRACKER_TAGS = ("mlflow.", "legm.")  # what MLflow and legm themselves set

_MADE_UP = re.compile(r"([a-z]+)-([a-z]+)-\d+")
_FIELD_WORDS = frozenset({
    "adaboost", "attention", "autoencoder", "baseline", "bayes", "bert", "boost", "boosting", "catboost",
    "classification", "classifier", "clustering", "cnn", "conv", "decision", "densenet", "dropout",
    "embedding", "encoder", "ensemble", "eval", "experiment", "finetune", "gaussian", "gpt", "gradient",
    "grid", "gru", "kernel", "knn", "lasso", "lightgbm", "linear", "logistic", "loss", "lstm", "means",
    "mlp", "model", "naive", "nearest", "net", "network", "neural", "polynomial", "pretrain", "random",
    "regression", "regressor", "resnet", "ridge", "rnn", "run", "seed", "svc", "svm", "svr", "test",
    "train", "training", "transformer", "tree", "trial", "unet", "vgg", "vit", "xgboost",
})  # fmt: skip
"""Words that people name runs with; no tracker makes up names of them."""
_COUNTED_WORDS = r"attempt|exp|experiment|job|no|nr|number|r|rep|repeat|repetition|replicate|run|trial|try"
_COUNTED_WORD = re.compile(rf"(?:{_COUNTED_WORDS}|random|rng|seed|seeds)", re.IGNORECASE)
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DAY = r"(?:19|20)\d{2}([-_/.]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])"
_CLOCK = r"(?:[01]\d|2[0-3])[-_:h.]?[0-5]\d(?:[-_:m.]?[0-5]\d)?(?:\.\d+)?\s*(?:Z|[+-]\d{2}:?\d{2})?"
_VARYING = (
    re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE),
    re.compile(rf"(?<!\d){_DAY}(?:[T _-]*{_CLOCK})?(?!\d)"),
    re.compile(rf"(?<![a-z])(?:{_MONTHS})[-_ ]?\d{{1,2}}(?:[-_ ]+{_CLOCK})?(?!\d)", re.IGNORECASE),
    re.compile(r"(?<![\d.])1[0-9]\d{8}(?:\d{3})?(?:\.\d+)?(?!\d)"),  # seconds or milliseconds since 1970
    re.compile(
        r"(?<![0-9a-z])(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,64}(?![0-9a-z])", re.IGNORECASE
    ),  # an id
    re.compile(r"(?<![a-z])(?:random[ _.-]?)?(?:seed|rng)s?[ _=:#.-]*\d+", re.IGNORECASE),
    re.compile(rf"(?<![a-z])(?:{_COUNTED_WORDS})[ _=:#.-]*\d+(?![.\d]*[a-z])", re.IGNORECASE),
    re.compile(r"\s*[#(]\d+\)?$"),
)
_NUMBER_WORD = re.compile(r"(?<![^\W_])(?<!\d\.)\d+(?![^\W_]|\.\d)")
_LAST_NUMBER = re.compile(r"(.*[^\d\s._-])[\s._-]+(\d{1,6})", re.DOTALL)
_GAP = "\0"
_AROUND_GAP = re.compile(r"[\s_=:.,/|+-]*\0[\s_=:.,/|+-]*")


class LabelKind(enum.Enum):
    """What a label is; in the order in which they are asked to distinguish runs."""

    NAME = "name"
    GROUP = "group"
    TAG = "tag"
    DATA = "data set"
    DIGEST = "digest of the data"
    SCRIPT = "script"
    COMMIT = "commit"


class LabelUse(str, enum.Enum):
    """How a label takes part in the identity of configurations."""

    WHOLE = "whole"
    """As it is."""
    STEM = "stem"
    """Without seeds, dates, counters and ids."""
    UNSEEDED = "unseeded"
    """The same, and without numbers that are values of parameters that are not compared."""
    UNNUMBERED = "unnumbered"
    """The stem without a number at its end."""
    IGNORED = "ignored"
    """Not at all."""


@dataclass(frozen=True, slots=True)
class Label:
    """Something that may distinguish a run besides its parameters.

    Args:
        kind: what it is.
        value: a text, or a list of texts.
    """

    kind: LabelKind
    value: str | list[str]


def is_made_up_label(name: str) -> bool:
    """Whether a tracker made up a run's name of two words and a number."""
    found = _MADE_UP.fullmatch(name)
    return found is not None and _FIELD_WORDS.isdisjoint(found.groups())


def last_label_part(path: str) -> str:
    """The last part of a path, without the folders that it is in on one machine."""
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


def tag_labels(tags: Mapping[str, str]) -> dict[str, Label]:
    """The labels for tags with keys and values: short ones that the tracker did not set itself."""
    return {
        f"tags.{key}": Label(LabelKind.TAG, value)
        for key, value in tags.items()
        if value
        and not key.startswith(_TRACKER_TAGS)
        and len(value) <= _MAX_TAG_LENGTH
        and "\n" not in value.strip()
    }


def label_value(label: Label, use: LabelUse | str, unimportant: Iterable[Plain]) -> Plain:
    """A label as the value of a parameter; None if nothing of it counts.

    Args:
        label: the label.
        use: how it takes part.
        unimportant: the values of the run's parameters that are not compared.
    """
    if use == LabelUse.IGNORED:
        return None
    if use == LabelUse.WHOLE:
        return label.value or None
    numbers = _whole_numbers_in_labels(unimportant) if use == LabelUse.UNSEEDED else frozenset()
    texts = label.value if isinstance(label.value, list) else [label.value]
    stems = [_stem_of_label_text(label.kind, text, use == LabelUse.UNNUMBERED, numbers) for text in texts]
    if not isinstance(label.value, list):
        return stems[0]
    return [*sorted({stem for stem in stems if stem is not None})] or None


def _stem_of_label_text(
    kind: LabelKind, text: str, unnumbered: bool, numbers: AbstractSet[str]
) -> str | None:
    if kind in {LabelKind.DIGEST, LabelKind.COMMIT, LabelKind.SCRIPT}:
        return text or None
    if kind is LabelKind.NAME and is_made_up_label(text):
        return None
    return label_stem(text, numbers, unnumbered=unnumbered)


def _whole_numbers_in_labels(values: Iterable[Plain]) -> set[str]:
    """The digits of the whole numbers among values, and of those in texts such as ``cuda:1``."""
    found: set[str] = set()
    for value in values:
        if isinstance(value, (str, int)) and not isinstance(value, bool):
            found.update(re.findall(r"\d+", str(value)[:_MAX_TAG_LENGTH]))
    return found


def label_stem(text: str, numbers: AbstractSet[str] = frozenset(), *, unnumbered: bool = False) -> str | None:
    """What counts of a text; None if nothing does.

    Args:
        text: the text.
        numbers: whole numbers, as digits, that do not count.
        unnumbered: whether a number at the end does not count either.
    """
    text = without_addresses(text)
    for pattern in _VARYING:
        text = pattern.sub(_GAP, text)
    if numbers:
        # Not a digit of a decimal number.
        text = re.sub(r"(?<![\d.])\d+(?!\.?\d)", lambda one: _GAP if one[0] in numbers else one[0], text)
    text = _AROUND_GAP.sub(_GAP, text).strip(f"{_GAP} \t\n_=:.,/|+-").replace(_GAP, "-")
    if unnumbered and (found := _LAST_NUMBER.fullmatch(text)):
        text = found[1]
    return None if not text or _COUNTED_WORD.fullmatch(text) else text


def label_has_number(text: str, unimportant: Iterable[Plain]) -> bool:
    """Whether one of the words of a text is a number that is a value of a parameter that is not compared."""
    return not _whole_numbers_in_labels(unimportant).isdisjoint(
        re.findall(r"(?<![^\W_])(?<!\d\.)\d+(?![^\W_]|\.\d)", text)
    )


def are_numbered_labels(stems: Iterable[str]) -> bool:
    """Whether the numbers at the end of names count the runs: each name has all from 0 or 1 on.

    ``svm-1`` and ``svm-2`` are numbered; ``resnet-18`` and ``resnet-50`` are not.

    Args:
        stems: the names without seeds, dates and the like.
    """
    numbers: dict[str, set[int]] = {}
    for stem in stems:
        if found := _LAST_NUMBER.fullmatch(stem):
            numbers.setdefault(found[1], set()).add(int(found[2]))
    return any(len(found) > 1 for found in numbers.values()) and all(
        min(found) in {0, 1} and max(found) - min(found) == len(found) - 1 for found in numbers.values()
    )
