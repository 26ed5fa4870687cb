"""Selections of configurations and runs: ``lr<0.01 and (opt=adam or opt=sgd) and not tag:broken``.

Parameters that are compared decide about a whole configuration; what differs between its runs (seeds and
other parameters that are not compared, status, tags, times) decides about each run. So a selection answers
for a configuration or count with True, False, or None where that depends on the run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from legm.core.selection_grammar import (
    Condition,
    Expression,
    conditions_of_selection,
    parse_selection,
    quoted_selection_value,
)
from legm.errors import ParameterError
from legm.records import Configuration, Plain, RunCounts, RunResult, Status

__all__ = ["BoundSelection", "Predicate", "RunSelection", "SelectionCandidate"]


@dataclass(frozen=True, slots=True)
class SelectionCandidate:
    """What a selection is asked about: a configuration, its runs of one description, or one run.

    Args:
        configuration: the configuration.
        description: the runs'; None where it is not known.
        statuses: those that the runs have; None where they are not known.
        run: the run; None for all of them.
    """

    configuration: Configuration
    description: str | None = None
    statuses: frozenset[str] | None = None
    run: RunResult | None = None

    @classmethod
    def of_run(cls, run: RunResult) -> SelectionCandidate:
        """A single run."""
        return cls(run.run.configuration, run.run.description, frozenset({run.status.value}), run)

    @classmethod
    def of_counts(cls, counts: RunCounts) -> SelectionCandidate:
        """The runs of one description."""
        statuses = frozenset(one.value for one in Status if getattr(counts, one.value))
        return cls(counts.configuration, counts.description, statuses)


Predicate: TypeAlias = Callable[[SelectionCandidate], "bool | None"]
"""Whether a candidate is selected; None for one of which only some runs may be."""


@dataclass(frozen=True, slots=True)
class RunSelection:
    """What a user selects: texts of which all must hold.

    Args:
        texts: as they were given.
        expressions: the tree of each.
        values: parameters, each with the value that it has to have.
    """

    texts: tuple[str, ...] = ()
    expressions: tuple[Expression, ...] = ()
    values: tuple[tuple[str, Plain], ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str] | str | None) -> RunSelection:
        """The selection that texts stand for.

        Args:
            texts: one or several; blank ones select everything.

        Raises:
            SelectionError: a text is not a selection.
            ParameterError: one is no text.
        """
        given = (texts,) if isinstance(texts, str) else texts or ()
        given = tuple(given) if isinstance(given, Iterable) else (given,)
        if not all(isinstance(one, str) for one in given):
            raise ParameterError(f"a selection is a text or several, not {texts!r}")
        kept = tuple(one for one in given if one.strip())
        return cls(kept, tuple(map(parse_selection, kept)))

    def __bool__(self) -> bool:
        return bool(self.texts or self.values)

    def __str__(self) -> str:
        """The texts as one."""
        several = len(self.expressions) + len(self.values) > 1
        texts = [
            text if isinstance(one, Condition) or not several else f"({text})"
            for text, one in zip(self.texts, self.expressions, strict=True)
        ]
        return " and ".join(
            [*texts, *(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in self.values)]
        )

    def with_tags(self, tags: Iterable[str]) -> RunSelection:
        """The selection of which runs have tags too; of a text with commas, one of them."""
        texts = [f"tag:{','.join(map(quoted_selection_value, one.split(',')))}" for one in tags]
        more = RunSelection.parse(texts)
        return replace(
            self, texts=(*self.texts, *more.texts), expressions=(*self.expressions, *more.expressions)
        )

    def with_values(self, values: Mapping[str, Any]) -> RunSelection:
        """The selection of those whose parameters have values too.

        Args:
            values: by parameter, its value as it was set; None and False stand for an absent one.

        Raises:
            UnstableValue: a value has no plain form.
        """
        from legm.core.plain_form import parameter_to_plain

        plain = tuple((name, parameter_to_plain(name, value)) for name, value in values.items())
        return replace(self, values=(*self.values, *plain))

    @property
    def repeated_names(self) -> list[str]:
        """The parameters that several texts compare with a value each, which no run can have."""
        names = [
            one.name
            for one in self.expressions
            if isinstance(one, Condition) and one.operator == "=" and not one.is_field
        ]
        return sorted({name for name in names if names.count(name) > 1})

    @property
    def fields(self) -> frozenset[str]:
        """The fields of runs that it asks for, such as ``description``."""
        return frozenset(
            one.name for tree in self.expressions for one in conditions_of_selection(tree) if one.is_field
        )

    def bound(self, configurations: Iterable[Configuration]) -> BoundSelection:
        """The selection among configurations, whose parameters and values decide what the texts mean.

        Raises:
            ParameterError: no configuration has one of the parameters or values, or one cannot be compared
                in this way.
        """
        from legm.core.selection_binding import bound_selection_predicate  # only where something is selected

        trees = zip(self.texts, self.expressions, strict=True)
        return BoundSelection(
            str(self), bound_selection_predicate(trees, self.values, str(self), list(configurations))
        )


@dataclass(frozen=True, slots=True)
class BoundSelection:
    """A selection that can be asked about configurations and runs.

    Args:
        text: what was selected.
        predicate: the answer for a candidate.
    """

    text: str
    predicate: Predicate

    def decides(self, candidate: SelectionCandidate) -> bool | None:
        """Whether a candidate is selected; None for a configuration of which only some runs may be.

        Raises:
            ParameterError: a pattern is searched in a text that is too long for it.
        """
        return self.predicate(candidate)

    def has_run(self, run: RunResult) -> bool:
        """Whether a run is selected."""
        return bool(self.predicate(SelectionCandidate.of_run(run)))
