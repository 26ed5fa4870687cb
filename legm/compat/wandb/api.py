"""``wandb.Api()``: reads back the runs that legm has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from legm.compat.session import SESSION
from legm.compat.snapshot import Snapshot, history
from legm.compat.wandb.artifacts import Artifact, find_artifact
from legm.compat.wandb.errors import CommError
from legm.records import Status

__all__ = ["Api"]

_STATES = {
    Status.RUNNING: "running",
    Status.COMPLETED: "finished",
    Status.FAILED: "failed",
    Status.INTERRUPTED: "crashed",
}


class _File:
    """A file of a stored run."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path
        self.size = path.stat().st_size if path.exists() else 0

    def download(self, root: str = ".", replace: bool = False, **_: Any) -> Any:
        """Copy it below a folder.

        Raises:
            ValueError: there is a file of that name, which is not to be replaced.
        """
        target = Path(root).joinpath(*(part for part in Path(self.name).parts if part not in ("..", "/")))
        if target.exists() and not replace:
            raise ValueError(f"{target} exists: pass replace=True to write over it")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self.path.read_bytes())
        return target.open(encoding="utf-8")


class _Summary(dict[str, Any]):
    """What a stored run came to."""

    @property
    def _json_dict(self) -> dict[str, Any]:  # by which W&B's own example of an export reads it
        return dict(self)


class _Run:
    """A stored run."""

    def __init__(self, found: Snapshot) -> None:
        self._found = found
        self.id = found.key
        self.project = found.experiment
        self.entity = found.notes.get("entity") or "legm"
        self.name = found.notes.get("name") or f"run-{found.key}"
        self.state = _STATES[found.status]
        self.config = dict(found.parameters)
        self.summary = _Summary({**{k: one.value for k, one in found.latest.items()}, **found.tests})
        self.summary |= found.notes.get("summary") or {}
        self.tags = list(found.notes.get("tags") or ())
        self.group = found.notes.get("group") or ""
        self.job_type = found.notes.get("job_type") or ""
        self.notes = found.notes.get("notes")
        self.created_at = datetime.fromtimestamp(found.started, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.path = [self.entity, self.project, self.id]
        self.url = None

    def _rows(self) -> list[dict[str, Any]]:
        if self.id in SESSION.runs:
            series = SESSION.runs[self.id].history()
        elif self._found.run is not None and self._found.folder is not None:
            series = history(self._found.folder, self._found.run.run_id)
        else:
            series = {}
        rows: dict[int, dict[str, Any]] = {}
        for name, numbers in series.items():
            for number in numbers:
                row = rows.setdefault(number.step, {"_step": number.step, "_timestamp": number.time})
                row[name] = number.value
        return [rows[step] for step in sorted(rows)]

    def scan_history(self, keys: Sequence[str] | None = None, **_: Any) -> Iterator[dict[str, Any]]:
        """Each row; with keys those that have all of them."""
        for row in self._rows():
            if keys is None:
                yield row
            elif all(key in row for key in keys):
                yield {key: row[key] for key in keys}

    def history(
        self, samples: int = 500, keys: Sequence[str] | None = None, pandas: bool = True, **_: Any
    ) -> Any:
        """The rows, at most so many of them, as a data frame where pandas is there."""
        rows = list(self.scan_history(keys))
        rows = rows[:: max(1, -(-len(rows) // samples))]
        if not pandas:
            return rows
        try:
            import pandas as frames
        except ImportError:
            return rows
        return frames.DataFrame(rows)

    def files(self, names: Sequence[str] | None = None, **_: Any) -> list[_File]:
        """The run's files."""
        return [_File(k, path) for k, path in self._found.files.items() if names is None or k in names]

    def file(self, name: str) -> _File:
        """One of them."""
        return _File(name, self._found.files[name])

    def logged_artifacts(self, **_: Any) -> list[Artifact]:
        """What it logged."""
        return [find_artifact(label) for label in self._found.notes.get("artifacts") or ()]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return SESSION.notices.null_object(f"wandb.Api().run().{name}")

    def __repr__(self) -> str:
        return f"<Run {'/'.join(self.path)} ({self.state})>"


class Api:
    """Reads the runs that are in legm's root directory."""

    def __init__(self, **_: Any) -> None:
        self.default_entity = "legm"

    def runs(
        self,
        path: str | None = None,
        filters: Mapping[str, Any] | None = None,
        order: str = "+created_at",
        per_page: int = 50,
        **_: Any,
    ) -> list[_Run]:
        """The runs of a project, ``"entity/project"``; of all without one.

        Args:
            path: the project.
            filters: as wandb's, by state, tags, group, jobType, display_name, config.x and summary_metrics.x.
            order: ``+created_at``, ``-created_at``, or by ``summary_metrics.x`` or ``config.x``.
        """
        experiments = None if path is None else [path.rpartition("/")[2]]
        found = [_Run(one) for one in SESSION.snapshots(experiments)]
        found = [one for one in found if _fits(one, filters or {})]
        key = order.lstrip("+-")
        if key != "created_at":
            found = [one for one in found if _field(one, key) is not None]
            found.sort(key=lambda one: _field(one, key))
        return found[::-1] if order.startswith("-") else found

    def run(self, path: str) -> _Run:
        """A run, by ``"entity/project/id"``.

        Raises:
            CommError: there is none.
        """
        found = SESSION.find(path.rpartition("/")[2])
        if found is None:
            raise CommError(f"there is no run {path!r} in {SESSION.settings.root}")
        return _Run(found)

    def artifact(self, name: str, type: str | None = None) -> Artifact:  # noqa: A002 - wandb's word
        """An artifact by its name.

        Raises:
            CommError: there is none.
        """
        return find_artifact(name, type)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return SESSION.notices.null_object(f"wandb.Api().{name}")


def _field(run: _Run, key: str) -> Any:
    head, _, rest = key.partition(".")
    if head in {"config", "summary_metrics", "summary"}:
        return (run.config if head == "config" else run.summary).get(rest.removesuffix(".value"))
    names = {"jobType": "job_type", "display_name": "name", "displayName": "name"}
    return getattr(run, names.get(key, key))


_TESTS: dict[str, Callable[[Any, Any], bool]] = {
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


def _fits(run: _Run, filters: Mapping[str, Any]) -> bool:
    for key, wanted in filters.items():
        if key in {"$and", "$or"}:
            if not (all if key == "$and" else any)(_fits(run, one) for one in wanted):
                return False
            continue
        value = _field(run, key)
        tests = wanted if isinstance(wanted, Mapping) else {"$eq": wanted}
        for name, other in tests.items():
            if name not in _TESTS:
                raise CommError(f"a filter of runs has no {name!r}; it has {', '.join(_TESTS)}")
            if name == "$eq" and isinstance(value, list) and not isinstance(other, list):
                if other not in value:
                    return False
            elif not _TESTS[name](value, other):
                return False
    return True
