"""The functions of the module ``mlflow``: the active run, and logging to it."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from legm.compat.mlflow.client import MlflowClient
from legm.compat.mlflow.data import Dataset
from legm.compat.mlflow.entities import Dataset as DatasetOfRun
from legm.compat.mlflow.entities import DatasetInput, Experiment, InputTag, Run, ViewType
from legm.compat.mlflow.exceptions import MlflowException, invalid_value_exception
from legm.compat.mlflow.experiments import DEFAULT_EXPERIMENT, EXPERIMENTS
from legm.compat.mlflow.run_operations import RunOperations, finished_operations
from legm.compat.mlflow.tracking_store import STORE, tags_for_tracking
from legm.compat.script_session import SESSION
from legm.delivery.process_end import is_normal_process_end
from legm.records import Status

__all__ = [
    "ActiveRun",
    "active_run",
    "active_run_id",
    "create_experiment",
    "delete_experiment",
    "delete_experiment_tag",
    "delete_run",
    "delete_tag",
    "end_run",
    "get_artifact_uri",
    "get_experiment",
    "get_experiment_by_name",
    "get_parent_run",
    "get_run",
    "get_tracking_uri",
    "last_active_run",
    "load_table",
    "log_artifact",
    "log_artifacts",
    "log_dict",
    "log_figure",
    "log_image",
    "log_input",
    "log_inputs",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "log_table",
    "log_text",
    "restore_experiment",
    "restore_run",
    "search_experiments",
    "search_runs",
    "set_experiment",
    "set_experiment_tag",
    "set_experiment_tags",
    "set_tag",
    "set_tags",
    "set_tracking_uri",
    "start_run",
]


class _ActiveRuns(threading.local):
    """The active runs of a thread, each nested in the one before; the experiment is that of the process.

    What a finalizer logs while a thread of legm's own searches for garbage goes to the main thread's runs.
    """

    def __init__(self, chosen: dict[str, str], of_main: list[str]) -> None:
        thread = threading.current_thread()
        self.are_of_main = thread is threading.main_thread() or thread.name.startswith("legm-")
        self.runs = of_main if self.are_of_main else []
        self.last: str | None = None
        self._chosen = chosen

    @property
    def experiment_id(self) -> str | None:
        """The id of the experiment that the script chose for the next runs of all threads; None for none."""
        return self._chosen.get("experiment_id")

    @experiment_id.setter
    def experiment_id(self, experiment_id: str) -> None:
        self._chosen["experiment_id"] = experiment_id

    def experiment_name(self) -> str:
        """The experiment of the next run.

        Raises:
            MlflowException: the environment has the id of another experiment or of none.
        """
        if self.experiment_id is None:
            return _inherited_experiment_name()
        return EXPERIMENTS.by_id(self.experiment_id).name


def _inherited_experiment_name() -> str:
    """The experiment that the environment names, by its name or else by its id; the default one without both.

    Raises:
        MlflowException: there is no experiment with the id, or the one with the name has another id.
    """
    name, experiment_id = os.environ.get("MLFLOW_EXPERIMENT_NAME"), os.environ.get("MLFLOW_EXPERIMENT_ID")
    if name:
        known = EXPERIMENTS.find(name)
        if experiment_id and known is not None and known.experiment_id != experiment_id:
            raise invalid_value_exception(
                f"MLFLOW_EXPERIMENT_ID is {experiment_id!r}, but {known.experiment_id!r} is the id of the "
                f"experiment {name!r} of MLFLOW_EXPERIMENT_NAME"
            )
        return name
    if experiment_id:
        try:
            return EXPERIMENTS.by_id(experiment_id).name
        except MlflowException as cause:
            raise invalid_value_exception(f"MLFLOW_EXPERIMENT_ID: {cause.message}") from cause
    return DEFAULT_EXPERIMENT


ACTIVE = _ActiveRuns({}, [])


class ActiveRun(Run):
    """A run that ends with its ``with`` block, and fails if the block raises."""

    def __enter__(self) -> ActiveRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.info.run_id not in ACTIVE.runs:
            return
        if error is not None and is_normal_process_end(error):
            kind = None
        while ACTIVE.runs and ACTIVE.runs[-1] != self.info.run_id:
            end_run("FINISHED" if kind is None else "FAILED")
        if kind is None:
            end_run()
        else:
            os.environ.pop("MLFLOW_RUN_ID", None)
            ACTIVE.runs.remove(self.info.run_id)
            ACTIVE.last = self.info.run_id
            STORE.open_run(self.info.run_id).end(Status.FAILED, f"{kind.__name__}: {error}")


def start_run(
    run_id: str | None = None,
    experiment_id: str | None = None,
    run_name: str | None = None,
    nested: bool = False,
    parent_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    description: str | None = None,
    log_system_metrics: bool | None = None,
) -> ActiveRun:
    """Begin or resume a run, and make it the active one.

    Raises:
        MlflowException: a run is active and this one is not nested, or there is no such run or experiment.
    """
    if log_system_metrics:
        SESSION.notices.report_unsupported("mlflow.start_run(log_system_metrics=True)")
    if ACTIVE.runs and not nested:
        raise MlflowException(
            f"Run with UUID {ACTIVE.runs[-1]} is already active. To start a new run, first end the current "
            f"run with mlflow.end_run(). To start a nested run, call start_run with nested=True"
        )
    run_id = run_id or (os.environ.pop("MLFLOW_RUN_ID", None) if not ACTIVE.runs else None)
    all_tags = dict(tags or {})
    if description is not None:
        all_tags["mlflow.note.content"] = description
    if run_id is None and experiment_id is None:
        experiment_id = EXPERIMENTS.ensure(ACTIVE.experiment_name()).experiment_id
    if run_id is None and parent_run_id is None and not ACTIVE.runs:
        run_id = STORE.earlier_run(EXPERIMENTS.folder_of(experiment_id))
    if run_id is not None:
        STORE.open_run(run_id).reopen()
        if run_name is not None:
            all_tags["mlflow.runName"] = run_name
        if all_tags:
            STORE.set_tags(run_id, all_tags)
    else:
        if parent_run_id is not None or ACTIVE.runs:
            all_tags["mlflow.parentRunId"] = parent_run_id or ACTIVE.runs[-1]
        run_id = STORE.create_run(experiment_id, run_name, all_tags).key
    # MLflow ends the active runs of the main thread with the process, and no others.
    STORE.open_run(run_id).status_unless_ended = None if ACTIVE.are_of_main else Status.INTERRUPTED
    ACTIVE.runs.append(run_id)
    ACTIVE.last = run_id
    mlflow_run = STORE.run(run_id)
    return ActiveRun(mlflow_run.info, mlflow_run.data, mlflow_run.inputs)


def end_run(status: str = "FINISHED") -> None:
    """End the active run, if there is one."""
    if ACTIVE.runs:
        os.environ.pop("MLFLOW_RUN_ID", None)  # the next run of this process is a new one
        ACTIVE.last = ACTIVE.runs.pop()
        STORE.end_run(ACTIVE.last, status)


def active_run() -> ActiveRun | None:
    """The active run, if there is one."""
    if not ACTIVE.runs:
        return None
    mlflow_run = STORE.run(ACTIVE.runs[-1])
    return ActiveRun(mlflow_run.info, mlflow_run.data, mlflow_run.inputs)


def last_active_run() -> Run | None:
    """The active run, or else the one that was active last."""
    run_id = ACTIVE.runs[-1] if ACTIVE.runs else ACTIVE.last
    return None if run_id is None else STORE.run(run_id)


def active_run_id() -> str:
    """The id of the active run; a run begins if there is none."""
    return ACTIVE.runs[-1] if ACTIVE.runs else start_run().info.run_id


# Logging


def log_metric(
    key: str,
    value: Any,
    step: int | None = None,
    synchronous: bool | None = None,
    timestamp: int | None = None,
    run_id: str | None = None,
    **_: Any,
) -> RunOperations | None:
    """Set a value of a metric; without a step, at the next step."""
    STORE.log_metrics(run_id or active_run_id(), {key: value}, step)
    return finished_operations(synchronous)


def log_metrics(
    metrics: Mapping[str, Any],
    step: int | None = None,
    synchronous: bool | None = None,
    run_id: str | None = None,
    **_: Any,
) -> RunOperations | None:
    """Set one value of each metric."""
    STORE.log_metrics(run_id or active_run_id(), metrics, step)
    return finished_operations(synchronous)


def log_param(key: str, value: Any, synchronous: bool | None = None) -> Any:
    """Set a parameter.

    Raises:
        MlflowException: the parameter has another value already.
    """
    STORE.log_params(active_run_id(), {key: value})
    return value if synchronous is not False else finished_operations(synchronous)


def log_params(
    params: Mapping[str, Any], synchronous: bool | None = None, run_id: str | None = None
) -> RunOperations | None:
    """Set parameters.

    Raises:
        MlflowException: one of them has another value already.
    """
    STORE.log_params(run_id or active_run_id(), params)
    return finished_operations(synchronous)


def set_tag(key: str, value: Any, synchronous: bool | None = None) -> RunOperations | None:
    """Set a tag."""
    STORE.set_tags(active_run_id(), {key: value})
    return finished_operations(synchronous)


def set_tags(tags: Mapping[str, Any], synchronous: bool | None = None) -> RunOperations | None:
    """Set tags."""
    STORE.set_tags(active_run_id(), tags)
    return finished_operations(synchronous)


def delete_tag(key: str) -> None:
    """Delete a tag."""
    STORE.delete_tag(active_run_id(), key)


def log_artifact(local_path: Any, artifact_path: str | None = None, run_id: str | None = None) -> None:
    """Store a file or a folder."""
    MlflowClient().log_artifact(run_id or active_run_id(), local_path, artifact_path)


def log_artifacts(local_dir: Any, artifact_path: str | None = None, run_id: str | None = None) -> None:
    """Store the contents of a folder."""
    MlflowClient().log_artifacts(run_id or active_run_id(), local_dir, artifact_path)


def log_text(text: str, artifact_file: str, run_id: str | None = None) -> None:
    """Store a text as a file."""
    MlflowClient().log_text(run_id or active_run_id(), text, artifact_file)


def log_dict(dictionary: Any, artifact_file: str, run_id: str | None = None) -> None:
    """Store plain data as JSON or YAML."""
    MlflowClient().log_dict(run_id or active_run_id(), dictionary, artifact_file)


def log_figure(figure: Any, artifact_file: str, **_: Any) -> None:
    """Store a figure."""
    MlflowClient().log_figure(active_run_id(), figure, artifact_file)


def log_image(
    image: Any, artifact_file: str | None = None, key: str | None = None, step: int | None = None, **_: Any
) -> None:
    """Store an image."""
    MlflowClient().log_image(active_run_id(), image, artifact_file, key, step)


def log_table(data: Any, artifact_file: str, run_id: str | None = None) -> None:
    """Store columns or a data frame."""
    MlflowClient().log_table(run_id or active_run_id(), data, artifact_file)


def load_table(
    artifact_file: str, run_ids: Sequence[str] | None = None, extra_columns: Sequence[str] | None = None
) -> Any:
    """The rows of a table of several runs as one data frame: see ``MlflowClient.load_table``."""
    experiment_id = EXPERIMENTS.ensure(ACTIVE.experiment_name()).experiment_id
    return MlflowClient().load_table(experiment_id, artifact_file, run_ids, extra_columns)


def log_input(
    dataset: Any = None, context: str | None = None, tags: Mapping[str, Any] | None = None, model: Any = None
) -> None:
    """Note a data set with the run: its name, digest, source, schema, profile and purpose."""
    log_inputs([dataset], [context], [tags], None if model is None else [model])


def log_inputs(
    datasets: Sequence[Any] | None = None,
    contexts: Sequence[str | None] | None = None,
    tags_list: Sequence[Mapping[str, Any] | None] | None = None,
    models: Sequence[Any] | None = None,
) -> None:
    """Note data sets with the run, each with its purpose and tags.

    Raises:
        MlflowException: the lists have different lengths.
    """
    datasets, contexts, tags_list = list(datasets or ()), list(contexts or ()), list(tags_list or ())
    if not len(datasets) == len(contexts) == len(tags_list):
        raise MlflowException(
            f"datasets, contexts and tags_list need the same length, not {len(datasets)}, {len(contexts)} "
            f"and {len(tags_list)}"
        )
    if models:
        SESSION.notices.report_unsupported("mlflow.log_input(model=)", "legm keeps no models as inputs")
    inputs = []
    for dataset, context, tags in zip(datasets, contexts, tags_list, strict=True):
        if isinstance(dataset, Dataset):
            purpose = {} if context is None else {"mlflow.data.context": context}
            all_tags = [InputTag(key, value) for key, value in {**(tags or {}), **purpose}.items()]
            inputs.append(DatasetInput(DatasetOfRun(**dataset.to_dict()), all_tags))
        elif dataset is not None:
            kind = type(dataset).__qualname__
            SESSION.notices.report_unsupported(
                "mlflow.log_input", f"a {kind} is not a data set of mlflow.data"
            )
    STORE.log_inputs(active_run_id(), inputs)


def get_artifact_uri(artifact_path: str | None = None) -> str:
    """The folder with the active run's artifacts, or the path of one of them."""
    folder = STORE.artifact_folder(active_run_id())
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder / artifact_path.strip("/") if artifact_path else folder)


# Experiments and runs


def set_experiment(experiment_name: str | None = None, experiment_id: str | None = None) -> Experiment:
    """Choose the experiment of the next runs; it is created if it does not exist.

    Raises:
        MlflowException: it is deleted, its name is invalid, or there is none with the id.
    """
    if (experiment_name is None) == (experiment_id is None):
        raise MlflowException("set_experiment() takes either a name or an id", "INVALID_PARAMETER_VALUE")
    if experiment_name is None:
        experiment_name = EXPERIMENTS.by_id(experiment_id).name
    found = EXPERIMENTS.dated(EXPERIMENTS.ensure(experiment_name))
    ACTIVE.experiment_id = found.experiment_id
    os.environ["MLFLOW_EXPERIMENT_ID"] = found.experiment_id  # for the processes that the script starts
    return found


def create_experiment(name: str, artifact_location: str | None = None, tags: Any = None) -> str:
    """Create an experiment, and return its id.

    Raises:
        MlflowException: there is an experiment with this name already, or the name is invalid.
    """
    return MlflowClient().create_experiment(name, artifact_location, tags)


def delete_experiment(experiment_id: str) -> None:
    """Mark an experiment and its runs as deleted."""
    MlflowClient().delete_experiment(experiment_id)


def restore_experiment(experiment_id: str) -> None:
    """Undo the deletion of an experiment and of its runs."""
    MlflowClient().restore_experiment(experiment_id)


def get_experiment(experiment_id: str) -> Experiment:
    """The experiment with an id."""
    return MlflowClient().get_experiment(experiment_id)


def get_experiment_by_name(name: str) -> Experiment | None:
    """The experiment with a name; None if there is none."""
    return MlflowClient().get_experiment_by_name(name)


def search_experiments(
    view_type: int = ViewType.ACTIVE_ONLY,
    max_results: int | None = None,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
) -> list[Experiment]:
    """The experiments that match a filter, newest first."""
    return list(MlflowClient().search_experiments(view_type, max_results, filter_string, order_by))


def set_experiment_tag(key: str, value: Any) -> None:
    """Set a tag of the experiment."""
    set_experiment_tags({key: value})


def set_experiment_tags(tags: Mapping[str, Any]) -> None:
    """Set tags of the experiment."""
    experiment = EXPERIMENTS.ensure(ACTIVE.experiment_name())
    EXPERIMENTS.set_tags(experiment.experiment_id, tags_for_tracking(tags))


def delete_experiment_tag(key: str) -> None:
    """Delete a tag of the experiment."""
    experiment = EXPERIMENTS.ensure(ACTIVE.experiment_name())
    EXPERIMENTS.delete_tag(experiment.experiment_id, key)


def get_run(run_id: str) -> Run:
    """The run with an id."""
    return STORE.run(run_id)


def get_parent_run(run_id: str) -> Run | None:
    """The run in which a run is nested; None if there is none."""
    return MlflowClient().get_parent_run(run_id)


def delete_run(run_id: str) -> None:
    """Mark a run as deleted."""
    MlflowClient().delete_run(run_id)


def restore_run(run_id: str) -> None:
    """Undo the deletion of a run, which gets the status that it had."""
    MlflowClient().restore_run(run_id)


def search_runs(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str = "",
    run_view_type: int = ViewType.ACTIVE_ONLY,
    max_results: int = 100_000,
    order_by: Sequence[str] | None = None,
    output_format: str = "pandas",
    search_all_experiments: bool = False,
    experiment_names: Sequence[str] | None = None,
) -> Any:
    """The runs that match, newest first: a data frame if pandas is installed, else a list of runs."""
    if experiment_ids is None:
        names = list(experiment_names or ())
        if not names and not search_all_experiments:
            names = [ACTIVE.experiment_name()]
        known = EXPERIMENTS.all()
        experiment_ids = [one.experiment_id for one in known if not names or one.name in names]
    client = MlflowClient()
    runs = client.search_runs(experiment_ids, filter_string, run_view_type, max_results, order_by)
    if output_format == "list":
        return list(runs)
    try:
        import pandas as pd
    except ImportError:
        return runs
    head = ["run_id", "experiment_id", "status", "artifact_uri", "start_time", "end_time"]
    frame = pd.DataFrame([_searched_run_row(run) for run in runs])
    for name in head:
        if name not in frame:
            frame[name] = None
    for name in ("start_time", "end_time"):
        frame[name] = pd.to_datetime(frame[name], unit="ms", utc=True)
    return frame[[*head, *sorted(name for name in frame if name not in head)]]


def _searched_run_row(run: Run) -> dict[str, Any]:
    info = run.info
    return {
        "run_id": info.run_id,
        "experiment_id": info.experiment_id,
        "status": info.status,
        "artifact_uri": info.artifact_uri,
        "start_time": info.start_time,
        "end_time": info.end_time,
        **{f"metrics.{name}": value for name, value in run.data.metrics.items()},
        **{f"params.{name}": value for name, value in run.data.params.items()},
        **{f"tags.{name}": value for name, value in run.data.tags.items()},
    }


def set_tracking_uri(uri: Any) -> None:
    """Remember an address; runs are stored in legm's root directory all the same."""
    STORE.uri = uri.as_uri() if isinstance(uri, Path) else str(uri)


def get_tracking_uri() -> str:
    """The address that was set, or else that of the root directory."""
    return STORE.tracking_uri()
