"""``wandb.run``: the run of a script, and its methods."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from types import TracebackType
from typing import IO, Any

from legm.compat.null_objects import NullObject, contains_null_object
from legm.compat.script_run import ScriptRun
from legm.compat.script_session import SESSION
from legm.compat.wandb.artifacts import Artifact, find_artifact
from legm.compat.wandb.configs import Config
from legm.compat.wandb.errors import CommError, UsageError
from legm.compat.wandb.media import Image, Media, captioned_media, to_media
from legm.compat.wandb.metrics import Metric, WandbMetricRows
from legm.compat.wandb.model_watcher import ModelWatcher
from legm.compat.wandb.summaries import Summary
from legm.compat.wandb.tensorboard_sync import log_tensorboard_scalars
from legm.core.config_objects import parameters_from_config
from legm.delivery.process_end import is_normal_process_end
from legm.errors import LegmError, MetricError
from legm.records import Plain, Status
from legm.runlog.file_names import DROP_IN_FILES, OWN_FOLDER
from legm.runlog.recorded_values import to_recorded_step, to_recorded_value
from legm.util.locks import ReentrySafeLock

__all__ = ["NEXT_ROW", "Run"]

NEXT_ROW = "next_row"
"""The note with the number of the next row, where the steps of metrics are the values of others."""


class Run:
    """A wandb run.

    Args:
        run_id: the run's id.
        project: the run's project.
        tracked: records what is logged; None for a disabled run, which records nothing.
        step: the step of the next row.
        fields: name, group, job type, notes and tags.
    """

    def __init__(
        self, run_id: str, project: str, tracked: ScriptRun | None, step: int = 0, **fields: Any
    ) -> None:
        self.id = run_id
        self.project = project
        self.entity = fields.pop("entity", None) or "legm"
        self.group: str = fields.pop("group", None) or ""
        self.job_type: str = fields.pop("job_type", None) or ""
        self.resumed: bool = fields.pop("resumed", False)
        self.settings = fields.pop("settings", None)
        self.start_time = time.time() if tracked is None else tracked.started
        self.sweep_id: str | None = None
        self.url = None
        self.offline = True
        self.disabled = tracked is None
        self.tracked = tracked
        if tracked is not None:
            tracked.others.next_row = self._next_row
        self.starting_step = self.step = step
        self.finished = False
        self.config = Config(self._config_changed)
        self.summary = Summary(self._summary_changed, self._summary_deleted)
        self._metadata = fields
        self._rows = WandbMetricRows()
        self._row_step: int | None = None  # of the row that is not complete
        self._summary_texts: dict[str, Plain] = {}
        self._saved: dict[str, Path] = {}
        self._artifacts: dict[str, Plain] = {}
        self._calls = ReentrySafeLock()
        self._at_finish: list[Callable[[], None]] = []
        self._watcher = ModelWatcher(lambda name, histogram: self.log({name: histogram}, commit=False))

    @property
    def name(self) -> str:
        """The display name."""
        return self._metadata.get("name") or f"run-{self.id}"

    @name.setter
    def name(self, name: str) -> None:
        self._note(name=name)

    @property
    def notes(self) -> str | None:
        """A free text about the run."""
        return self._metadata.get("notes")

    @notes.setter
    def notes(self, notes: str) -> None:
        self._note(notes=notes)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags."""
        return tuple(self._metadata.get("tags") or ())

    @tags.setter
    def tags(self, tags: Sequence[str]) -> None:
        self._note(tags=list(tags))

    def _note(self, **metadata: Any) -> None:
        self._metadata.update(metadata)
        if self.tracked is not None:
            self.tracked.note(**metadata)

    @property
    def path(self) -> str:
        """Entity, project and id."""
        return f"{self.entity}/{self.project}/{self.id}"

    @property
    def dir(self) -> str:
        """A folder whose files are stored when the run ends."""
        folder = SESSION.settings.root / OWN_FOLDER / DROP_IN_FILES / self.id
        folder.mkdir(parents=True, exist_ok=True)
        return str(folder)

    def project_name(self) -> str:
        """The project."""
        return self.project

    project_url = sweep_url = None
    """None: there is no page."""

    @property
    def sync_dir(self) -> str:
        """A folder of the run, as ``dir``."""
        return self.dir

    def display(self, height: int = 420, hidden: bool = False) -> bool:
        """False: the run has no page to show."""
        del height, hidden
        return False

    def get_url(self) -> str | None:
        """None: the run has no page."""
        return self.url

    def _config_changed(self, values: dict[str, Any]) -> None:
        if self.tracked is not None:
            self.tracked.set_parameters(
                parameters_from_config("wandb's config", _wandb_run_text_keys(values), flatten=True),
                instead=True,
            )

    def _summary_changed(self, name: str, value: Any) -> None:
        if self.tracked is None or contains_null_object(value):
            return
        if isinstance(value, Mapping):
            for inner, one in value.items():
                self._summary_changed(f"{name}.{inner}", one)
            return
        try:
            to_recorded_value(name, value)
        except MetricError:
            media = to_media(value)
            if media is not None:
                self._store_media(f"summary/{name}", media)
            else:
                self._summary_texts[name] = str(value)
                self.tracked.note(summary=dict(self._summary_texts))
        else:
            self.tracked.set_test(name, value)

    def _summary_deleted(self, name: str) -> None:
        if self._summary_texts.pop(name, None) is not None and self.tracked is not None:
            self.tracked.note(summary=dict(self._summary_texts))
        if self.tracked is not None:
            self.tracked.delete_test(name)

    # Logging

    def log(
        self,
        data: Mapping[str, Any],
        step: int | None = None,
        commit: bool | None = None,
        sync: bool | None = None,
    ) -> None:
        """Log a row, or a part of it.

        Args:
            data: numbers, texts, images and other values by name; nested names are joined with ``.``.
            step: the row's step; the default is the next one. A step before the last one is kept as well.
            commit: whether the row is complete; the default is True without a step, and False with one.
        """
        if not isinstance(data, Mapping):
            raise TypeError(f"wandb.log() requires a dictionary, not {type(data).__name__}")
        if not all(isinstance(name, str) for name in data):
            raise TypeError("Key values passed to `wandb.log` must be strings.")
        if self.finished:
            raise UsageError(f"the run {self.id} is finished: call wandb.init() to begin another one")
        self._calls.run(partial(self._log, dict(data), step, commit))

    def _next_row(self) -> int:
        """The step of a row that another process logs."""
        self.step += 1
        return self.step - 1

    def _log(self, data: Mapping[str, Any], step: int | None, commit: bool | None) -> None:
        at = self.step if step is None else to_recorded_step("wandb.log()", step)
        self.step = max(self.step, at)
        tracked = None if self.tracked is None else self.tracked.of_this_process()
        if tracked is not None:
            # Where the run is another process's, its rows are numbered there.
            row = -1 - at if tracked.is_attached and step is None else at
            if row != self._row_step:
                self._complete_row(tracked)
                self._row_step = row
            self._log_row(tracked, data, row)
        if commit or (commit is None and step is None):
            self.step = max(self.step, at + 1)
            if tracked is not None:
                self._complete_row(tracked)

    def _complete_row(self, tracked: ScriptRun) -> None:
        """Add what W&B adds to a row that is complete."""
        row, self._row_step = self._row_step, None
        added = self._rows.complete()
        if added and row is not None:
            tracked.log(added, row)

    def _log_row(self, tracked: ScriptRun, data: Mapping[str, Any], step: int) -> None:
        numbers: dict[str, Any] = {}
        plain: dict[str, float] = {}
        for name, value in _flatten_wandb_run_row(data):
            if value is None or contains_null_object(name):
                continue
            if contains_null_object(value):
                SESSION.notices.report_unknown_value(f"wandb.log of {name}")
                continue
            if isinstance(value, str):
                tracked.show(name, value, step)
                self.summary.add_logged(name, value)
                continue
            try:
                number = to_recorded_value(name, value)
            except MetricError:
                several = value if isinstance(value, (list, tuple)) else [value]
                media = [one for one in several if isinstance(one, Media)]
                if not media and (made := to_media(value)) is not None:
                    media = [made]
                if not media:
                    SESSION.notices.report_unsupported(f"wandb.log of a {type(value).__qualname__}")
                self._log_media(name, media, step)
                continue
            numbers[name] = value
            plain[name] = number
            if (defined := self._rows.definitions.of(name)) is not None:
                self.summary.set_rules(name, defined.summary, higher_is_better=defined.higher_is_better)
            self.summary.add_logged(name, number)
        for at, row in self._rows.add(plain, step).items():
            tracked.log({name: numbers[name] for name in row}, at)

    def _log_media(self, name: str, media: Sequence[Media], step: int) -> None:
        """Log what a row has under a name, pictures of a list as one medium; charts are only files."""
        if self.tracked is None:
            return
        inner: dict[str, list[Media]] = {}
        for number, one in enumerate(media):
            is_of_several = len(media) > 1 and isinstance(one, Image)
            for name_of_inner, found in one.inner():
                shown = (
                    [captioned_media(f"picture {number}", each) for each in found] if is_of_several else found
                )
                inner.setdefault(f"{name}/{name_of_inner}", []).extend(shown)
        for kind in dict.fromkeys(one.media_kind for one in media):
            of_kind = [one for one in media if one.media_kind is kind]
            if kind is not None:
                files = [one.pending(name) for one in of_kind]
                self.tracked.log_media(name, kind, files, step)
                continue
            for count, one in enumerate(of_kind):
                self._store_media(f"media/{name}_{step}" + (f"_{count}" if len(of_kind) > 1 else ""), one)
        for name_of_inner, found in inner.items():
            self._log_media(name_of_inner, found, step)

    def _store_media(self, name: str, media: Media) -> None:
        if self.tracked is not None:
            self.tracked.keep_bytes(media.content(), f"{name}.{media.extension}")

    def define_metric(
        self,
        name: str,
        step_metric: Any = None,
        step_sync: bool | None = None,
        hidden: bool | None = None,
        summary: str | None = None,
        overwrite: bool | None = None,
        goal: str | None = None,
    ) -> Metric:
        """Say what the steps of a metric are, and how it is summarized.

        The first metric with min or max chooses the best step.

        Args:
            name: the metric, or a pattern with ``*`` at its end.
            step_metric: the metric whose values are the steps.
            step_sync: whether a row without that gets its last value.
            hidden: accepted: W&B hides such a metric from automatic charts.
            summary: min, max, mean, last, first or none; several separated by commas.
            overwrite: whether earlier definitions of the same name are forgotten.
            goal: minimize or maximize, for the summary "best" of earlier versions.

        Raises:
            Error: an argument is not valid.
        """
        metric = Metric(name, step_metric, step_sync, hidden, summary, overwrite, goal)
        self._rows.define(metric)
        return metric

    # Files

    def save(self, glob_str: Any = None, base_path: Any = None, policy: str = "live") -> list[str]:
        """Store files as they are now, and again as they are when the run ends.

        Args:
            glob_str: a file or a shell pattern.
            base_path: the files have their paths below this folder as their names; by default the current
                folder, and for an absolute pattern the one above the folder of the files.
            policy: live, now or end; all mean the same.

        Returns:
            the paths of the files in ``run.dir``.

        Raises:
            ValueError: the policy is unknown, or the files are not below the folder.
        """
        if glob_str is None:
            return []
        if policy not in {"live", "end", "now"}:
            raise ValueError('Only "live", "end" and "now" policies are currently supported.')
        pattern = os.fspath(glob_str)
        is_absolute = Path(pattern).is_absolute()
        base = Path(base_path) if base_path else Path(pattern).parent.parent if is_absolute else Path()
        found = {}
        for text in sorted(glob.glob(pattern)):  # noqa: PTH207 - the pattern may be absolute
            path = Path(os.path.abspath(text))  # noqa: PTH100 - links are not resolved
            if path.is_file():
                absolute = Path(os.path.abspath(base))  # noqa: PTH100
                if not path.is_relative_to(absolute):
                    raise ValueError("Glob may not walk above the base path")
                found[path.relative_to(absolute).as_posix()] = path
        self._saved |= found
        for name, path in found.items():
            self._store_file(path, name)
            self._show_in_folder(path, name)
        return [str(Path(self.dir, name)) for name in found]

    def _show_in_folder(self, path: Path, name: str) -> None:
        """Let ``run.dir`` have a file that was saved."""
        target = Path(self.dir, name)
        if path != target and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(OSError):  # a system where users may not make links
                target.symlink_to(path)

    def restore(
        self, name: str, run_path: str | None = None, replace: bool = False, root: Any = None
    ) -> IO[str]:
        """Copy a file of this or another run into a folder, and open it.

        Args:
            name: the file's name in the run.
            run_path: ``entity/project/id`` of another run; None for this one.
            replace: whether to overwrite a file that is there.
            root: the folder; None for ``run.dir``.

        Raises:
            ValueError: the run has no such file.
            CommError: there is no such run.
        """
        key = self.id if run_path is None else run_path.rpartition("/")[2]
        found = SESSION.find(key)
        if found is None:
            raise CommError(f"there is no run {run_path or self.path!r} in {SESSION.settings.root}")
        kept, parts = found.files.get(name), Path(name).parts
        if kept is None or ".." in parts or Path(name).is_absolute():
            raise ValueError(f"the run {key} has no file {name!r}")
        target = Path(root or self.dir, *parts)
        if replace or not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            shutil.copyfile(kept, target)
        return target.open(encoding="utf-8")

    def _store_file(self, path: Path, name: str) -> None:
        if self.tracked is not None:
            self.tracked.keep(path, name)

    def log_artifact(
        self,
        artifact_or_path: Any,
        name: str | None = None,
        type: str | None = None,  # noqa: A002 - wandb's name
        aliases: Sequence[str] | None = None,
        **_: Any,
    ) -> Artifact:
        """Store an artifact, or a file or folder as an artifact."""
        artifact = artifact_or_path
        if not isinstance(artifact, Artifact):
            path = Path(artifact_or_path)
            artifact = Artifact(name or f"run-{self.id}-{path.name}", type or "unspecified")
            (artifact.add_dir if path.is_dir() else artifact.add_file)(path)
        if self.tracked is None:
            return artifact
        earlier = [
            label
            for one in SESSION.snapshots(latest=False)
            for label in one.notes.get("artifacts") or ()
            if label.partition(":")[0] == artifact.name
        ]
        artifact.version = f"v{len(earlier)}"
        artifact.aliases = list(aliases or ())
        artifact.is_logged = True
        label = f"{artifact.name}:{artifact.version}"
        for inner, path in artifact.files_by_name.items():
            self._store_file(path, f"{label}/{inner}")
        self._artifacts[label] = {
            "type": artifact.type,
            "description": artifact.description,
            "metadata": artifact.metadata,
            "aliases": artifact.aliases,
        }
        self.tracked.note(artifacts=dict(self._artifacts))
        return artifact

    upsert_artifact = finish_artifact = log_artifact

    def link_artifact(
        self, artifact: Artifact, target_path: str, aliases: Sequence[str] | None = None
    ) -> Artifact:
        """Give an artifact another name, under which :meth:`use_artifact` finds it, and aliases.

        Args:
            artifact: one that was logged; another one is logged now.
            target_path: the name, with the names of registry and entity before it or not.
            aliases: further names of this version.
        """
        if not artifact.is_logged:
            self.log_artifact(artifact)
        links = [*(self._metadata.get("links") or ()), [target_path, artifact.label, *(aliases or ())]]
        self._note(links=links)
        return artifact

    def link_model(
        self, path: Any, registered_model_name: str, name: str | None = None, aliases: Any = None
    ) -> Artifact:
        """Log the file or folder of a model, and give it another name."""
        artifact = self.log_artifact(path, name or registered_model_name, "model", aliases)
        return self.link_artifact(artifact, registered_model_name, aliases)

    def log_model(self, path: Any, name: str | None = None, aliases: Sequence[str] | None = None) -> None:
        """Store the file or folder of a model."""
        self.log_artifact(path, name, "model", aliases)

    def use_artifact(self, artifact_or_name: Any, type: str | None = None, **_: Any) -> Artifact:  # noqa: A002
        """The artifact of this name that a run in the root directory has logged.

        Raises:
            CommError: there is none.
        """
        if isinstance(artifact_or_name, Artifact):
            return artifact_or_name
        found = find_artifact(str(artifact_or_name), type)
        self._note(uses=[*(self._metadata.get("uses") or ()), f"{found.name}:{found.version}"])
        return found

    def use_model(self, name: str) -> str:
        """The path of a model that a run in the root directory has logged: its file, or its folder.

        Raises:
            CommError: there is none.
        """
        artifact = self.use_artifact(name, "model")
        return artifact.file() if len(artifact.files_by_name) == 1 else artifact.download()

    # Watching and finishing

    def alert(self, title: str, text: str = "", level: Any = None, **_: Any) -> None:
        """Record an alert as a text of the run; nothing is sent."""
        if self.tracked is not None:
            self.tracked.show("alert", f"{title}: {text}", self.step)

    def watch(
        self,
        models: Any = None,
        criterion: Any = None,
        log: str | None = "gradients",
        log_freq: int = 1000,
        idx: int | None = None,
        log_graph: bool = False,
    ) -> None:
        """Log histograms of the gradients or weights of PyTorch models at regular intervals.

        Args:
            models: one or several models.
            criterion: accepted, but not used.
            log: ``gradients``, ``parameters``, ``all`` or None.
            log_freq: the number of batches between two histograms.
            idx: the number of the first model.
            log_graph: not supported.
        """
        if log_graph:
            SESSION.notices.report_unsupported(
                "wandb.watch(log_graph=True)", "legm does not store the graph of a model"
            )
        if self.tracked is not None:
            self._watcher.watch(models, log, log_freq, idx)

    def sync_tensorboard(self) -> None:
        """Log what is written for TensorBoard from now on, at the steps that it has there."""
        if self.tracked is not None:
            self._at_finish.append(log_tensorboard_scalars(self.tracked.log))

    def unwatch(self, models: Any = None) -> None:
        """Stop watching these models, or all models."""
        self._watcher.unwatch(models)

    def mark_preempting(self) -> None:
        """Do nothing: a run that is killed counts as interrupted anyway."""

    def finish(self, exit_code: int | None = None, quiet: bool | None = None) -> None:
        """End the run; with an exit code other than 0 it has failed."""
        if self.finished:
            return
        self._stop_watching()
        if self.tracked is not None:
            self._complete_metrics(self.tracked)
            self._store_saved_files()
            if exit_code:
                self.tracked.end(Status.FAILED, SESSION.error or f"finish(exit_code={exit_code})")
            else:
                self.tracked.end(Status.COMPLETED)

    join = finish

    def _stop_watching(self) -> None:
        self.finished = True
        self._watcher.unwatch()
        for end in self._at_finish:
            end()

    def _complete_metrics(self, tracked: ScriptRun) -> None:
        """Complete the last row, and give the metrics the steps that all rows together say."""
        run = tracked.of_this_process()
        if run is None:
            return
        self._complete_row(run)
        tracked.best = self._rows.definitions.best(self._rows.names)
        if run is not tracked:
            return
        if self._rows.definitions.has_step_metrics:
            tracked.correct_steps(self._rows.at_final_steps)
        if self._rows.definitions.has_step_metrics or NEXT_ROW in tracked.notes:
            tracked.note(**{NEXT_ROW: self.step})  # which the metrics' steps do not say

    def _store_saved_files(self) -> None:
        folder = SESSION.settings.root / OWN_FOLDER / DROP_IN_FILES / self.id
        for name, path in self._saved.items():
            if path.is_file():
                self._store_file(path, name)
        if folder.is_dir():
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    self._store_file(path, path.relative_to(folder).as_posix())

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None and is_normal_process_end(error):
            kind = None
        if kind is not None and SESSION.error is None and self.tracked is not None and not self.finished:
            self._stop_watching()
            try:
                self._complete_metrics(self.tracked)
                self._store_saved_files()
                self.tracked.end(Status.FAILED, f"{kind.__name__}: {error}")
            except LegmError as own:  # the script's own error is raised
                SESSION.notices.report_unsupported("the end of the run", str(own))
            return
        self.finish(0 if kind is None else 1)

    def _label(self, *_: Any, **__: Any) -> None:
        """Do nothing: labels of the code that a library runs are not recorded."""

    def __reduce__(self) -> Any:
        attached_run = resolve_name("legm.compat.wandb.current_run:attached_run")
        metadata = {"entity": self.entity, "group": self.group, "job_type": self.job_type, **self._metadata}
        return attached_run, (self.id, self.project, self.disabled, self.config.as_dict(), metadata)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return NullObject(f"wandb.run.{name}", SESSION.notices)

    def __repr__(self) -> str:
        return f"<Run {self.path}>"


def _wandb_run_text_keys(values: Mapping[Any, Any]) -> dict[str, Any]:
    """Parameters with texts as the keys of nested mappings, as W&B stores them."""
    return {
        str(name): _wandb_run_text_keys(value) if isinstance(value, Mapping) else value
        for name, value in values.items()
    }


def _flatten_wandb_run_row(data: Mapping[str, Any], prefix: str = "") -> Any:
    for key, value in data.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flatten_wandb_run_row(value, f"{name}.")
        else:
            yield name, value
