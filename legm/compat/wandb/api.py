"""``wandb.Api()``: reads the runs that legm has stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from legm.compat.null_objects import NullObject
from legm.compat.run_snapshot import RunSnapshot, names_of_tests, read_snapshot_history
from legm.compat.script_session import SESSION
from legm.compat.wandb.artifacts import Artifact, find_artifact
from legm.compat.wandb.errors import CommError
from legm.core.naming import utc_time
from legm.records import Status

__all__ = ["Api"]

_STATES = {
    Status.RUNNING: "running",
    Status.COMPLETED: "finished",
    Status.FAILED: "failed",
    Status.INTERRUPTED: "crashed",
}


class _ApiFile:
    """A file of a stored run."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path
        self.size = path.stat().st_size if path.exists() else 0

    def download(self, root: str = ".", replace: bool = False, **_: Any) -> Any:
        """Copy the file into a folder.

        Raises:
            ValueError: the folder has a file of that name, and ``replace`` is false.
        """
        target = Path(root).joinpath(*(part for part in Path(self.name).parts if part not in ("..", "/")))
        if target.exists() and not replace:
            raise ValueError(f"{target} exists: pass replace=True to overwrite it")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self.path.read_bytes())
        return target.open(encoding="utf-8")


class _ApiSummary(dict[str, Any]):
    """The summary of a stored run."""

    @property
    def _json_dict(self) -> dict[str, Any]:  # W&B's own export example reads it
        return dict(self)


class _ApiRun:
    """A stored run."""

    def __init__(self, snapshot: RunSnapshot) -> None:
        self._snapshot = snapshot
        self.id = snapshot.key
        self.project = snapshot.experiment
        self.entity = snapshot.notes.get("entity") or "legm"
        self.name = snapshot.notes.get("name") or f"run-{snapshot.key}"
        self.state = _STATES[snapshot.status]
        self.config = dict(snapshot.parameters)
        self.summary = _ApiSummary({**{k: one.value for k, one in snapshot.latest.items()}, **snapshot.tests})
        self.summary |= snapshot.notes.get("summary") or {}
        self.tags = list(snapshot.notes.get("tags") or ())
        self.group = snapshot.notes.get("group") or ""
        self.job_type = snapshot.notes.get("job_type") or ""
        self.notes = snapshot.notes.get("notes")
        self.created_at = utc_time(snapshot.started).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.path = [self.entity, self.project, self.id]
        self.url = None

    def _rows(self) -> list[dict[str, Any]]:
        if self.id in SESSION.runs:
            series = SESSION.runs[self.id].history()
        elif self._snapshot.run is not None and self._snapshot.folder is not None:
            names = names_of_tests(self._snapshot.notes)
            series = read_snapshot_history(self._snapshot.folder, self._snapshot.run.run_id, names)
        else:
            series = {}
        rows: dict[int, dict[str, Any]] = {}
        for name, numbers in series.items():
            for number in numbers:
                row = rows.setdefault(number.step, {"_step": number.step, "_timestamp": number.time})
                row[name] = number.value
        return [rows[step] for step in sorted(rows)]

    def scan_history(self, keys: Sequence[str] | None = None, **_: Any) -> Iterator[dict[str, Any]]:
        """Every row; with keys, only the rows that have all of them."""
        for row in self._rows():
            if keys is None:
                yield row
            elif all(key in row for key in keys):
                yield {key: row[key] for key in keys}

    def history(
        self, samples: int = 500, keys: Sequence[str] | None = None, pandas: bool = True, **_: Any
    ) -> Any:
        """At most so many rows, as a data frame if pandas is installed."""
        rows = list(self.scan_history(keys))
        rows = rows[:: max(1, -(-len(rows) // samples))]
        if not pandas:
            return rows
        try:
            import pandas as frames
        except ImportError:
            return rows
        return frames.DataFrame(rows)

    def files(self, names: Sequence[str] | None = None, **_: Any) -> list[_ApiFile]:
        """The run's files."""
        return [_ApiFile(k, path) for k, path in self._snapshot.files.items() if names is None or k in names]

    def file(self, name: str) -> _ApiFile:
        """One of the run's files."""
        return _ApiFile(name, self._snapshot.files[name])

    def logged_artifacts(self, **_: Any) -> list[Artifact]:
        """The artifacts that the run logged."""
        return [find_artifact(label) for label in self._snapshot.notes.get("artifacts") or ()]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return NullObject(f"wandb.Api().run().{name}", SESSION.notices)

    def __repr__(self) -> str:
        return f"<Run {'/'.join(self.path)} ({self.state})>"


class Api:
    """Reads the runs in legm's root directory."""

    def __init__(self, **_: Any) -> None:
        self.default_entity = "legm"

    def runs(
        self,
        path: str | None = None,
        filters: Mapping[str, Any] | None = None,
        order: str = "+created_at",
        per_page: int = 50,
        **_: Any,
    ) -> list[_ApiRun]:
        """The runs of a project, or of all projects.

        Args:
            path: the project, ``"entity/project"``; None for all projects.
            filters: wandb's filters, by state, tags, group, jobType, display_name, config.x and
                summary_metrics.x.
            order: ``+created_at`` or ``-created_at``, or the same with ``summary_metrics.x`` or ``config.x``.
        """
        experiments = None if path is None else [path.rpartition("/")[2]]
        found = [_ApiRun(one) for one in SESSION.snapshots(experiments)]
        found = [one for one in found if _matches_api_filter(one, filters or {})]
        key = order.lstrip("+-")
        if key != "created_at":
            found = [one for one in found if _api_field_value(one, key) is not None]
            found.sort(key=lambda one: _api_field_value(one, key))
        return found[::-1] if order.startswith("-") else found

    def run(self, path: str) -> _ApiRun:
        """The run with a path, ``"entity/project/id"``.

        Raises:
            CommError: there is none.
        """
        found = SESSION.find(path.rpartition("/")[2])
        if found is None:
            raise CommError(f"there is no run {path!r} in {SESSION.settings.root}")
        return _ApiRun(found)

    def artifact(self, name: str, type: str | None = None) -> Artifact:  # noqa: A002 - wandb's name
        """The artifact with a name.

        Raises:
            CommError: there is none.
        """
        return find_artifact(name, type)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return NullObject(f"wandb.Api().{name}", SESSION.notices)


def _api_field_value(run: _ApiRun, key: str) -> Any:
    head, _, rest = key.partition(".")
    if head in {"config", "summary_metrics", "summary"}:
        return (run.config if head == "config" else run.summary).get(rest.removesuffix(".value"))
    names = {"jobType": "job_type", "display_name": "name", "displayName": "name"}
    return getattr(run, names.get(key, key))


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda a, b: a == b,
    "$ne": lambda a, b: a != b,
    "$gt": lambda a, b: a is not None and a > b,
    "$gte": lambda a, b: a is not None and a >= b,
    "$lt": lambda a, b: a is not None and a < b,
    "$lte": lambda a, b: a is not None and a <= b,
    "$in": lambda a, b: any(x in b for x in (a if isinstance(a, list) else [a])),
    "$nin": lambda a, b: all(x not in b for x in (a if isinstance(a, list) else [a])),
    "$exists": lambda a, b: (a is not None) == bool(b),
}


def _matches_api_filter(run: _ApiRun, filters: Mapping[str, Any]) -> bool:
    for key, wanted in filters.items():
        if key in {"$and", "$or"}:
            if not (all if key == "$and" else any)(_matches_api_filter(run, one) for one in wanted):
                return False
            continue
        value = _api_field_value(run, key)
        tests = wanted if isinstance(wanted, Mapping) else {"$eq": wanted}
        for name, other in tests.items():
            if name not in _OPERATORS:
                raise CommError(f"a filter of runs does not support {name!r}; known: {', '.join(_OPERATORS)}")
            if name == "$eq" and isinstance(value, list) and not isinstance(other, list):
                if other not in value:
                    return False
            elif not _OPERATORS[name](value, other):
                return False
    return True
