"""``filter_string`` and ``order_by`` of mlflow's searches, as pure functions over what they select."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from legm.compat.mlflow.entities import Experiment, Run
from legm.compat.mlflow.exceptions import invalid_value_exception

__all__ = ["EXPERIMENT_FIELDS", "RUN_FIELDS", "SearchedFields", "parse_filter", "sort_searched"]

T = TypeVar("T")

_TERM = re.compile(
    r"""\s*(?:(?P<kind>metrics?|params?|parameters?|tags?|attributes?|attr|run|datasets?)\.)?
    (?P<key>`[^`]+`|"[^"]+"|[\w./-]+(?:\ [\w./-]+)*?)\s*
    (?P<test>>=|<=|!=|=|>|<|\bNOT\s+IN\b|\bIN\b|\bI?LIKE\b|\bIS\s+NOT\s+NULL\b|\bIS\s+NULL\b)\s*
    (?P<value>'[^']*'|"[^"]*"|\([^)]*\)|[-+.\w]+)?\s*(?:\bAND\b|$)""",
    re.IGNORECASE | re.VERBOSE,
)
_ORDER = re.compile(
    r"""\s*(?:(?P<kind>metrics?|params?|parameters?|tags?|attributes?|attr|run)\.)?
    (?P<key>`[^`]+`|"[^"]+"|[\w./ -]+?)(?:\s+(?P<direction>ASC|DESC))?\s*""",
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
_KINDS = {"metric": "metrics", "param": "params", "parameter": "params", "tag": "tags", "dataset": "datasets"}
_ALIASES = {"created": "start_time", "Created": "start_time", "Start Time": "start_time"}
_ALIASES |= dict.fromkeys(("Run name", "run name", "Run Name"), "run_name")


@dataclass(frozen=True)
class SearchedFields:
    """What a search selects by.

    Args:
        value: the value of a kind and a key; None for none.
        texts, numbers: the attributes, which need no kind.
        lists: the attributes that are compared with several values.
    """

    value: Callable[[Any, str, str], Any]
    texts: frozenset[str]
    numbers: frozenset[str]
    lists: frozenset[str] = frozenset()

    def require(self, key: str) -> None:
        """Check that there is an attribute.

        Raises:
            MlflowException: there is none of this name.
        """
        if _ALIASES.get(key, key) not in self.texts | self.numbers:
            known = sorted(self.texts | self.numbers)
            raise invalid_value_exception(
                f"Invalid attribute key '{key}' specified. Valid keys are '{known}'"
            )


def _run_value_to_filter(run: Run, kind: str, key: str) -> Any:
    if kind == "attributes":
        return getattr(run.info, _ALIASES.get(key, key), None)
    if kind == "datasets":
        found = run.inputs.dataset_inputs
        if key == "context":
            return [tag.value for one in found for tag in one.tags]
        return [getattr(one.dataset, key, None) for one in found]
    values: Mapping[str, Any] = getattr(run.data, kind)
    return values.get(key)


def _experiment_value_to_filter(experiment: Experiment, kind: str, key: str) -> Any:
    return experiment.tags.get(key) if kind == "tags" else getattr(experiment, key, None)


RUN_FIELDS = SearchedFields(
    _run_value_to_filter,
    frozenset({"run_id", "run_name", "status", "artifact_uri", "user_id"}),
    frozenset({"start_time", "end_time"}),
    frozenset({"run_id"}),
)
EXPERIMENT_FIELDS = SearchedFields(
    _experiment_value_to_filter,
    frozenset({"name", "experiment_id"}),
    frozenset({"creation_time", "last_update_time"}),
)


def _filtered_field_kind(text: str | None) -> str:
    return _KINDS.get((text or "attributes").lower().rstrip("s"), "attributes")


def _like_filter_condition(pattern: str, *, any_case: bool) -> Callable[[Any], bool]:
    text = "".join(".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)
    compiled = re.compile(text, re.DOTALL | (re.IGNORECASE if any_case else 0))
    return lambda value: compiled.fullmatch(str(value)) is not None


def _filter_condition(
    test: str, text: str, kind: str, key: str, fields: SearchedFields
) -> Callable[[Any], bool]:
    is_number = kind == "metrics" or (kind == "attributes" and _ALIASES.get(key, key) in fields.numbers)
    is_quoted = text[:1] in {"'", '"'}
    if test in {"IN", "NOT IN"} and (kind == "datasets" or key in fields.lists):
        wanted = [one[1] or one[2] for one in re.finditer(r"'([^']*)'|\"([^\"]*)\"", text)]
        return lambda value: (str(value) in wanted) == (test == "IN")
    if is_number and is_quoted:
        raise invalid_value_exception(f"Expected numeric value type for {kind.rstrip('s')}. Found {text}")
    if not is_number and not is_quoted:
        raise invalid_value_exception(
            f"Expected a quoted string value for {kind.rstrip('s')} (e.g. 'my-value'). Got value {text}"
        )
    if test in {"LIKE", "ILIKE"}:
        return _like_filter_condition(text[1:-1], any_case=test == "ILIKE")
    if not is_number:
        if test not in {"=", "!="}:
            raise invalid_value_exception(f"Invalid comparator '{test}' for {kind} in a filter")
        return lambda value: bool(_COMPARE[test](str(value), text[1:-1]))
    try:
        other = float(text)
    except ValueError:
        raise invalid_value_exception(f"Expected numeric value type for {kind}. Found {text!r}") from None
    return lambda value: bool(_COMPARE[test](float(value), other))


def parse_filter(filter_string: str | None, fields: SearchedFields = RUN_FIELDS) -> Callable[[Any], bool]:
    """A function that tells whether something matches a filter.

    Args:
        filter_string: conditions joined by AND, such as ``metrics.rmse < 1 and params.model = 'tree'``.
        fields: what is searched.

    Raises:
        MlflowException: the filter cannot be parsed.
    """
    text, at = (filter_string or "").strip(), 0
    tests: list[tuple[str, str, Callable[[Any], bool] | None, bool]] = []
    while at < len(text):
        found = _TERM.match(text, at)
        if found is None or found.end() == at:
            raise invalid_value_exception(f"Invalid clause(s) in filter string: {text[at : at + 60]!r}")
        kind, key = _filtered_field_kind(found["kind"]), found["key"].strip('`"')
        if kind == "attributes":
            fields.require(key)
        test = " ".join(found["test"].upper().split())
        if test.startswith("IS "):
            tests.append((kind, key, None, test == "IS NULL"))
        else:
            condition = _filter_condition(test, found["value"] or "", kind, key, fields)
            tests.append((kind, key, condition, False))
        at = found.end()

    def meets_filter(one: Any) -> bool:
        for kind, key, test, none in tests:
            value = fields.value(one, kind, key)
            if isinstance(value, list):
                if test is None or not any(map(test, value)):
                    return False
            elif (value is None) != none if test is None else value is None or not test(value):
                return False
        return True

    return meets_filter


def sort_searched(
    found: Sequence[T], order_by: Sequence[str] | str | None, fields: SearchedFields = RUN_FIELDS
) -> list[T]:
    """Sort by terms such as ``metrics.rmse DESC``; what they leave equal stays; no value and NaN go last.

    Raises:
        MlflowException: a term names an attribute that there is not.
    """
    terms = [order_by] if isinstance(order_by, str) else list(order_by or ())
    ordered = list(found)
    for term in reversed(terms):
        parsed = _ORDER.fullmatch(term)
        if parsed is None:
            raise invalid_value_exception(f"Invalid order_by clause '{term}'")
        kind, key = _filtered_field_kind(parsed["kind"]), parsed["key"].strip('`"')
        if kind == "attributes":
            fields.require(key)
        values = [(fields.value(one, kind, key), one) for one in ordered]
        usable = [pair for pair in values if pair[0] is not None and pair[0] == pair[0]]
        rest = [one for value, one in values if value is None or value != value]  # noqa: PLR0124
        usable.sort(key=lambda pair: pair[0], reverse=(parsed["direction"] or "").upper() == "DESC")
        ordered = [*(one for _, one in usable), *rest]
    return ordered
