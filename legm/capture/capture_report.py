"""The result of a capture as text for the user: a pure function."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from legm.capture.capturing import Capture
from legm.core.texts import counted
from legm.importers.import_report import averaged_report_lines, comparison_report_lines

__all__ = ["capture_report_lines"]


def capture_report_lines(done: Capture, root: Path) -> Iterator[str]:
    """The capture, line by line."""
    for report in done.reports:
        configurations = counted(report.configurations, "configuration")
        yield f"captured {counted(report.runs, 'run')} of {report.kind} as {configurations} in {root}"
        for experiment, identity in report.identities.items():
            for name, reason in identity.ignored.items():
                yield f"  {experiment}: {name} is not compared: {reason}"
        for experiment in report.averaged:
            yield from (
                f"  {experiment}: {line.strip()}" for line in averaged_report_lines(report, experiment)
            )
        yield from comparison_report_lines(report)
    if not done.reports and not done.problems:
        yield "nothing was captured: the command started no run with wandb or mlflow"
    if done.earlier_runs:
        yield f"also imported {counted(done.earlier_runs, 'run')} that earlier captures could not import"
    yield from done.problems
    if done.running_processes:
        processes = counted(done.running_processes, "process is", "processes are")
        yield f"{processes} still running: the next capture into {root} imports what is logged from now on"
    elif done.kept_stores is not None:
        yield f"the logs are kept in {done.kept_stores}: the next capture into {root} tries again"
