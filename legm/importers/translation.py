"""Translates an external run into a legm run and its records: a pure function, except for reading the source.

- Names that are not valid in legm are changed; the original names are stored with the run.
- A metric whose name starts with ``test`` and one of ``/ _ . -``, and that has a single number in the run, is
  a test metric named by the rest: ``test/accuracy`` is the test metric ``accuracy``. Every other number is
  one of a dev series, unless the source itself distinguishes test metrics.
- Tags, the run's name and further facts about its origin are in the run's environment under ``imported``.
  What the source knows of the code, command and machine is there under legm's own names.
  Parameters that are not compared, and those that are None or False, are stored with the run.
- Where all values of a metric are at one step, it was logged without steps, and positions count instead.
- Of its labels, those that identify configurations are parameters (:mod:`legm.importers.label_identity`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from legm.core import results
from legm.core.addresses import plain_without_addresses
from legm.core.credentials import redact, redact_text
from legm.core.naming import make_run_id
from legm.core.origins import IMPORTED
from legm.core.parameters import NameRule, Parameters
from legm.core.plain_form import from_plain, to_plain
from legm.core.point_columns import PointPieces, columns_by_series
from legm.core.record_sequences import LazyRecords
from legm.core.step_metrics import positions_without_steps
from legm.core.test_metrics import series_with_tests
from legm.errors import UnstableValue
from legm.importers.external_run import ExternalRun
from legm.importers.identity_inference import Identity
from legm.importers.labels import Label, label_value
from legm.importers.valid_names import valid_name, valid_names
from legm.records import (
    BestRule,
    Configuration,
    Display,
    Outcome,
    Plain,
    Points,
    Record,
    Run,
    RunResult,
    Series,
    Split,
    Status,
)

if TYPE_CHECKING:
    from legm.core.point_columns import Columns
    from legm.records import FloatArray

__all__ = [
    "NOT_ENDED",
    "TranslatedRun",
    "translate_run",
    "translated_configuration",
    "translated_description",
    "translated_experiment",
    "translated_labels",
    "translated_metadata",
    "translated_parameters",
    "translated_run_id",
]

NOT_ENDED = "still running when it was imported"


@dataclass(frozen=True, slots=True)
class TranslatedRun:
    """An external run in legm's terms.

    Args:
        run: the run.
        records: what it contains, except for its files and its outcome.
        outcome: how it ended.
        renamed: original names by their new name.
        unstepped: how many metrics have several values and all at one step.
        columns: the numbers of the records, where they are known by series.
    """

    run: Run
    records: Sequence[Record]
    outcome: Outcome
    renamed: Mapping[str, str]
    unstepped: int = 0
    columns: Columns | None = None

    def result(self) -> RunResult:
        """The run's result.

        Raises:
            MetricError: the metric that chooses the best step was never set.
        """
        return results.run_result(
            self.run, LazyRecords.chained(self.records, [self.outcome]), columns=self.columns
        )


def translated_run_id(external: ExternalRun, kind: str) -> str:
    """The run's id in legm, which never changes; a native run keeps its id."""
    if external.native_run is not None:
        return external.native_run.run_id
    digest = hashlib.sha256(f"{kind}\n{external.key}".encode(errors="replace")).hexdigest()
    return make_run_id(external.started, digest[:12])


def translated_description(external: ExternalRun) -> str:
    """The description of the run in legm."""
    if external.native_run is not None:
        return external.native_run.description
    return valid_name(external.description) if external.description else ""


def translated_experiment(external: ExternalRun) -> str:
    """The experiment's name in legm."""
    return external.experiment if external.native_run is not None else valid_name(external.experiment)


def translated_parameters(
    external: ExternalRun, is_reserved: Callable[[str], bool]
) -> tuple[dict[str, Plain], dict[str, str]]:
    """The run's parameters in plain form under valid names, and original names by their new name.

    Memory addresses are removed from texts: they differ between runs of the same code.
    """
    names = valid_names(external.parameters, is_reserved)
    values = {
        names[name]: plain_without_addresses(_translated_value(names[name], value))
        for name, value in external.parameters.items()
    }
    return values, {new: name for name, new in names.items() if new != name}


def translated_metadata(
    external: ExternalRun, renamed: Mapping[str, str]
) -> Mapping[str, Mapping[str, Plain]] | None:
    """What the run's source knows about its parameters, under valid names.

    Args:
        external: the run.
        renamed: original names by their new name.
    """
    if external.metadata is None or not renamed:
        return external.metadata
    new = {name: valid for valid, name in renamed.items()}
    found: dict[str, dict[str, Plain]] = {}
    for name, fields in external.metadata.items():
        found[new.get(name, name)] = entry = dict(fields)
        if "parents" in entry:
            entry["parents"] = {new.get(one, one): edge for one, edge in entry["parents"].items()}
    return found


def translated_labels(external: ExternalRun, values: Mapping[str, Plain]) -> dict[str, Label]:
    """The run's labels under valid names, except for those that a parameter is called like.

    Args:
        external: the run. For one whose source knows about its parameters, nothing is inferred.
        values: its parameters under valid names.
    """
    if external.native_run is not None or external.metadata is not None:
        return {}
    named = {valid_name(name): label for name, label in external.labels.items()}
    return {name: label for name, label in named.items() if name not in values}


def _translated_label_parameters(
    external: ExternalRun, values: Mapping[str, Plain], identity: Identity
) -> dict[str, Plain]:
    """The values of the run's labels that are compared."""
    labels = translated_labels(external, values) if identity.labels else {}
    unimportant = [values[name] for name in identity.ignored if name in values]
    found = {
        name: label_value(labels[name], use, unimportant)
        for name, use in identity.labels.items()
        if name in labels
    }
    return {name: value for name, value in found.items() if value is not None}


def _translated_value(name: str, value: Any) -> Plain:
    try:
        return to_plain(name, value)
    except UnstableValue:
        return str(value)


def build_translated_parameters(
    values: Mapping[str, Plain], identity: Identity, metadata: Mapping[str, Mapping[str, Plain]] | None = None
) -> Parameters:
    """The parameters with the decisions about them, and with what their source knows."""
    metadata = metadata or {}
    parameters = Parameters()
    parameters.set({name: from_plain(value) for name, value in values.items()})
    known = {
        name: {field: fields[field] for field in ("parents", "absent_value") if field in fields}
        for name, fields in metadata.items()
    }
    parameters.restore(Configuration("", "", "", {}, (), known))
    parameters.replace_absent_values(
        {name: value for name, value in identity.absent_values.items() if name in values}
    )
    disabled = {name for name, fields in metadata.items() if fields.get("disable_comparison")}
    parameters.disable(
        name for name in values if name in identity.ignored or name in disabled - {*identity.compared}
    )
    for at, name in enumerate(identity.named):
        if name in values:
            rule = metadata.get(name, {}).get("name", {})
            recorded = (rule["text"], rule["for"]) if "text" in rule else None
            parameters.set_name_rule([name], NameRule(priority=len(identity.named) - at, recorded=recorded))
    return parameters


def translated_configuration(
    external: ExternalRun, identity: Identity, is_reserved: Callable[[str], bool]
) -> Configuration:
    """The run's configuration; its numbers are not read."""
    if external.native_run is not None:
        return external.native_run.configuration
    values, renamed = translated_parameters(external, is_reserved)
    values |= _translated_label_parameters(external, values, identity)
    parameters = build_translated_parameters(values, identity, translated_metadata(external, renamed))
    return parameters.configuration(translated_experiment(external))


def translate_run(
    external: ExternalRun, kind: str, identity: Identity, is_reserved: Callable[[str], bool]
) -> TranslatedRun:
    """Translate an external run.

    Args:
        external: the run; all its numbers are read.
        kind: the kind of its source.
        identity: which parameters identify a configuration of its experiment.
        is_reserved: which names a parameter cannot have.

    Raises:
        LegmError: the source cannot be read.
    """
    if external.native_run is not None:
        native = list(external.records())
        outcome = _translated_outcome(external, [one.times for one in native if isinstance(one, Points)])
        results.run_result(external.native_run, [*native, outcome])  # raises if the best step does not exist
        return TranslatedRun(external.native_run, native, outcome, {})
    records: list[Display | BestRule] = []
    columns = columns_by_series(_translated_points_only(external.records(), records))
    if external.marks_test_metrics:
        metrics = _translated_series_as_marked(columns)
    else:
        metrics = _translated_series({series: len(steps) for series, (steps, _, _) in columns.items()})
    values, names = translated_parameters(external, is_reserved)
    values |= _translated_label_parameters(external, values, identity)
    metadata = translated_metadata(external, names)
    names |= {str(replace(new, index=None)): old.name for old, new in metrics.items() if new.name != old.name}
    parameters = build_translated_parameters(values, identity, metadata)
    inactive = {name: value for name, value in values.items() if value is None or value is False}
    origin: dict[str, Plain] = {
        "from": kind,
        "key": external.key,
        "experiment": external.experiment,
        "name": external.name,
        "tags": redact("tags", dict(external.tags)),
        "renamed": names,
        **{name: redact(name, _translated_value(name, value)) for name, value in external.details.items()},
    }
    run = Run(
        run_id=translated_run_id(external, kind),
        configuration=parameters.configuration(translated_experiment(external)),
        description=translated_description(external),
        started=external.started,
        parameters={} if external.has_shared_parameters else {**inactive, **parameters.uncompared()},
        environment={
            **external.origin(),
            IMPORTED: {name: value for name, value in origin.items() if value not in ("", {})},
        },
    )
    others = [new for record in records if (new := _translated_record(record, metrics)) is not None]
    unstepped = positions_without_steps(
        {series: one for series, one in columns.items() if metrics[series].split is Split.DEV}
    )
    pieces = PointPieces({**columns, **unstepped}, metrics.__getitem__)
    outcome = _translated_outcome(external, [times for _, times, _ in columns.values()])
    return TranslatedRun(
        run,
        LazyRecords.chained(pieces.records(), others),
        outcome,
        names,
        len(unstepped),
        pieces.columns(),
    )


def _translated_points_only(
    records: Iterable[Points | Display | BestRule], others: list[Display | BestRule]
) -> Iterator[Points]:
    """The numbers; the other records are added to a list."""
    for record in records:
        if isinstance(record, Points):
            yield record
        else:
            others.append(record)


def _translated_series(counts: Mapping[Series, int]) -> dict[Series, Series]:
    """The legm series for each series of the run, given how many numbers each has."""
    valid = {series: replace(series, name=valid_name(series.name)) for series in counts}
    tests = series_with_tests({valid[series]: count for series, count in counts.items()})
    return {series: tests[new] for series, new in valid.items()}


def _translated_record(record: Any, metrics: Mapping[Series, Series]) -> BestRule | Display | None:
    """A record without numbers; None for others, and for a rule about something that is not a dev metric."""
    if isinstance(record, BestRule) and record.metric is not None:
        chosen = metrics.get(Series(record.metric))
        is_dev = chosen is not None and chosen.split is Split.DEV
        return replace(record, metric=chosen.name) if chosen is not None and is_dev else None
    if isinstance(record, Display):
        return replace(record, name=valid_name(record.name))
    return record if isinstance(record, BestRule) else None


def _translated_series_as_marked(series: Iterable[Series]) -> dict[Series, Series]:
    """The legm series for each series of a run whose source distinguishes tests and examples.

    A metric is either indexed by examples or not: if it is both, the indexed one gets ``_indexed`` appended.
    """
    marked = list(series)
    names = {(one.split, one.name) for one in marked}
    plain = {(one.split, one.name) for one in marked if one.index is None}
    found = {}
    for one in marked:
        name = one.name
        if one.index is not None and (one.split, name) in plain:
            name += "_indexed"
            while (one.split, name) in names:
                name += "_"
        found[one] = replace(one, name=valid_name(name))
    return found


def _translated_outcome(external: ExternalRun, times: Iterable[FloatArray]) -> Outcome:
    status, error, ended = external.status, external.error, external.ended
    if status is Status.RUNNING:
        status, error = Status.INTERRUPTED, error or NOT_ENDED
    if ended is None:
        ended = max((float(some.max()) for some in times if len(some)), default=external.started)
    return Outcome(status, ended, None if error is None else redact_text(error))
