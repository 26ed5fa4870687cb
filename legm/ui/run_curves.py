"""The curves of single runs, and the table of differences from one configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from legm.analysis.comparison import compare_runs
from legm.analysis.unfinished import unfinished_curve
from legm.core.rewinding import without_rewound
from legm.core.selection import RunSelection
from legm.core.system_names import is_system_name
from legm.errors import LegmError
from legm.records import Comparison, Configuration, Curve, Display, Plain
from legm.report.curve_detail import CurveDetail
from legm.report.number_encoding import encode_numbers_exactly, encode_numbers_for_drawing
from legm.runlog.log_folder import LogFolder
from legm.stats.run_counts import split_summary_key
from legm.ui.stored_runs import StoredRuns

__all__ = ["differences_by_metric", "differences_from", "run_curves"]

_LEVEL = 0.95


def run_curves(
    stored: StoredRuns, experiment: str, fingerprint: str, run_id: str, detail: CurveDetail
) -> list[dict[str, Plain]]:
    """The dev metrics and the system metrics of a run over its steps; of a system metric these are seconds.

    Args:
        stored: where the run is.
        experiment, fingerprint, run_id: which run.
        detail: how much of each curve there is.

    Raises:
        LegmError: it is not there, or cannot be read.
    """
    result = stored.run_with_series(experiment, fingerprint, run_id)
    folder = stored.stored_configuration(experiment, fingerprint).folder
    names = sorted({series.name for series in result.histories if series.index is None})
    curves = [curve for name in names if (curve := unfinished_curve(result, name)) is not None]
    system = [] if folder is None else list(_run_system_curves(LogFolder.of(folder), run_id))
    return [
        {
            "metric": curve.metric,
            "isSystem": is_system_name(curve.metric),
            "steps": encode_numbers_exactly(thin.steps),
            "center": encode_numbers_for_drawing(thin.center),
        }
        for curve in (*curves, *system)
        for thin, _ in [detail.downsampled(curve, detail.buckets)]
    ]


def _run_system_curves(logs: LogFolder, run_id: str) -> Iterator[Curve]:
    known = logs.read(run_id)
    by_name: dict[str, dict[int, float]] = {}
    for record in [] if known is None else without_rewound(known.records):
        if isinstance(record, Display) and is_system_name(record.name) and not isinstance(record.value, str):
            by_name.setdefault(record.name, {})[record.step] = record.value
    for name, points in sorted(by_name.items()):
        steps = np.array(sorted(points), np.int64)
        values = np.array([points[step] for step in steps.tolist()], np.float64)
        yield Curve(name, "", steps, values, values, values, np.ones(len(steps), np.int64))


def differences_from(
    stored: StoredRuns,
    experiment: str,
    baseline: str,
    others: Sequence[str],
    key: str,
    *,
    description: str = "",
    where: Sequence[str] = (),
    higher_better: bool | None = None,
) -> dict[str, Plain]:
    """How configurations differ from one of them in a metric, as ``legm compare`` says it.

    Args:
        stored: where they are.
        experiment: theirs.
        baseline: the fingerprint of the one from which the others differ.
        others: their fingerprints; the p-values are corrected for all of them together.
        key: the metric's summary key.
        description: of the runs.
        where: which of them are compared, as ``--where`` has it.
        higher_better: whether a higher value is better; None to judge by the runs or the metric's name.

    Returns:
        ``differences``, for each of the others that can be compared the difference, its interval, and both
        p-values, encoded in this order; whether runs with equal seeds were paired, how many, and notes; and
        ``problems``, by fingerprint, why any other one cannot; that of the baseline is one of all.
    """
    name, split = split_summary_key(key)
    problems: dict[str, str] = {}
    every: list[Configuration] = []
    for one in dict.fromkeys((baseline, *others)):
        try:
            every.append(stored.stored_configuration(experiment, one).configuration)
        except LegmError as error:  # it has been amended or deleted since the page was told of it
            problems[one] = str(error)
    compared: list[Comparison] = []
    if split == "pooled":
        problems[baseline] = f"{name!r} is averaged over all its values: legm compare reads them"
    if baseline not in problems and len(every) > 1:
        try:
            compared = compare_runs(
                stored.client(),
                description,
                every[0],
                every[1:],
                name,
                test=split == "test",
                seed=None,
                level=_LEVEL,
                higher_better=higher_better,
                selection=RunSelection.parse(where),
                problems=problems,
            )
        except LegmError as error:
            problems[baseline] = str(error)
    return {"differences": [*map(_encoded_difference, compared)], "problems": {**problems}}


def _encoded_difference(one: Comparison) -> dict[str, Plain]:
    return {
        "fingerprint": one.b.fingerprint,
        "numbers": encode_numbers_exactly([-one.difference, -one.upper, -one.lower, one.p, one.p_adjusted]),
        "paired": one.paired,
        "pairs": one.pairs,
        "seeds": list(one.seeds),
        "runs": [one.n_a, one.n_b],
        "better": one.better,
        "notes": list(one.notes),
    }


def differences_by_metric(
    stored: StoredRuns,
    experiment: str,
    baseline: str,
    others: Sequence[str],
    higher_better: Mapping[str, bool],
    *,
    description: str = "",
    where: Sequence[str] = (),
) -> list[dict[str, Plain]]:
    """How configurations differ from one of them in several metrics.

    Args:
        stored, experiment, baseline, others, description, where: as for :func:`differences_from`.
        higher_better: by summary key, whether a higher value of the metric is better.

    Returns:
        for each metric what :func:`differences_from` gives.
    """
    return [
        {
            "metric": key,
            **differences_from(
                *(stored, experiment, baseline, others, key),
                description=description,
                where=where,
                higher_better=higher,
            ),
        }
        for key, higher in higher_better.items()
    ]
