"""The runs on the page, by column: status, times, what is noted, errors, seeds and values of each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from legm.core.run_marks import shown_marks
from legm.records import Plain, RunResult, Status
from legm.report.number_encoding import encode_numbers_exactly
from legm.report.parameter_content import ParameterContent
from legm.stats.run_counts import ALL_VALUES_METRICS, summary_key
from legm.stats.value_choice import exact_choice_text

__all__ = ["STATUSES", "RunContent"]

STATUSES = (Status.COMPLETED, Status.FAILED, Status.INTERRUPTED, Status.PRUNED, Status.RUNNING)
"""The order in which the page counts runs."""


@dataclass(slots=True)
class RunContent:
    """Collects runs, without their series."""

    runs: list[tuple[int, RunResult]] = field(default_factory=list)
    parameters: dict[str, ParameterContent] = field(default_factory=dict)
    values: dict[str, dict[int, float]] = field(default_factory=dict)

    def add(self, row: int, run: RunResult) -> None:
        """Add a run of a row of the leaderboard."""
        index = len(self.runs)
        for name, value in run.run.parameters.items():
            self.parameters.setdefault(name, ParameterContent()).put(index, value)
        if run.status is Status.COMPLETED:
            for series, number in (*run.best.items(), *run.test.items()):
                key = summary_key(series)
                if series.index is None and key not in ALL_VALUES_METRICS:
                    self.values.setdefault(key, {})[index] = number
        bare = RunResult(
            run=run.run,
            status=run.status,
            rule=run.rule,
            best_step=run.best_step,
            points=run.points,
            last_step=run.last_step,
            ended=run.ended,
            error=run.error,
            marks=run.marks,
        )
        self.runs.append((row, bare))

    def content(self) -> dict[str, Plain]:
        """The columns."""
        runs, count = [run for _, run in self.runs], len(self.runs)
        choices = [exact_choice_text(run.rule) if run.best_step is not None else "" for run in runs]
        choice_texts = sorted(set(choices))
        return {
            "row": encode_numbers_exactly([row for row, _ in self.runs]),
            "status": encode_numbers_exactly([STATUSES.index(run.status) for run in runs]),
            "id": [run.run.run_id for run in runs],
            "started": encode_numbers_exactly([run.run.started for run in runs]),
            "ended": encode_numbers_exactly([_run_number_or_nan(run.ended) for run in runs]),
            "ways": choice_texts,
            "way": encode_numbers_exactly([choice_texts.index(choice) for choice in choices]),
            "best_step": encode_numbers_exactly([_run_number_or_nan(run.best_step) for run in runs]),
            "last_step": encode_numbers_exactly([_run_number_or_nan(run.last_step) for run in runs]),
            "points": encode_numbers_exactly([run.points for run in runs]),
            "tags": {index: shown_marks([run.marks]) for index, run in enumerate(runs) if run.marks.tags},
            "notes": {index: run.marks.note for index, run in enumerate(runs) if run.marks.note},
            "errors": {index: run.error for index, run in enumerate(runs) if run.error},
            "parameters": [
                parameter.content(name, count) for name, parameter in sorted(self.parameters.items())
            ],
            "values": {key: _content_values_of_runs(of, count) for key, of in sorted(self.values.items())},
        }


def _run_number_or_nan(number: float | None) -> float:
    return math.nan if number is None else number


def _content_values_of_runs(of: Mapping[int, float], count: int) -> dict[str, str]:
    """The numbers of the runs that have one, and the indices of these runs."""
    return {
        "runs": encode_numbers_exactly(list(of)) if len(of) < count else "",
        "values": encode_numbers_exactly(list(of.values())),
    }
