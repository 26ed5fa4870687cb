"""An import's report in words, for a person: a pure function."""

from __future__ import annotations

from collections.abc import Iterator

from legm.importers.importing import Report

__all__ = ["comparison_lines", "count_text", "report_lines"]

_MAX_EXAMPLES = 5  # examples of what went wrong


def report_lines(report: Report) -> Iterator[str]:
    """The report, line by line."""
    would = "would come" if report.is_dry_run else "came"
    yield f"{report.source} ({report.kind}): {count_text(report.runs + len(report.failed), 'run')}"
    for experiment, identity in report.identities.items():
        yield ""
        yield f"{experiment}:"
        for name, reason in identity.ignored.items():
            yield f"  {name} is not compared: {reason}"
        if identity.compared:
            yield f"  compared: {', '.join(identity.compared)}"
        if identity.named:
            yield f"  in the names of configurations: {', '.join(identity.named)}"
    yield ""
    apart = (
        f" ({report.configurations_if_all_compared} if all were compared)"
        if report.configurations_if_all_compared != report.configurations
        else ""
    )
    are = "is" if report.runs == 1 else "are"
    configurations = count_text(report.configurations, "configuration")
    yield f"{count_text(report.runs, 'run')} {are} {configurations}{apart}"
    again = f", {report.updated} of them again since they went on" if report.updated else ""
    ingested = count_text(report.created + report.updated, "run")
    yield f"{ingested} {would}{again}; {report.unchanged} were there already"
    if report.identity_file is not None:
        yield f"what is compared is written down in {report.identity_file}"
    yield from comparison_lines(report)


def comparison_lines(report: Report) -> Iterator[str]:
    """What was equal in source and target, and what was not."""
    if report.equal:
        equal = (count_text(number, what.removesuffix("s")) for what, number in report.equal.items())
        yield f"equal: {', '.join(equal)}"
    for what, number in report.adapted.items():
        yield f"adapted: {number:,} {what}"
    for remark, (number, first) in report.omitted.items():
        yield f"not taken: {number:,} {remark} ({first})"
    for title, runs in (("failed", report.failed), ("different", report.differences)):
        for key, problem in list(runs.items())[:_MAX_EXAMPLES]:
            yield f"{title}: the run {key}: {problem}"
        if len(runs) > _MAX_EXAMPLES:
            yield f"{title}: {len(runs) - _MAX_EXAMPLES} more"


def count_text(number: int, what: str) -> str:
    """A number of things."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
