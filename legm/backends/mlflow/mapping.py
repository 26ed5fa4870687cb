"""legm's records in MLflow's words: names that it allows, values and tables that people read."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from legm.core.naming import escape_name, shorten_name
from legm.records import Aggregate, Configuration, RunResult, Split, Summary

__all__ = ["group", "indexed_tables", "metric_key", "milliseconds", "note", "shown"]

_LONGEST_NAME, _LONGEST_PARAM = 240, 500


def metric_key(*parts: str) -> str:
    """A metric's name in MLflow, which allows letters, digits and ``_ - . /`` and spaces.

    A ``/`` stays where it groups; everything else is written as ``_x<hex>_``.
    """
    name = "/".join(_segment(piece) for part in parts for piece in part.split("/"))
    digest = hashlib.sha256("/".join(parts).encode(errors="replace")).hexdigest()
    return shorten_name(name, digest, _LONGEST_NAME, mark="_")  # a server refuses "~"


def _segment(text: str) -> str:
    if not text.strip(". "):
        return "".join(f"_x{ord(c):x}_" for c in text) or "_x2f_"  # an empty piece stands between two "/"
    return escape_name(text, lambda c: c.isalnum() or c in "_-. ")


def shown(value: Any) -> str:
    """A value as a param or a tag, cut where it is long."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_PARAM else text[: _LONGEST_PARAM - 1] + "…"


def group(description: str) -> str:
    """What a filter compares in a description's place, which may hold what a filter cannot."""
    return hashlib.sha256(description.encode(errors="replace")).hexdigest()[:32]


def milliseconds(seconds: float) -> int:
    """A time as MLflow counts it."""
    return int(seconds * 1000)


def indexed_tables(result: RunResult) -> dict[str, str]:
    """The indexed metrics at the best step and of the test data, a table a metric."""
    rows: dict[str, list[str]] = {}
    for values in (result.best, result.test):
        for series, value in values.items():
            if series.index is not None:
                quoted = '"' + series.index.replace('"', '""') + '"'
                split = "test" if series.split is Split.TEST else "best"
                rows.setdefault(f"{split}_{series.name}", ["index,value"]).append(f"{quoted},{value!r}")
    return {name: "\n".join(lines) for name, lines in rows.items()}


def note(configuration: Configuration, description: str, summary: Summary) -> str:
    """The configuration's description in MLflow's page, in Markdown."""
    about = f" with the description “{description}”" if description else ""
    counts = (
        f"One configuration of **{configuration.experiment}**{about}: {summary.completed} completed runs, "
        f"{summary.failed} failed, {summary.interrupted} interrupted. The runs are nested below."
    )
    lines = [
        counts,
        "",
        "| metric | mean | deviation | runs |",
        "|---|---|---|---|",
    ]
    for name, value in summary.values.items():
        if isinstance(value, Aggregate):
            lines.append(f"| {name.replace('|', '/')} | {value.mean:.6g} | {value.std:.3g} | {value.n} |")
    return "\n".join(lines)[:7900]
