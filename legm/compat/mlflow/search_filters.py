"""``filter_string`` and ``order_by`` of ``search_runs``, as pure functions over runs."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import Any

from legm.compat.mlflow.entities import Run
from legm.compat.mlflow.exceptions import invalid_value_exception

__all__ = ["parse_filter", "sort_searched_runs"]

_TERM = re.compile(
    r"""\s*(?P<kind>metrics?|params?|parameters?|tags?|attributes?|attr|run)?\.?
    (?P<key>`[^`]+`|"[^"]+"|[\w./ -]+?)\s*
    (?P<test>>=|<=|!=|=|>|<|\bNOT\s+IN\b|\bIN\b|\bI?LIKE\b|\bIS\s+NOT\s+NULL\b|\bIS\s+NULL\b)\s*
    (?P<value>'[^']*'|"[^"]*"|\([^)]*\)|[-+.\w]+)?\s*(?:\bAND\b|$)""",
    re.IGNORECASE | re.VERBOSE,
)
_COMPARE = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_KINDS = {"metric": "metrics", "param": "params", "parameter": "params", "tag": "tags"}


def filtered_field_value(run: Run, kind: str, key: str) -> Any:
    """A metric, parameter, tag or attribute of a run; None if the run has none."""
    kind = _KINDS.get(kind.rstrip("s"), "attributes")
    if kind != "attributes":
        return getattr(run.data, kind).get(key)
    names = {"created": "start_time", "Created": "start_time", "Start Time": "start_time"}
    return getattr(run.info, names.get(key, key), None)


def _like_condition(pattern: str, *, any_case: bool) -> Callable[[Any], bool]:
    text = "".join(".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)
    compiled = re.compile(text, re.DOTALL | (re.IGNORECASE if any_case else 0))
    return lambda value: compiled.fullmatch(str(value)) is not None


def _filter_condition(test: str, text: str, kind: str) -> Callable[[Any], bool]:
    quoted = text[:1] in {"'", '"'}
    if test in {"IN", "NOT IN"}:
        wanted = [one[1] or one[2] for one in re.finditer(r"'([^']*)'|\"([^\"]*)\"", text)]
        return lambda value: (str(value) in wanted) == (test == "IN")
    if test in {"LIKE", "ILIKE"}:
        return _like_condition(text[1:-1], any_case=test == "ILIKE")
    try:
        other: Any = text[1:-1] if quoted else float(text)
    except ValueError:
        raise invalid_value_exception(
            f"a filter cannot compare with {text!r}: use a number, or a text in quotes"
        ) from None
    if kind.startswith("metric") and quoted:
        raise invalid_value_exception(f"a filter must compare a metric with a number, not with {text}")

    def compare(value: Any) -> bool:
        try:
            return bool(_COMPARE[test](str(value) if quoted else float(value), other))
        except (TypeError, ValueError):
            return False

    return compare


def parse_filter(filter_string: str | None) -> Callable[[Run], bool]:
    """A function that tells whether a run matches a filter.

    Args:
        filter_string: conditions joined by AND, such as ``metrics.rmse < 1 and params.model = 'tree'``.

    Raises:
        MlflowException: the filter cannot be parsed.
    """
    text, at = (filter_string or "").strip(), 0
    tests: list[tuple[str, str, Callable[[Any], bool] | None, bool]] = []
    while at < len(text):
        found = _TERM.match(text, at)
        if found is None or found.end() == at:
            raise invalid_value_exception(
                f"the filter {text!r} cannot be parsed from {text[at : at + 40]!r} on"
            )
        kind = (found["kind"] or "attributes").lower()
        test = " ".join(found["test"].upper().split())
        key = found["key"].strip('`"')
        if test.startswith("IS "):
            tests.append((kind, key, None, test == "IS NULL"))
        else:
            tests.append((kind, key, _filter_condition(test, found["value"] or "", kind), False))
        at = found.end()

    def meets_filter(run: Run) -> bool:
        for kind, key, test, none in tests:
            value = filtered_field_value(run, kind, key)
            if (value is None) != none if test is None else value is None or not test(value):
                return False
        return True

    return meets_filter


def sort_searched_runs(runs: Sequence[Run], order_by: Sequence[str] | str | None) -> list[Run]:
    """Sort runs by terms such as ``metrics.rmse DESC``, then newest first; missing values and NaN go last."""
    found = sorted(runs, key=lambda run: -run.info.start_time)
    terms = [order_by] if isinstance(order_by, str) else list(order_by or ())
    for term in reversed(terms):
        name, _, direction = term.strip().rpartition(" ")
        if direction.upper() not in {"ASC", "DESC"}:
            name, direction = term.strip(), "ASC"
        kind, _, key = name.rpartition(".") if name.count(".") == 1 else name.partition(".")
        if not kind:
            kind, key = "attributes", name
        key = key.strip('`"')
        values = [(filtered_field_value(run, kind.lower(), key), run) for run in found]
        usable = [one for one in values if one[0] is not None and one[0] == one[0]]
        rest = [run for value, run in values if value is None or value != value]  # noqa: PLR0124
        usable.sort(key=lambda one: one[0], reverse=direction.upper() == "DESC")
        found = [*(run for _, run in usable), *rest]
    return found
