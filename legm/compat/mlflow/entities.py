"""``mlflow.entities``: the objects that mlflow's reading calls return."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from legm.compat.unknown_names import unknown_attribute

__all__ = [
    "Dataset",
    "DatasetInput",
    "Experiment",
    "FileInfo",
    "InputTag",
    "LifecycleStage",
    "Metric",
    "ModelVersion",
    "Param",
    "RegisteredModel",
    "Run",
    "RunData",
    "RunInfo",
    "RunInputs",
    "RunStatus",
    "RunTag",
    "ViewType",
]


class RunStatus:
    """Whether a run is still running, and else how it ended."""

    RUNNING = "RUNNING"
    SCHEDULED = "SCHEDULED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"

    @staticmethod
    def to_string(status: str) -> str:
        """The status as text."""
        return status

    from_string = to_string

    @staticmethod
    def is_terminated(status: str) -> bool:
        """Whether the run has ended."""
        return status in {"FINISHED", "FAILED", "KILLED"}


class LifecycleStage:
    """Whether a run or experiment was deleted."""

    ACTIVE = "active"
    DELETED = "deleted"


class ViewType:
    """Which runs to return."""

    ACTIVE_ONLY = 1
    DELETED_ONLY = 2
    ALL = 3


@dataclass(frozen=True)
class Metric:
    """A value of a metric; its timestamp is in milliseconds since 1970."""

    key: str
    value: float
    timestamp: int = field(default_factory=lambda: int(time.time() * 1000))
    step: int = 0


@dataclass(frozen=True)
class Param:
    """A parameter."""

    key: str
    value: Any


@dataclass(frozen=True)
class RunTag:
    """A tag of a run."""

    key: str
    value: Any


ExperimentTag = RunTag


@dataclass(frozen=True)
class FileInfo:
    """A file or folder among a run's artifacts; a file's size is in bytes."""

    path: str
    is_dir: bool
    file_size: int | None


@dataclass(frozen=True)
class Experiment:
    """An experiment."""

    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str = "active"
    tags: Mapping[str, str] = field(default_factory=dict)
    creation_time: int | None = None
    last_update_time: int | None = None


@dataclass(frozen=True)
class RunInfo:
    """A run's metadata; times are in milliseconds since 1970."""

    run_id: str
    run_name: str
    experiment_id: str
    status: str
    start_time: int
    end_time: int | None
    artifact_uri: str
    lifecycle_stage: str = "active"
    user_id: str = ""

    @property
    def run_uuid(self) -> str:
        """The id, by its older name."""
        return self.run_id


@dataclass(frozen=True)
class RunData:
    """A run's content: the newest value of each metric, and parameters and tags as text."""

    metrics: Mapping[str, float]
    params: Mapping[str, str]
    tags: Mapping[str, str]

    def to_dictionary(self) -> dict[str, Any]:
        """The same as dictionaries."""
        return {"metrics": dict(self.metrics), "params": dict(self.params), "tags": dict(self.tags)}


@dataclass(frozen=True)
class Dataset:
    """What a run knows of a data set that it used; source, schema and profile are JSON."""

    name: str
    digest: str
    source_type: str = ""
    source: str = ""
    schema: str | None = None
    profile: str | None = None

    def to_dictionary(self) -> dict[str, Any]:
        """The same as a dictionary."""
        return dict(vars(self))


@dataclass(frozen=True)
class InputTag:
    """A tag of a data set that a run used."""

    key: str
    value: Any


@dataclass(frozen=True)
class DatasetInput:
    """A data set that a run used, and its purpose."""

    dataset: Dataset
    tags: list[InputTag] = field(default_factory=list)

    def to_dictionary(self) -> dict[str, Any]:
        """The same as dictionaries."""
        return {
            "dataset": self.dataset.to_dictionary(),
            "tags": {tag.key: tag.value for tag in self.tags},
        }


@dataclass(frozen=True)
class RunInputs:
    """The data sets that a run used."""

    dataset_inputs: list[DatasetInput] = field(default_factory=list)
    model_inputs: list[Any] = field(default_factory=list)

    def to_dictionary(self) -> dict[str, Any]:
        """The same as dictionaries."""
        return {
            "model_inputs": [],
            "dataset_inputs": [one.to_dictionary() for one in self.dataset_inputs],
        }


@dataclass(frozen=True)
class Run:
    """The current state of a run."""

    info: RunInfo
    data: RunData
    inputs: RunInputs = field(default_factory=RunInputs)

    def to_dictionary(self) -> dict[str, Any]:
        """The same as dictionaries."""
        return {
            "info": dict(vars(self.info)),
            "data": self.data.to_dictionary(),
            "inputs": self.inputs.to_dictionary(),
        }


@dataclass(frozen=True)
class ModelVersion:
    """A version of a registered model; times are in milliseconds since 1970."""

    name: str
    version: str | int
    source: str
    run_id: str | None
    status: str = "READY"
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: list[str] = field(default_factory=list)
    current_stage: str = "None"
    description: str | None = None
    creation_timestamp: int | None = None
    last_updated_timestamp: int | None = None
    run_link: str | None = None
    status_message: str | None = None
    user_id: str | None = None


@dataclass(frozen=True)
class RegisteredModel:
    """A registered model; times are in milliseconds since 1970."""

    name: str
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    latest_versions: list[ModelVersion] = field(default_factory=list)
    creation_timestamp: int | None = None
    last_updated_timestamp: int | None = None


def __getattr__(name: str) -> Any:
    return unknown_attribute("mlflow.entities", name)
