"""What a capture came to in words, for a person: a pure function."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from legm.capture.capturing import Capture
from legm.importers.summary_text import comparison_lines, count_text

__all__ = ["capture_lines"]


def capture_lines(done: Capture, root: Path) -> Iterator[str]:
    """The capture, line by line."""
    for report in done.reports:
        configurations = count_text(report.configurations, "configuration")
        yield f"captured {count_text(report.runs, 'run')} of {report.kind} as {configurations} in {root}"
        for experiment, identity in report.identities.items():
            for name, reason in identity.ignored.items():
                yield f"  {experiment}: {name} is not compared: {reason}"
        yield from comparison_lines(report)
    if not done.reports and not done.problems:
        yield "nothing was captured: the command began no run with wandb or mlflow"
    if done.earlier:
        yield f"{count_text(done.earlier, 'run')} of earlier captures came, which could not take all"
    yield from done.problems
    if done.outliving:
        go = "1 process goes" if done.outliving == 1 else f"{done.outliving} processes go"
        yield f"{go} on: the next capture into {root} takes what is logged from now on"
    elif done.kept is not None:
        yield f"what was logged is kept in {done.kept}: the next capture into {root} tries it again"
