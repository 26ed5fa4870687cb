"""A run as files that hold it bit for bit, for stores that keep files with runs.

``legm/run.json`` is the :class:`~legm.records.Run`; ``legm/result.json`` is the
:class:`~legm.records.RunResult` without its series; ``legm/series.npz`` has the series: ``steps_<i>`` and
``values_<i>`` for the i-th series listed in ``result.json``. The JSON is Python's, with NaN and infinities.
The run's artifacts are below ``files/``, and its texts are ``texts/<name>/<step>.txt``. Where a tracker keeps
points that were rewound, ``legm/rewound.json`` (:class:`Rewound`) says which.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from legm.core.naming import safe_name
from legm.records import (
    BestRule,
    Configuration,
    Curve,
    History,
    Run,
    RunResult,
    Series,
    Split,
    Status,
    StoredRun,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from legm.records import IntArray

__all__ = [
    "ARTIFACTS",
    "DISPLAYS",
    "FOLDER",
    "NOTHING_REWOUND",
    "RESULT_FILE",
    "REWOUND_FILE",
    "RUN_FILE",
    "SERIES_FILE",
    "TEXTS",
    "Rewound",
    "artifact_file",
    "checked_files",
    "curve_csv",
    "read_or_damaged",
    "result_from",
    "result_json",
    "rewound_from",
    "rewound_json",
    "run_from",
    "run_json",
    "series_from",
    "series_npz",
    "text_file",
]

FOLDER = "legm"
"""The folder of the files that hold a run exactly."""
RUN_FILE = f"{FOLDER}/run.json"
RESULT_FILE = f"{FOLDER}/result.json"
SERIES_FILE = f"{FOLDER}/series.npz"
REWOUND_FILE = f"{FOLDER}/rewound.json"

ARTIFACTS = "files"
"""The folder of a run's artifacts."""
TEXTS = "texts"
"""The folder of a run's texts."""
DISPLAYS = "display"
"""The group of the numbers of a run that are only shown; ``dev`` and ``test`` are those of its metrics."""

_DAMAGE = (
    *(ValueError, KeyError, TypeError, AttributeError, EOFError, BadZipFile, zlib.error),
    FileNotFoundError,
)
_AS_THEY_ARE = ("best_step", "points", "last_step", "ended", "error")


def artifact_file(name: str) -> str:
    """The file that holds an artifact of the run.

    Args:
        name: the artifact's name in the run.

    Returns:
        the file's path in the store, with a name that is safe on every system.
    """
    return f"{ARTIFACTS}/{safe_name(name)}"


def text_file(name: str, step: int) -> str:
    """The file that holds a text of the run.

    Args:
        name: the text's name.
        step: the step at which it was recorded.

    Returns:
        the file's path in the store.
    """
    return f"{TEXTS}/{safe_name(name)}/{step}.txt"


@contextmanager
def checked_files(run_id: str) -> Iterator[None]:
    """Name the run in errors, while its stored files are parsed.

    Args:
        run_id: the id of the run.

    Returns:
        a context manager in which the files are parsed.

    Raises:
        ValueError: a file is missing, or does not hold what was written.
    """
    try:
        yield
    except _DAMAGE as cause:
        raise ValueError(f"the stored files of the run {run_id} are damaged: {cause!r}") from cause


def read_or_damaged(run_id: str, read: Callable[[], RunResult]) -> RunResult | StoredRun:
    """Read a stored run, so that damage of its files hides no other one.

    Args:
        run_id: the id of the run.
        read: reads it; what it raises for damaged files is described.

    Returns:
        the run; where its files are damaged, what is wrong with them.
    """
    try:
        with checked_files(run_id):
            return read()
    except ValueError as error:
        return StoredRun(run_id, None, str(error))


def run_json(run: Run) -> bytes:
    """The run with its configuration, as JSON.

    Args:
        run: the run.

    Returns:
        the content of ``RUN_FILE``.
    """
    return json.dumps(asdict(run), indent=1).encode()


def run_from(data: bytes) -> Run:
    """The run that :func:`run_json` was given.

    Args:
        data: the bytes that it returned.

    Returns:
        the run.

    Raises:
        ValueError, KeyError, TypeError: the bytes are damaged; see :func:`checked_files`.
    """
    content = json.loads(data)
    configuration = content.pop("configuration")
    configuration["active"] = tuple(configuration["active"])
    return Run(configuration=Configuration(**configuration), **content)


def _portable_series(series: Series) -> list[str | None]:
    return [series.name, series.split.value, series.index]


def _portable_values(values: Mapping[Series, Any]) -> list[list[Any]]:
    return [[*_portable_series(series), value] for series, value in values.items()]


def _values_from_portable(rows: list[list[Any]]) -> dict[Series, Any]:
    return {Series(name, Split(split), index): value for name, split, index, value in rows}


def result_json(result: RunResult) -> bytes:
    """The result as JSON, without its configuration and without the numbers of its series.

    Args:
        result: the result.

    Returns:
        the content of ``RESULT_FILE``.
    """
    run = {f.name: getattr(result.run, f.name) for f in fields(Run) if f.name != "configuration"}
    content = {
        "run": run,
        "status": result.status.value,
        "rule": asdict(result.rule),
        "best": _portable_values(result.best),
        "best_steps": _portable_values(result.best_steps),
        "test": _portable_values(result.test),
        "series": [_portable_series(series) for series in result.histories],
        **{name: getattr(result, name) for name in _AS_THEY_ARE},
    }
    return json.dumps(content, indent=1).encode()


def result_from(data: bytes, configuration: Configuration) -> tuple[RunResult, list[Series]]:
    """The result that :func:`result_json` was given, without histories, and the list of its series.

    Args:
        data: the bytes that it returned.
        configuration: the run's configuration, as :func:`run_from` returns it.

    Returns:
        the result, and its series in the order in which :func:`series_npz` numbers them.

    Raises:
        ValueError, KeyError, TypeError: the bytes are damaged; see :func:`checked_files`.
    """
    content = json.loads(data)
    result = RunResult(
        run=Run(configuration=configuration, **content["run"]),
        status=Status(content["status"]),
        rule=BestRule(**content["rule"]),
        best=_values_from_portable(content["best"]),
        best_steps=_values_from_portable(content["best_steps"]),
        test=_values_from_portable(content["test"]),
        **{name: content[name] for name in _AS_THEY_ARE},
    )
    return result, [Series(name, Split(split), index) for name, split, index in content["series"]]


def series_npz(histories: Mapping[Series, History]) -> bytes:
    """The numbers of the series, compressed.

    Args:
        histories: the series, in the order in which :func:`result_json` lists them.

    Returns:
        the content of ``SERIES_FILE``.
    """
    import numpy as np

    arrays: dict[str, Any] = {}
    for i, history in enumerate(histories.values()):
        arrays[f"steps_{i}"], arrays[f"values_{i}"] = history.steps, history.values
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def series_from(data: bytes, series: list[Series], names: frozenset[str] | None) -> dict[Series, History]:
    """Some of the series that :func:`series_npz` was given.

    Args:
        data: the bytes that it returned.
        series: all series, in order.
        names: the metrics to read; None for all.

    Returns:
        the chosen series.

    Raises:
        ValueError, KeyError, EOFError: the bytes are damaged, for which ``zipfile`` has an error of its
            own; see :func:`checked_files`.
    """
    import numpy as np

    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return {
            one: History(arrays[f"steps_{i}"], arrays[f"values_{i}"])
            for i, one in enumerate(series)
            if names is None or one.name in names
        }


def curve_csv(curve: Curve) -> bytes:
    """An aggregated curve as a table for other tools: step, center, lower, upper, runs.

    Args:
        curve: the curve.

    Returns:
        CSV with a header, one line per step.
    """
    columns = (curve.steps, curve.center, curve.lower, curve.upper, curve.runs)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    lines = ["step,center,lower,upper,runs", *(",".join(map(repr, row)) for row in rows)]
    return "\n".join(lines).encode()


@dataclass(frozen=True, slots=True)
class Rewound:
    """What a tracker still has although the run was rewound behind it.

    Args:
        marks: pairs of a step and a limit: dev values and displays at a later step are void if they come
            before the limit or at it, in an order of the tracker's own, such as the time.
        texts: the files of texts that are void.
    """

    marks: tuple[tuple[int, int], ...] = ()
    texts: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.marks or self.texts)

    def with_mark(self, step: int, limit: int) -> Rewound:
        """The same with another rewind, which makes earlier ones to the same or a later step redundant.

        Args:
            step: the last step that stays.
            limit: the last position, in the tracker's order, of what was there before the rewind.

        Returns:
            what is void then.
        """
        earlier = [one for one in self.marks if one[0] < step or one[1] > limit]
        return replace(self, marks=(*earlier, (step, limit)))

    def voids(self, steps: IntArray, positions: IntArray) -> NDArray[np.bool_]:
        """Which points of a series are void.

        Args:
            steps: shape (n,), their steps.
            positions: shape (n,), where they are in the tracker's order.

        Returns:
            shape (n,), whether each is void.
        """
        import numpy as np

        void = np.zeros(len(steps), bool)
        for step, limit in self.marks:
            void |= (steps > step) & (positions <= limit)
        return void


NOTHING_REWOUND = Rewound()
"""Nothing is void, since the run was never rewound."""


def rewound_json(rewound: Rewound) -> bytes:
    """What was rewound, as JSON.

    Args:
        rewound: what is void.

    Returns:
        the content of ``REWOUND_FILE``.
    """
    return json.dumps({"marks": rewound.marks, "texts": sorted(rewound.texts)}).encode()


def rewound_from(data: bytes) -> Rewound:
    """What :func:`rewound_json` was given.

    Args:
        data: the bytes that it returned.

    Returns:
        what is void.

    Raises:
        ValueError, KeyError, TypeError: the bytes are damaged; see :func:`checked_files`.
    """
    content = json.loads(data)
    marks = tuple(
        (_portable_whole_number(step), _portable_whole_number(limit)) for step, limit in content["marks"]
    )
    return Rewound(marks, frozenset(map(str, content["texts"])))


def _portable_whole_number(value: object) -> int:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise ValueError(f"not a step or a limit: {value!r}")
    return value
