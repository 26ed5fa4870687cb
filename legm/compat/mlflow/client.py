"""``mlflow.MlflowClient``: runs and experiments by their ids."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from legm.compat.mlflow.entities import (
    DatasetInput,
    Experiment,
    FileInfo,
    LifecycleStage,
    Metric,
    Param,
    Run,
    RunTag,
    ViewType,
)
from legm.compat.mlflow.exceptions import invalid_value_exception, not_found_exception
from legm.compat.mlflow.experiments import EXPERIMENTS
from legm.compat.mlflow.model_registry import REGISTRY
from legm.compat.mlflow.paging import PagedList, page_of
from legm.compat.mlflow.registry_client import RegistryClient
from legm.compat.mlflow.run_operations import RunOperations, finished_operations
from legm.compat.mlflow.search_filters import EXPERIMENT_FIELDS, parse_filter, sort_searched
from legm.compat.mlflow.tables import mlflow_table_content, table_frame, table_picture_files
from legm.compat.mlflow.tracking_store import STORE, tags_for_tracking
from legm.compat.null_objects import NullObject
from legm.compat.script_session import SESSION
from legm.records import MediaKind, Status

__all__ = ["MlflowClient", "parse_artifact_uri"]

_STAGES = {
    ViewType.ACTIVE_ONLY: {LifecycleStage.ACTIVE},
    ViewType.DELETED_ONLY: {LifecycleStage.DELETED},
    ViewType.ALL: {LifecycleStage.ACTIVE, LifecycleStage.DELETED},
}


class MlflowClient(RegistryClient):
    """Reads and writes the runs in legm's root directory."""

    def __init__(self, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
        self.tracking_uri = tracking_uri or STORE.tracking_uri()
        self.registry_uri = registry_uri

    # Experiments

    def create_experiment(
        self,
        name: str,
        artifact_location: str | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> str:
        """Create an experiment, and return its id.

        Raises:
            MlflowException: there is an experiment with this name already, or the name is invalid.
        """
        if artifact_location is not None:
            SESSION.notices.report_unsupported(
                "mlflow.create_experiment(artifact_location=)", "artifacts are in legm's root directory"
            )
        return EXPERIMENTS.create(name, tags_for_tracking(tags)).experiment_id

    def delete_experiment(self, experiment_id: str) -> None:
        """Mark an experiment and its runs as deleted.

        Raises:
            MlflowException: there is none, or it is deleted already.
        """
        EXPERIMENTS.set_deleted(experiment_id, deleted=True)
        for run_id in self._runs_of(experiment_id):
            STORE.delete_run(run_id)

    def restore_experiment(self, experiment_id: str) -> None:
        """Undo the deletion of an experiment and of its runs.

        Raises:
            MlflowException: there is no deleted experiment with the id.
        """
        EXPERIMENTS.set_deleted(experiment_id, deleted=False)
        for run_id in self._runs_of(experiment_id):
            STORE.restore_run(run_id)

    def _runs_of(self, experiment_id: str) -> list[str]:
        snapshots = SESSION.snapshots([EXPERIMENTS.folder_of(experiment_id)], latest=False)
        return [one.key for one in snapshots]

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        """Give an experiment another name, in legm when the script has ended.

        Raises:
            MlflowException: there is none, it is deleted, or the name is invalid or taken.
        """
        EXPERIMENTS.rename(experiment_id, new_name)

    def get_experiment(self, experiment_id: str) -> Experiment:
        """The experiment with an id."""
        return EXPERIMENTS.dated(EXPERIMENTS.by_id(experiment_id))

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """The experiment with a name; None if there is none."""
        found = EXPERIMENTS.find(name)
        return None if found is None else EXPERIMENTS.dated(found)

    def search_experiments(
        self,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int | None = 1000,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Experiment]:
        """The experiments that match a filter, newest first.

        Raises:
            MlflowException: the filter or the order cannot be parsed.
        """
        fits = parse_filter(filter_string, EXPERIMENT_FIELDS)
        stages = _STAGES[view_type]
        staged = [one for one in reversed(EXPERIMENTS.all()) if one.lifecycle_stage in stages]
        known = [one for one in map(EXPERIMENTS.dated, staged) if fits(one)]
        newest_first = sorted(known, key=lambda one: -(one.last_update_time or 0))
        return page_of(sort_searched(newest_first, order_by, EXPERIMENT_FIELDS), max_results, page_token)

    list_experiments = search_experiments

    def set_experiment_tag(self, experiment_id: str, key: str, value: Any) -> None:
        """Set a tag of an experiment."""
        EXPERIMENTS.set_tags(experiment_id, tags_for_tracking({key: value}))

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        """Delete a tag of an experiment.

        Raises:
            MlflowException: there is no such experiment or tag.
        """
        EXPERIMENTS.delete_tag(experiment_id, key)

    # Runs

    def create_run(
        self,
        experiment_id: str,
        start_time: int | None = None,
        tags: Mapping[str, Any] | None = None,
        run_name: str | None = None,
    ) -> Run:
        """Create a run; it does not become the active one, and the script ends it, else it is interrupted."""
        run = STORE.create_run(experiment_id, run_name, tags)
        run.status_unless_ended = Status.INTERRUPTED
        return STORE.run(run.key)

    def get_run(self, run_id: str) -> Run:
        """The run with an id."""
        return STORE.run(run_id)

    def get_parent_run(self, run_id: str) -> Run | None:
        """The run in which a run is nested; None if there is none."""
        parent = STORE.run(run_id).data.tags.get("mlflow.parentRunId")
        return None if parent is None else STORE.run(parent)

    def search_runs(
        self,
        experiment_ids: Sequence[str] | str,
        filter_string: str = "",
        run_view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = 1000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Run]:
        """The runs of experiments that match a filter, newest first.

        Raises:
            MlflowException: the filter or the order cannot be parsed.
        """
        ids = {experiment_ids} if isinstance(experiment_ids, str) else {str(one) for one in experiment_ids}
        known = {one.experiment_id for one in EXPERIMENTS.all()}
        folders = [EXPERIMENTS.folder_of(one) for one in ids & known]
        fits = parse_filter(filter_string)
        runs = [run for one in SESSION.snapshots(folders) if fits(run := STORE.to_mlflow_run(one))]
        runs = [run for run in runs if run.info.lifecycle_stage in _STAGES[run_view_type]]
        newest_first = sorted(runs, key=lambda run: -run.info.start_time)
        return page_of(sort_searched(newest_first, order_by), max_results, page_token)

    def set_terminated(self, run_id: str, status: str | None = None, end_time: int | None = None) -> None:
        """End a run."""
        STORE.end_run(run_id, status or "FINISHED")

    def update_run(self, run_id: str, status: str | None = None, name: str | None = None) -> None:
        """Change a run's status or name."""
        if name is not None:
            STORE.set_tags(run_id, {"mlflow.runName": name})
        if status is not None and status != "RUNNING":
            STORE.end_run(run_id, status)

    def delete_run(self, run_id: str) -> None:
        """Mark a run as deleted: it stays stored, counts as interrupted, and is never aggregated."""
        STORE.delete_run(run_id)

    def restore_run(self, run_id: str) -> None:
        """Undo the deletion of a run, which gets the status that it had."""
        STORE.restore_run(run_id)

    # Writing

    def log_metric(
        self,
        run_id: str,
        key: str,
        value: Any,
        timestamp: int | None = None,
        step: int | None = None,
        synchronous: bool | None = None,
        **_: Any,
    ) -> RunOperations | None:
        """Set a value of a metric; without a step, at the next step."""
        STORE.log_metrics(run_id, {key: value}, step)
        return finished_operations(synchronous)

    def log_inputs(
        self, run_id: str, datasets: Sequence[DatasetInput] | None = None, models: Any = None
    ) -> None:
        """Note data sets with a run."""
        if models:
            SESSION.notices.report_unsupported(
                "mlflow.MlflowClient.log_inputs(models=)", "legm keeps no models as inputs"
            )
        STORE.log_inputs(run_id, datasets or ())

    def log_param(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> Any:
        """Set a parameter."""
        STORE.log_params(run_id, {key: value})
        return value if synchronous is not False else finished_operations(synchronous)

    def set_tag(
        self, run_id: str, key: str, value: Any, synchronous: bool | None = None
    ) -> RunOperations | None:
        """Set a tag."""
        STORE.set_tags(run_id, {key: value})
        return finished_operations(synchronous)

    def delete_tag(self, run_id: str, key: str) -> None:
        """Delete a tag."""
        STORE.delete_tag(run_id, key)

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Sequence[Param] = (),
        tags: Sequence[RunTag] = (),
        synchronous: bool | None = None,
    ) -> RunOperations | None:
        """Set many metrics, parameters and tags at once."""
        if params:
            STORE.log_params(run_id, {one.key: one.value for one in params})
        for one in metrics:
            STORE.log_metrics(run_id, {one.key: one.value}, one.step)
        if tags:
            STORE.set_tags(run_id, {one.key: one.value for one in tags})
        return finished_operations(synchronous)

    def get_metric_history(self, run_id: str, key: str) -> list[Metric]:
        """Every value of a metric, in the order in which they were set."""
        found = STORE.history(run_id, key)
        return [Metric(key, one.value, int(one.time * 1000), one.step) for one in found]

    # Files

    def log_artifact(self, run_id: str, local_path: Any, artifact_path: str | None = None) -> None:
        """Store a file or a folder."""
        STORE.log_file(run_id, Path(local_path), artifact_path)

    def log_artifacts(self, run_id: str, local_dir: Any, artifact_path: str | None = None) -> None:
        """Store the contents of a folder."""
        folder = Path(local_dir)
        if not folder.is_dir():
            raise not_found_exception(f"No such directory: {str(local_dir)!r}")
        for path in sorted(folder.iterdir()):
            STORE.log_file(run_id, path, artifact_path)

    def log_text(self, run_id: str, text: str, artifact_file: str) -> None:
        """Store a text as a file."""
        STORE.keep_bytes(run_id, str(text).encode(), artifact_file)

    def log_dict(self, run_id: str, dictionary: Any, artifact_file: str) -> None:
        """Store plain data as JSON, or as YAML if the name has that extension."""
        if artifact_file.lower().endswith((".yml", ".yaml")):
            import yaml

            text = yaml.safe_dump(dictionary, sort_keys=False)
        else:
            text = json.dumps(dictionary, indent=2, default=str)
        self.log_text(run_id, text, artifact_file)

    def log_figure(self, run_id: str, figure: Any, artifact_file: str, **_: Any) -> None:
        """Store a figure of Matplotlib or Plotly, in the format of the file's extension."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, PurePosixPath(artifact_file).name)
            if hasattr(figure, "savefig"):
                figure.savefig(path)
            elif hasattr(figure, "write_html"):
                write = figure.write_html if path.suffix.lower() in {".html", ".htm"} else figure.write_image
                write(str(path))
            else:
                raise TypeError(
                    f"a figure must be one of Matplotlib or Plotly, not a {type(figure).__qualname__}"
                )
            STORE.keep_file(run_id, path, artifact_file)

    def log_image(
        self,
        run_id: str,
        image: Any,
        artifact_file: str | None = None,
        key: str | None = None,
        step: int | None = None,
        **_: Any,
    ) -> None:
        """Store an image, an array or an image of Pillow, as a file, or under a key at a step."""
        from legm.compat.wandb.media import Image

        picture = Image(getattr(image, "image", image))
        if artifact_file is not None:
            STORE.keep_bytes(run_id, picture.content(), artifact_file)
        else:
            name = "image" if key is None else key
            STORE.open_run(run_id).log_media(name, MediaKind.IMAGE, [picture.pending(name)], step or 0)

    def log_table(self, run_id: str, data: Any, artifact_file: str) -> None:
        """Store columns or a data frame as JSON; rows are added to those of an existing file.

        Raises:
            MlflowException: the data is neither.
        """
        existing = self._existing_file(run_id, artifact_file)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            content = mlflow_table_content(
                data, existing, lambda picture: table_picture_files(picture, artifact_file, folder)
            )
            for path in (one for one in sorted(folder.rglob("*")) if one.is_file()):
                STORE.keep_file(run_id, path, path.relative_to(folder).as_posix())
        STORE.keep_bytes(run_id, content, artifact_file)

    def _existing_file(self, run_id: str, name: str) -> bytes | None:
        path = STORE.find_snapshot(run_id).files.get(name)
        return None if path is None else path.read_bytes()

    def load_table(
        self,
        experiment_id: str,
        artifact_file: str,
        run_ids: Sequence[str] | None = None,
        extra_columns: Sequence[str] | None = None,
    ) -> Any:
        """The rows of a table of several runs as one data frame.

        Args:
            experiment_id: the experiment.
            artifact_file: the table's name.
            run_ids: the runs; None for all of the experiment.
            extra_columns: ``run_id`` and other fields of the runs to add.

        Raises:
            MlflowException: no run has the table.
        """
        runs = self.search_runs([experiment_id], max_results=100_000)
        wanted = [run for run in runs if run_ids is None or run.info.run_id in run_ids]
        found = [
            (run, content)
            for run in wanted
            if (content := self._existing_file(run.info.run_id, artifact_file)) is not None
        ]
        if not found:
            raise not_found_exception(
                f"No runs found with the corresponding table artifact {artifact_file!r}."
            )
        return table_frame(found, extra_columns or ())

    def list_artifacts(self, run_id: str, path: str | None = None) -> list[FileInfo]:
        """The files and folders in a folder of the run's artifacts."""
        prefix = f"{path.strip('/')}/" if path else ""
        found: dict[str, FileInfo] = {}
        for name, file in STORE.find_snapshot(run_id).files.items():
            if not name.startswith(prefix):
                continue
            first, _, rest = name.removeprefix(prefix).partition("/")
            whole = prefix + first
            found[whole] = FileInfo(whole, bool(rest), None if rest else file.stat().st_size)
        return [found[name] for name in sorted(found)]

    def download_artifacts(self, run_id: str, path: str = "", dst_path: str | None = None) -> str:
        """Copy a file or folder of the run, and return the path of the copy.

        Raises:
            MlflowException: the run has no such artifact.
        """
        target = Path(dst_path or tempfile.mkdtemp())
        wanted = path.strip("/")
        names = {
            name: file
            for name, file in STORE.find_snapshot(run_id).files.items()
            if not wanted or name == wanted or name.startswith(f"{wanted}/")
        }
        if not names and wanted:
            raise not_found_exception(f"the run {run_id} has no artifact {path!r}")
        for name, file in names.items():
            target_path = target.joinpath(
                *(part for part in PurePosixPath(name).parts if part not in ("..", "/"))
            )
            target_path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target_path)
        return str(target / wanted) if wanted else str(target)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return NullObject(f"mlflow.MlflowClient.{name}", SESSION.notices)


def parse_artifact_uri(uri: str) -> tuple[str, str]:
    """The run id and path of ``runs:/<run id>/<path>``, ``models:/<name>/1`` or ``models:/<name>@<alias>``.

    Raises:
        MlflowException: the address is another one.
    """
    if (own := STORE.run_of_artifact_path(str(uri))) is not None:
        return own
    scheme, _, rest = str(uri).partition(":/")
    rest = rest.lstrip("/")
    if scheme == "runs":
        run_id, _, path = rest.partition("/")
        return run_id, path
    if scheme == "models":
        return parse_artifact_uri(REGISTRY.source(rest))
    raise invalid_value_exception(
        f"{uri!r} is not the address of a run's artifact, such as runs:/<run id>/model"
    )
