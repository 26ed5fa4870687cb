"""Values, tables and notes as a user sees them in MLflow; nothing of them is read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from legm.backends.mlflow import names
from legm.backends.mlflow.names import mlflow_indexed_file_name
from legm.core.effective_values import own_effective_values, parameters_with_absent_value
from legm.core.run_environment import STARTED, run_stretches
from legm.core.texts import counted
from legm.records import Aggregate, Configuration, Plain, Rewind, Run, RunResult, Summary

__all__ = [
    "display_absent_values",
    "display_configuration_note",
    "display_indexed_tables",
    "display_milliseconds",
    "display_params",
    "display_rewind",
    "display_source_tags",
    "display_stretches",
    "display_value",
]

_LONGEST_VALUE = 500  # characters of a param or tag
_LONGEST_NOTE = 7900
_LONGEST_LIST = 5000


def display_value(value: Any) -> str:
    """A value as the text of a param or tag, shortened if it is long."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _display_shortened(text, _LONGEST_VALUE)


def _display_shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def display_params(configuration: Configuration, own: Mapping[str, Any]) -> dict[str, str]:
    """The params of a run: the parameters that have a value, and the run's own."""
    values = {**own_effective_values(configuration), **own}
    return {names.mlflow_metric_key(name): display_value(value) for name, value in values.items()}


def display_absent_values(configuration: Configuration) -> str:
    """Which params equal their absent value, and so do not count; "" where none does."""
    keys = map(names.mlflow_metric_key, parameters_with_absent_value(configuration))
    return _display_shortened(", ".join(keys), _LONGEST_LIST)


def display_milliseconds(seconds: float) -> int:
    """A time in the unit of MLflow."""
    return int(seconds * 1000)


def _display_time_text(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def display_stretches(run: Run) -> str:
    """When and on which host each stretch of a resumed run began, the newest ones if there are many."""
    stretches = run_stretches(run)
    shown = ""
    for number in range(len(stretches), 0, -1):
        one = stretches[number - 1]
        started = one.get(STARTED)
        when = _display_time_text(started) if isinstance(started, (int, float)) else "?"
        line = f"{number}. {when} on {one.get('host') or '?'}"
        if len(line) + len(shown) >= _LONGEST_VALUE:
            return f"…\n{shown}"
        shown = f"{line}\n{shown}" if shown else line
    return shown


def display_rewind(rewind: Rewind) -> str:
    """Which points are void that a server cannot delete."""
    return f"points after step {rewind.step} from before {_display_time_text(rewind.time)} are void"


def display_indexed_tables(result: RunResult) -> dict[str, str]:
    """The indexed metrics at the best step and of the test data: one CSV table per metric, by artifact."""
    rows: dict[str, list[str]] = {}
    for values in (result.best, result.test):
        for series, value in values.items():
            if series.index is not None:
                quoted = '"' + series.index.replace('"', '""') + '"'
                table = rows.setdefault(mlflow_indexed_file_name(series), ["index,value"])
                table.append(f"{quoted},{value!r}")
    return {name: "\n".join(lines) for name, lines in rows.items()}


def display_configuration_note(configuration: Configuration, description: str, summary: Summary) -> str:
    """The description of a configuration on MLflow's page, in Markdown."""
    about = f" with the description “{description}”" if description else ""
    completed = counted(summary.completed, "completed run")
    others = ", ".join(f"{count} {status}" for status, count in summary.left_out.items())
    counts = (
        f"One configuration of **{configuration.experiment}**{about}: {completed}, {others}. "
        f"The runs are nested below."
    )
    if summary.repeated:
        counts += f" {summary.repeated} of the completed runs repeat the seed of another one."
    if summary.different_code:
        counts += f" **They come from different code:** {summary.different_code}."
    lines = [
        counts,
        "",
        "| metric | mean | deviation | runs |",
        "|---|---|---|---|",
    ]
    for name, value in summary.values.items():
        if isinstance(value, Aggregate):
            title = summary.titles.get(name, name).replace("|", "/")
            spread = f"{value.std:.3g}" if value.n > 1 else ""
            lines.append(f"| {title} | {value.mean:.6g} | {spread} | {value.n} |")
    return "\n".join(lines)[:_LONGEST_NOTE]


def display_source_tags(environment: Mapping[str, Plain]) -> dict[str, str]:
    """MLflow's own tags for where a run comes from, as far as its environment says."""
    git, script = environment.get("git"), environment.get("script")
    git = git if isinstance(git, dict) else {}
    local = "LOCAL" if environment.get("command") else ""
    found = {
        names.SOURCE_NAME_TAG: script,
        names.SOURCE_TYPE_TAG: "NOTEBOOK" if environment.get("notebook") else local,
        names.GIT_COMMIT_TAG: git.get("commit"),
        names.GIT_BRANCH_TAG: git.get("branch"),
        names.GIT_REMOTE_TAG: git.get("remote"),
    }
    return {name: display_value(value) for name, value in found.items() if value}
