"""The steps of a journal: changes of folders, each of which may be repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from legm.core.inactive_values import inactive_parameters
from legm.records import Configuration, Plain, Run, is_record_file_name
from legm.runlog.log_frames import configuration_frame_content
from legm.runlog.log_reader import decode_log_configuration

__all__ = [
    "ADOPT",
    "FOLDER",
    "MOVE",
    "Step",
    "StepRun",
    "decode_runs",
    "decode_step",
    "require_step_path_below",
    "runs_content",
]

ADOPT, MOVE, FOLDER = "adopt", "move", "folder"
_EARLIER_KINDS = {"trash": FOLDER}  # as the first version called it


@dataclass(frozen=True, slots=True)
class StepRun:
    """A run that a step changes.

    Args:
        description: its description.
        started: seconds since 1970.
        before, after: its own parameters, which are not compared.
        backends: the names of the backends beside its folder in which it changes too.
        description_after: its description afterwards; None where it stays.
    """

    description: str
    started: float
    before: Mapping[str, Plain]
    after: Mapping[str, Plain]
    backends: tuple[str, ...] = ()
    description_after: str | None = None

    @property
    def current_description(self) -> str:
        """Its description once it is changed."""
        return self.description if self.description_after is None else self.description_after

    @property
    def is_changed(self) -> bool:
        """Whether it has other parameters of its own afterwards, or another description."""
        return self.before != self.after or self.description != self.current_description

    def reversed(self) -> StepRun:
        """What brings back what was before."""
        old = None if self.description_after is None else self.description
        return replace(
            self,
            description=self.current_description,
            before=self.after,
            after=self.before,
            description_after=old,
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One change of a folder.

    Args:
        kind: "adopt": the folder becomes that of another configuration; "move": its runs move to the folder
            of another one; "folder": the folder moves as it is.
        source: the folder, below the root directory.
        target: where it is, or the runs are, afterwards; "" for the folder of the configuration.
        before, after: the configuration.
        runs: by id, the runs that change.
    """

    kind: str
    source: str
    target: str
    before: Configuration
    after: Configuration
    runs: Mapping[str, StepRun] = field(default_factory=dict)

    def amended(self, run_id: str) -> Run:
        """A run as it is after the step."""
        one = self.runs[run_id]
        return Run(run_id, self.after, one.current_description, one.started, one.after)

    def content(self) -> dict[str, Plain]:
        """The step as JSON holds it."""
        return {
            "kind": self.kind,
            "source": self.source,
            "target": self.target,
            "before": configuration_frame_content(self.before),
            "after": configuration_frame_content(self.after),
            "runs": runs_content(self.runs),
        }

    @property
    def runs_change(self) -> bool:
        """Whether the runs' own parameters or descriptions change."""
        return any(run.is_changed for run in self.runs.values())

    @property
    def earlier_descriptions(self) -> dict[str, str]:
        """By id, the description that a run had before the step, where it changes."""
        return {
            run_id: run.description
            for run_id, run in self.runs.items()
            if run.description != run.current_description
        }

    @property
    def entries_change(self) -> bool:
        """Whether what folders keep of the runs themselves changes, or has to have more of it."""
        inactive = inactive_parameters(self.after)
        return self.runs_change or any(not inactive.isdisjoint(run.after) for run in self.runs.values())

    @property
    def is_amendment(self) -> bool:
        """Whether the runs change, not only where they are."""
        return self.before != self.after or self.runs_change

    @property
    def has_backends(self) -> bool:
        """Whether a run changes in backends beside the folders."""
        return any(run.backends for run in self.runs.values())

    def runs_to_change(self, *, are_deleted: bool = False) -> dict[str, tuple[Run, Run | None]]:
        """By id, each run as it was before the step, and as it is after it; None if it is deleted."""
        return {
            run_id: (
                Run(run_id, self.before, one.description, one.started, one.before),
                None if are_deleted else self.amended(run_id),
            )
            for run_id, one in self.runs.items()
        }

    def with_backends(self, backends: Mapping[str, tuple[str, ...]]) -> Step:
        """The step with the backends beside the folders in which its runs change."""
        runs = {run_id: replace(run, backends=backends.get(run_id, ())) for run_id, run in self.runs.items()}
        return replace(self, runs=runs)

    def reversed(self, source: str, target: str) -> Step:
        """The step that brings back what was before."""
        runs = {run_id: run.reversed() for run_id, run in self.runs.items()}
        return Step(self.kind, source, target, self.after, self.before, runs)


def decode_step(content: Mapping[str, Any]) -> Step:
    """A step from what :meth:`Step.content` gave.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is not one, or leads out of the root directory.
    """
    kind = _EARLIER_KINDS.get(content["kind"], content["kind"])
    if kind not in {ADOPT, MOVE, FOLDER}:
        raise ValueError(f"the kind {kind!r}")
    for path in (content["source"], content["target"]):
        require_step_path_below(path)
    if not content["source"]:
        raise ValueError("the path of a folder")
    if not all(map(is_record_file_name, content["runs"])):
        raise ValueError("the id of a run")
    return Step(
        kind,
        content["source"],
        content["target"],
        decode_log_configuration(content["before"]),
        decode_log_configuration(content["after"]),
        decode_runs(content["runs"]),
    )


def runs_content(runs: Mapping[str, StepRun]) -> dict[str, Plain]:
    """The runs of a step as JSON holds them."""
    return {
        run_id: {
            "description": run.description,
            "started": run.started,
            "before": dict(run.before),
            "after": dict(run.after),
            **({"backends": list(run.backends)} if run.backends else {}),
            **({} if run.description_after is None else {"description_after": run.description_after}),
        }
        for run_id, run in runs.items()
    }


def decode_runs(content: Mapping[str, Any]) -> dict[str, StepRun]:
    """The runs of a step from what :func:`runs_content` gave.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: they are something else.
    """
    return {
        run_id: StepRun(
            str(run["description"]),
            float(run["started"]),
            run["before"],
            run["after"],
            tuple(map(str, run.get("backends", ()))),
            _decoded_description(run.get("description_after")),
        )
        for run_id, run in content.items()
    }


def _decoded_description(content: object) -> str | None:
    return None if content is None else str(content)


def require_step_path_below(path: str) -> None:
    """Refuse a path that leads out of the root directory.

    Raises:
        ValueError: it does.
    """
    parts = path.split("/")
    if path and (
        not {"", ".", ".."}.isdisjoint(parts) or "\\" in path or "\0" in path or ":" in parts[0][1:2]
    ):
        raise ValueError(f"the path {path!r}")
