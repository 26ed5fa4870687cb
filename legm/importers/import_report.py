"""An import's report as text for the user: a pure function."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from legm.core.texts import counted, listed_names
from legm.importers.labels import LabelUse
from legm.importers.pipeline import Report

__all__ = ["averaged_report_lines", "comparison_report_lines", "import_report_lines"]

_USES = {
    LabelUse.WHOLE: "",
    LabelUse.STEM: " without seeds, dates and counters",
    LabelUse.UNSEEDED: " without seeds, dates and counters",
    LabelUse.UNNUMBERED: " without seeds, dates, counters and numbers at its end",
}
_MAX_EXAMPLES = 5  # of runs that failed or differ


def import_report_lines(report: Report) -> Iterator[str]:
    """The report, line by line."""
    verb = "would be imported" if report.is_dry_run else "imported"
    yield f"{report.source} ({report.kind}): {counted(report.runs + len(report.failed), 'run')}"
    for experiment in dict.fromkeys((*report.identities, *report.averaged)):
        yield ""
        yield f"{experiment}:"
        if experiment in report.identities:
            yield from _identity_report_lines(report, experiment)
        yield from averaged_report_lines(report, experiment)
    yield ""
    alternative = (
        f" ({report.configurations_if_all_compared} if all parameters were compared)"
        if report.configurations_if_all_compared != report.configurations
        else ""
    )
    make = "makes" if report.runs == 1 else "make"
    configurations = counted(report.configurations, "configuration")
    yield f"{counted(report.runs, 'run')} {make} {configurations}{alternative}"
    updated = (
        f", {report.updated} of them again, since they may have grown or their compared parameters changed"
        if report.updated
        else ""
    )
    imported = counted(report.created + report.updated, "run")
    yield f"{imported} {verb}{updated}; {report.unchanged} already imported"
    if report.unread:
        yield f"{counted(report.unread, 'run')} not read again: unchanged since compared (see --recheck)"
    if report.identity_file is not None:
        yield f"compared parameters are listed in {report.identity_file}"
    yield from comparison_report_lines(report)


def _identity_report_lines(report: Report, experiment: str) -> Iterator[str]:
    """What is compared of the runs of an experiment, and why the rest is not."""
    identity = report.identities[experiment]
    for name, reason in identity.ignored.items():
        yield f"  {name} is not compared: {reason}"
    if identity.compared:
        yield f"  compared: {_compared_report_text(identity.compared, report.varying.get(experiment))}"
    for name, use in identity.labels.items():
        if use != LabelUse.IGNORED:
            why = "the parameters alone do not distinguish all runs"
            yield f"  {name} is compared{_USES[LabelUse(use)]}: {why}"
    for name, value in identity.absent_values.items():
        yield f"  {name} = {value!r} equals an absent one, as accepted"
    for name, value in identity.proposed_absent_values.items():
        yield (
            f"  {name} is in the newer runs only, mostly as {value!r}: if older runs had this value too, "
            f"legm amend EXPERIMENT --absent {name} accepts it as its absent value, and "
            f"--no-absent {name} refuses it"
        )
    if identity.named:
        yield f"  in the names of configurations: {', '.join(identity.named)}"


def averaged_report_lines(report: Report, experiment: str) -> Iterator[str]:
    """In what runs of one configuration differ besides parameters."""
    for name, text in report.averaged.get(experiment, {}).items():
        yield f"  {name} differs between runs of one configuration: {text}; --compare {name} separates them"


def comparison_report_lines(report: Report) -> Iterator[str]:
    """What is equal in source and target, and what is not."""
    if report.equal:
        equal = (counted(number, what.removesuffix("s")) for what, number in report.equal.items())
        yield f"equal: {', '.join(equal)}"
    for what, number in report.adapted.items():
        yield f"adapted ({number:,}): {what}"
    for remark, (number, first) in report.omitted.items():
        yield f"not imported ({number:,}): {remark} ({first})"
    for title, runs in (("failed", report.failed), ("different", report.differences)):
        for key, problem in list(runs.items())[:_MAX_EXAMPLES]:
            yield f"{title}: the run {key}: {problem}"
        if len(runs) > _MAX_EXAMPLES:
            yield f"{title}: {len(runs) - _MAX_EXAMPLES} more"


def _compared_report_text(compared: Sequence[str], varying: Sequence[str] | None) -> str:
    """The parameters in which runs differ; the others are only counted."""
    if varying is None:
        return listed_names(compared)
    same = len(compared) - len(varying)
    if not varying:
        return f"{counted(same, 'parameter')}, the same in all runs"
    others = f"; {counted(same, 'other is', 'others are')} the same in all runs"
    return listed_names(varying) + others * bool(same)
