"""An import's report in words, for a person: a pure function."""

from __future__ import annotations

from collections.abc import Iterator

from legm.importers.importing import Report

__all__ = ["checks", "count", "lines"]

_MOST = 5  # examples of what went wrong


def lines(report: Report) -> Iterator[str]:
    """The report, line by line."""
    would = "would come" if report.is_dry else "came"
    yield f"{report.source} ({report.kind}): {count(report.runs + len(report.failed), 'run')}"
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
    apart = f" ({report.apart} if all were compared)" if report.apart != report.configurations else ""
    are = "is" if report.runs == 1 else "are"
    yield f"{count(report.runs, 'run')} {are} {count(report.configurations, 'configuration')}{apart}"
    again = f", {report.again} of them again since they went on" if report.again else ""
    yield f"{count(report.new + report.again, 'run')} {would}{again}; {report.before} were there already"
    if report.identity_file is not None:
        yield f"what is compared is written down in {report.identity_file}"
    yield from checks(report)


def checks(report: Report) -> Iterator[str]:
    """What was equal in source and target, and what was not."""
    if report.equal:
        equal = (count(number, what.removesuffix("s")) for what, number in report.equal.items())
        yield f"equal: {', '.join(equal)}"
    for what, number in report.adapted.items():
        yield f"adapted: {number:,} {what}"
    for remark, (number, first) in report.impossible.items():
        yield f"not taken: {number:,} {remark} ({first})"
    for title, runs in (("failed", report.failed), ("different", report.different)):
        for key, problem in list(runs.items())[:_MOST]:
            yield f"{title}: the run {key}: {problem}"
        if len(runs) > _MOST:
            yield f"{title}: {len(runs) - _MOST} more"


def count(number: int, what: str) -> str:
    """A number of things."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
