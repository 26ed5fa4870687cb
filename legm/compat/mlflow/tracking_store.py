"""The runs and experiments behind mlflow's calls."""

from __future__ import annotations

import getpass
import logging
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from legm.compat.mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LifecycleStage,
    Run,
    RunData,
    RunInfo,
    RunInputs,
)
from legm.compat.mlflow.exceptions import invalid_value_exception, not_found_exception
from legm.compat.mlflow.experiments import DEFAULT_EXPERIMENT, EXPERIMENTS
from legm.compat.mlflow.metric_steps import MetricSteps
from legm.compat.mlflow.name_rules import check_key
from legm.compat.null_objects import contains_null_object
from legm.compat.run_snapshot import (
    LoggedNumber,
    RunSnapshot,
    names_of_tests,
    read_snapshot_history,
)
from legm.compat.script_run import ScriptRun
from legm.compat.script_session import SESSION, kept_when_script_resumes
from legm.core.value_parsing import parse_value_text
from legm.errors import MetricError
from legm.records import Plain, Status
from legm.runlog.file_names import DROP_IN_FILES, OWN_FOLDER
from legm.runlog.recorded_values import to_recorded_value
from legm.util.process_rank import is_main_process

__all__ = ["STORE", "TrackingStore", "tags_for_tracking"]

log = logging.getLogger("legm.compat")

_MLFLOW_STATUSES = {
    Status.RUNNING: "RUNNING",
    Status.COMPLETED: "FINISHED",
    Status.FAILED: "FAILED",
    Status.INTERRUPTED: "KILLED",
}
_LEGM_STATUSES = {name: status for status, name in _MLFLOW_STATUSES.items()} | {"SCHEDULED": Status.RUNNING}


class TrackingStore:
    """Runs by mlflow's ids."""

    def __init__(self) -> None:
        self._steps: dict[str, MetricSteps] = {}
        self._resumed: dict[str, Mapping[str, Plain]] = {}  # as LEGM_RESUME says: what the runs keep
        self.uri: str | None = None
        self.registry_uri: str | None = None

    # Runs

    def create_run(self, experiment_id: Any, name: str | None, tags: Mapping[str, Any] | None) -> ScriptRun:
        """Create a run.

        Raises:
            MlflowException: there is no such experiment, it is deleted, or the name of a tag is invalid.
        """
        if EXPERIMENTS.by_id(experiment_id).lifecycle_stage == LifecycleStage.DELETED:
            raise invalid_value_exception(
                f"The experiment {experiment_id} must be in the 'active' state. Current state is deleted."
            )
        experiment = EXPERIMENTS.folder_of(experiment_id)
        tags = tags_for_tracking(tags)
        name = name or tags.get("mlflow.runName") or f"run-{secrets.token_hex(3)}"
        tags["mlflow.runName"] = name
        tags.setdefault("mlflow.user", tracking_user())
        run_id = secrets.token_hex(16)
        return SESSION.begin("mlflow", run_id, experiment, notes={"name": name, "tags": tags})

    def earlier_run(self, experiment: str) -> str | None:
        """The id of the run that this process continues, as ``LEGM_RESUME`` says; None for a new one."""
        earlier = SESSION.earlier_run("mlflow", experiment)
        if earlier is not None:
            self._resumed[earlier.key] = kept_when_script_resumes(earlier)
        return None if earlier is None else earlier.key

    def open_run(self, run_id: str) -> ScriptRun:
        """The run with an id, for writing; a stored run is reopened.

        Raises:
            MlflowException: there is none.
        """
        if run_id in SESSION.runs:
            return SESSION.runs[run_id]
        earlier = SESSION.find(run_id)
        if earlier is None and not is_main_process():  # rank 0 may not have written it yet
            return SESSION.begin("mlflow", run_id, DEFAULT_EXPERIMENT)
        if earlier is None:
            raise not_found_exception(f"Run '{run_id}' not found")
        run = SESSION.begin("mlflow", run_id, earlier.experiment, earlier=earlier)
        run.status, run.ended = earlier.status, earlier.ended
        return run

    def _open_active_run(self, run_id: str) -> ScriptRun:
        """The run with an id, for logging to it.

        Raises:
            MlflowException: there is none, or it is deleted.
        """
        run = self.open_run(run_id)
        if run.notes.get("deleted"):
            raise invalid_value_exception(
                f"The run {run_id} must be in the 'active' state. Current state is deleted."
            )
        return run

    def find_snapshot(self, run_id: str) -> RunSnapshot:
        """The state of the run with an id, for reading.

        Raises:
            MlflowException: there is none.
        """
        one = SESSION.find(run_id)
        if one is None:
            raise not_found_exception(f"Run '{run_id}' not found")
        return one

    def run(self, run_id: str) -> Run:
        """The run with an id, as mlflow's object."""
        return self.to_mlflow_run(self.find_snapshot(run_id))

    def to_mlflow_run(self, one: RunSnapshot) -> Run:
        """The state of a run as mlflow's object."""
        tags = one.notes.get("tags") or {}
        if not isinstance(tags, Mapping):
            tags = dict.fromkeys(map(str, tags), "")
        info = RunInfo(
            run_id=one.key,
            run_name=str(one.notes.get("name") or one.key),
            experiment_id=EXPERIMENTS.id_of_folder(one.experiment),
            status=str(one.notes.get("deleted") or "") or _MLFLOW_STATUSES[one.status],
            start_time=int(one.started * 1000),
            end_time=None if one.ended is None else int(one.ended * 1000),
            artifact_uri=str(self.artifact_folder(one.key)),
            lifecycle_stage="deleted" if one.notes.get("deleted") else "active",
            user_id=str(tags.get("mlflow.user", "")),
        )
        metrics = {name: number.value for name, number in one.latest.items()} | dict(one.tests)
        texts = one.notes.get("texts") or {}
        params = {name: str(texts.get(name, value)) for name, value in one.parameters.items()}
        inputs = [_tracked_dataset_input(noted) for noted in one.notes.get("inputs") or ()]
        data = RunData(metrics, params, {k: str(v) for k, v in tags.items()})
        return Run(info, data, RunInputs(inputs))

    def history(self, run_id: str, key: str) -> list[LoggedNumber]:
        """Every value of a metric."""
        if run_id in SESSION.runs:
            return SESSION.runs[run_id].history().get(key, [])
        one = self.find_snapshot(run_id)
        if one.run is None or one.folder is None:
            return []
        return read_snapshot_history(one.folder, one.run.run_id, names_of_tests(one.notes)).get(key, [])

    # Writing

    def log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        """Set parameters.

        Raises:
            MlflowException: one of them has another value already, or an invalid name.
        """
        run = self._open_active_run(run_id)
        snapshot = run.snapshot()
        known, texts = snapshot.parameters, dict(snapshot.notes.get("texts") or {})
        params = {
            check_key("parameter", key): value
            for key, value in params.items()
            if not is_unknown_tracked_pair("parameter", key, value)
        }
        changed: set[str] = set()
        for key, value in params.items():
            text = str(value)
            if key in known and str(texts.get(key, known[key])) != text:
                if run_id in self._resumed:  # the script does not know that it resumes a run
                    changed.add(key)
                    continue
                raise invalid_value_exception(
                    f"Changing param values is not allowed. Param with key='{key}' was already logged with "
                    f"value='{texts.get(key, known[key])}' for run ID='{run_id}'. Attempted logging new "
                    f"value '{text}'."
                )
        for key in sorted(changed & {*self._resumed.get(run_id, ())}):
            log.warning("the run is resumed: its %r stays %r, not %r", key, known[key], params.pop(key))
        new = {key: value for key, value in params.items() if key not in known or key in changed}
        run.set_parameters({key: _read_tracked_value(value) for key, value in new.items()})
        stored = run.state().parameters
        odd = {key: str(value) for key, value in params.items() if str(value) != str(stored.get(key))}
        if odd.keys() - texts.keys() or changed & odd.keys():
            run.note(texts={**texts, **odd})

    def log_metrics(self, run_id: str, metrics: Mapping[str, Any], step: int | None) -> None:
        """Set a value of each metric.

        Raises:
            MlflowException: a value is not a number, or a name is invalid.
        """
        numbers = {}
        for key, value in metrics.items():
            if is_unknown_tracked_pair("metric", key, value):
                continue
            check_key("metric", key)
            try:
                number = float(value) if isinstance(value, str) else to_recorded_value(key, value)
            except (MetricError, ValueError):
                raise invalid_value_exception(
                    f"Got invalid value {value!r} for metric '{key}': it must be a number"
                ) from None
            numbers[key] = number if isinstance(value, str) else value
        run = self._open_active_run(run_id)
        steps = self._steps.setdefault(run_id, MetricSteps())
        run.before_end = partial(self._correct_steps, run)
        by_step: dict[int | None, dict[str, Any]] = {}
        for key, number in numbers.items():
            by_step.setdefault(steps.add(key, step), {})[key] = number
        for at, row in by_step.items():
            run.log(row, at)

    def set_tags(self, run_id: str, tags: Mapping[str, Any]) -> None:
        """Set tags.

        Raises:
            MlflowException: a name is invalid.
        """
        run = self._open_active_run(run_id)
        new = {**(run.snapshot().notes.get("tags") or {}), **tags_for_tracking(tags)}
        run.note(tags=new, name=new.get("mlflow.runName") or run.key)

    def delete_tag(self, run_id: str, key: str) -> None:
        """Delete a tag.

        Raises:
            MlflowException: there is none.
        """
        run = self._open_active_run(run_id)
        tags = dict(run.snapshot().notes.get("tags") or {})
        if key not in tags:
            raise not_found_exception(f"No tag with name: {key} in run with id {run_id}")
        del tags[key]
        run.note(tags=tags)

    def end_run(self, run_id: str, status: str) -> None:
        """End a run."""
        self.open_run(run_id).end(
            _LEGM_STATUSES[str(status)], None if status == "FINISHED" else f"it ended as {status}"
        )

    def _correct_steps(self, run: ScriptRun) -> None:
        """Give the metrics of a run that ends the steps that an import gives them."""
        steps = self._steps.pop(run.key, None)
        if steps is not None and not steps.are_final:
            run.correct_steps(steps.at_final_steps)

    def delete_run(self, run_id: str) -> None:
        """Mark a run as deleted."""
        run = self.open_run(run_id)
        if not run.notes.get("deleted"):
            run.note(deleted=_MLFLOW_STATUSES[run.status])
            run.end(Status.INTERRUPTED, "it was deleted")

    def restore_run(self, run_id: str) -> None:
        """Undo the deletion of a run."""
        run = self.open_run(run_id)
        status = run.notes.get("deleted")
        if status:
            run.note(deleted=False)
            if status == "RUNNING":
                run.reopen()
            else:
                self.end_run(run_id, str(status) if status in _LEGM_STATUSES else "FINISHED")

    def log_inputs(self, run_id: str, inputs: Sequence[DatasetInput]) -> None:
        """Note data sets with a run; one that it has with this digest gets the tags."""
        run = self._open_active_run(run_id)
        known = {(one["name"], one["digest"]): one for one in run.snapshot().notes.get("inputs") or ()}
        for one in inputs:
            key, tags = (one.dataset.name, one.dataset.digest), {tag.key: tag.value for tag in one.tags}
            earlier = known.get(key, {}).get("tags") or {}
            known[key] = {**one.dataset.to_dictionary(), "tags": {**earlier, **tags}}
        run.note(inputs=list(known.values()))

    # Files

    def artifact_folder(self, run_id: str) -> Path:
        """The folder in which a script finds the files of a run under their names."""
        return SESSION.settings.root / OWN_FOLDER / DROP_IN_FILES / run_id / "artifacts"

    def run_of_artifact_path(self, uri: str) -> tuple[str, str] | None:
        """The run and the name of a file, from its path in such a folder; None for another address."""
        path = unquote(uri.removeprefix("file://")) if uri.startswith("file://") else uri
        parts = PurePosixPath(path).parts
        folder = (SESSION.settings.root / OWN_FOLDER / DROP_IN_FILES).parts
        if parts[: len(folder)] != folder or parts[len(folder) + 1 : len(folder) + 2] != ("artifacts",):
            return None
        return parts[len(folder)], "/".join(parts[len(folder) + 2 :])

    def keep_bytes(self, run_id: str, content: bytes, name: str) -> None:
        """Keep a file with this content."""
        run = self.open_run(run_id)
        run.keep_bytes(content, name)
        self._show_file(run, name)

    def keep_file(self, run_id: str, path: Path, name: str) -> None:
        """Keep a copy of a file."""
        run = self.open_run(run_id)
        run.keep(path, name)
        self._show_file(run, name)

    def _show_file(self, run: ScriptRun, name: str) -> None:
        """Let a script find a file under its name: another name of the same file, or a copy."""
        kept, parts = run.state().files.get(name), PurePosixPath(name).parts
        if kept is None or ".." in parts or PurePosixPath(name).is_absolute():
            return
        target = self.artifact_folder(run.key).joinpath(*parts)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            try:
                os.link(kept, target)
            except OSError:  # a file system without links
                shutil.copyfile(kept, target)
        except OSError as error:
            SESSION.notices.report_unsupported(f"the path of the artifact {name!r}", str(error))

    def log_file(self, run_id: str, path: Path, folder: str | None) -> None:
        """Store a file, or every file of a folder under the folder's name.

        Raises:
            MlflowException: there is no such file or folder.
        """
        self.open_run(run_id)
        prefix = f"{folder.strip('/')}/" if folder else ""
        if path.is_dir():
            for one in sorted(path.rglob("*")):
                if one.is_file():
                    self.keep_file(run_id, one, f"{prefix}{path.name}/{one.relative_to(path).as_posix()}")
        elif path.is_file():
            self.keep_file(run_id, path, f"{prefix}{path.name}")
        else:
            raise not_found_exception(f"No such file or directory: {str(path)!r}")

    def is_uri_set(self) -> bool:
        """Whether the script or its environment names an address."""
        return bool(self.uri or os.environ.get("MLFLOW_TRACKING_URI"))

    def tracking_uri(self) -> str:
        """The address that was set, or else that of the root directory."""
        return self.uri or os.environ.get("MLFLOW_TRACKING_URI") or SESSION.settings.root.as_uri()


def _tracked_dataset_input(noted: Mapping[str, Any]) -> DatasetInput:
    """A data set as it is noted with a run; versions before noted a name, a digest and a purpose."""
    fields: dict[str, Any] = {
        name: noted.get(name) for name in ("source_type", "source", "schema", "profile")
    }
    tags = noted.get("tags") or {"mlflow.data.context": noted.get("context")}
    return DatasetInput(
        Dataset(noted["name"], noted["digest"], **fields),
        [InputTag(key, value) for key, value in tags.items() if value is not None],
    )


def is_unknown_tracked_pair(what: str, key: Any, value: Any) -> bool:
    """Whether a name or its value stands for something that legm does not know, which is reported."""
    if not contains_null_object((key, value)):
        return False
    SESSION.notices.report_unknown_value(f"{what} {key!s:.40}")
    return True


def _read_tracked_value(value: Any) -> Any:
    """A parameter as it is read from its text, which is all that MLflow keeps; objects stay what they are."""
    plain = (str, int, float, bool, list, tuple, dict, set, frozenset, type(None))
    is_array = type(value).__module__ == "numpy" and hasattr(value, "dtype")
    return parse_value_text(str(value)) if is_array or isinstance(value, plain) else value


def tracking_user() -> str:
    """The user of this process; "" where that is unknown."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def tags_for_tracking(tags: Mapping[str, Any] | None) -> dict[str, str]:
    """The tags that a script gave as texts, without what stands for something unknown; all of them may.

    Raises:
        MlflowException: a name is invalid.
    """
    if tags is None or (contains_null_object(tags) and not isinstance(tags, dict)):
        return {}
    known = {key: value for key, value in tags.items() if not is_unknown_tracked_pair("tag", key, value)}
    return {check_key("tag", key): str(value) for key, value in known.items()}


STORE = TrackingStore()
