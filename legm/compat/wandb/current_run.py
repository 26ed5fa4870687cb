"""wandb's current run, and ``wandb.init()``, which begins one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from legm.compat.run_snapshot import RunSnapshot
from legm.compat.script_session import SESSION, kept_when_script_resumes
from legm.compat.wandb.errors import Error, UsageError
from legm.compat.wandb.util import generate_id
from legm.compat.wandb.wandb_run import NEXT_ROW, Run
from legm.core.config_objects import parameters_from_config
from legm.errors import LegmError
from legm.records import Status
from legm.util.process_rank import is_main_process

__all__ = ["CURRENT_RUN", "Settings", "attached_run", "init", "required_run"]


_CONFIG_DEFAULTS = "config-defaults.yaml"  # in the current folder, as wandb looks for it


class _CurrentRun:
    """The run to which ``wandb.log()`` and the other functions refer."""

    def __init__(self) -> None:
        self._runs: list[Run] = []
        self.swept: tuple[str, str | None, dict[str, Any]] | None = None
        """While a sweep calls a function, the sweep's id, project and parameters."""

    @property
    def run(self) -> Run | None:
        """The newest run that is not finished."""
        self._runs = [run for run in self._runs if not run.finished]
        return self._runs[-1] if self._runs else None

    def find(self, run_id: str, project: str) -> Run | None:
        """The run of this process that has an id and is not finished."""
        return next((run for run in self._runs if (run.id, run.project) == (run_id, project)), None)

    def push(self, run: Run) -> None:
        """Make a run the current one."""
        if not self._runs:
            SESSION.before_closing = self.finish
        self._runs.append(run)

    def finish(self) -> None:
        """Finish every run."""
        while (run := self.run) is not None:
            run.finish(0 if SESSION.error is None else 1)


CURRENT_RUN = _CurrentRun()


def required_run(call: str) -> Run:
    """The current run, for a call that needs one.

    Args:
        call: the call's name below wandb.

    Raises:
        Error: there is none.
    """
    if CURRENT_RUN.run is None:
        raise Error(f"you must call wandb.init() before wandb.{call}()")
    return CURRENT_RUN.run


class Settings:
    """wandb's settings; the ones that ``init`` also has as arguments are used."""

    def __init__(self, **settings: Any) -> None:
        self.__dict__.update(settings)

    def get(self, name: str) -> Any:
        """A setting; None if it was not given."""
        return self.__dict__.get(name.removeprefix("run_"), self.__dict__.get(name))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)


def init(
    entity: str | None = None,
    project: str | None = None,
    dir: Any = None,  # noqa: A002 - wandb's name; the root directory is LEGM_ROOT
    id: str | None = None,  # noqa: A002
    name: str | None = None,
    notes: str | None = None,
    tags: Sequence[str] | None = None,
    config: Any = None,
    config_exclude_keys: Sequence[str] | None = None,
    config_include_keys: Sequence[str] | None = None,
    allow_val_change: bool | None = None,
    group: str | None = None,
    job_type: str | None = None,
    mode: str | None = None,
    reinit: bool | str | None = None,
    resume: bool | str | None = None,
    settings: Any = None,
    **others: Any,
) -> Run:
    """Begin or resume a run.

    The project is the experiment and the job type is the run's description; id, name, group, notes and tags
    are stored with the run. While a run is active, another call returns that run, unless ``reinit`` says
    otherwise.

    Raises:
        UsageError: the run to resume does not exist.
        LegmError: the backend or the root directory cannot be used.
    """
    given = settings if isinstance(settings, Settings) else Settings(**(settings or {}))
    for argument in ("monitor_gym", "fork_from", "resume_from"):
        if others.get(argument):
            SESSION.notices.report_unsupported(f"wandb.init({argument}=…)")
    reinit = given.get("reinit") if reinit is None else reinit
    previous = CURRENT_RUN.run
    if previous is not None and reinit != "create_new":
        if reinit not in (True, "finish_previous"):
            if config is not None:
                previous.config.update(config, allow_val_change=True)
            return previous
        CURRENT_RUN.finish()

    def given_or_environment(value: Any, setting: str, variable: str) -> Any:
        return value or given.get(setting) or os.environ.get(variable) or None

    mode = given_or_environment(mode, "mode", "WANDB_MODE")
    disabled = mode == "disabled" or os.environ.get("WANDB_DISABLED", "").lower() in {"1", "true", "yes"}
    disabled = disabled or not is_main_process()
    swept = CURRENT_RUN.swept
    project = (
        (swept and swept[1]) or given_or_environment(project, "project", "WANDB_PROJECT") or "uncategorized"
    )
    run_id = given_or_environment(id, "run_id", "WANDB_RUN_ID")
    resume = resume or given.get("resume") or os.environ.get("WANDB_RESUME")
    all_tags = given_or_environment(tags, "run_tags", "WANDB_TAGS") or []
    fields: dict[str, Any] = {
        "name": given_or_environment(name, "run_name", "WANDB_NAME"),
        "group": given_or_environment(group, "run_group", "WANDB_RUN_GROUP"),
        "job_type": given_or_environment(job_type, "run_job_type", "WANDB_JOB_TYPE"),
        "notes": given_or_environment(notes, "run_notes", "WANDB_NOTES"),
        "tags": all_tags.split(",") if isinstance(all_tags, str) else list(all_tags),
    }
    earlier = None if disabled else _run_to_resume(run_id, resume, project)
    is_by_environment = False
    if not (disabled or run_id or resume == "never" or swept):
        known = _current_run_config(config, config_include_keys, config_exclude_keys)
        earlier = SESSION.earlier_run("wandb", project, fields["job_type"] or "", known, project)
        is_by_environment = earlier is not None
    run_id = earlier.key if earlier is not None else run_id or generate_id()
    tracked = None
    if not disabled:
        metadata = {key: value for key, value in fields.items() if value}
        tracked = SESSION.begin(
            "wandb",
            run_id,
            project,
            fields["job_type"] or "",
            earlier,
            {**metadata, "entity": entity},
            project,
        )
    run = Run(
        run_id,
        project,
        tracked,
        0 if earlier is None else _next_row_of(earlier),
        entity=entity,
        resumed=bool(earlier and (resume or is_by_environment)),
        settings=given,
        **fields,
    )
    if earlier is not None:
        run.summary.__dict__["_items"].update({name: one.value for name, one in earlier.latest.items()})
        run.config.__dict__["_items"].update(earlier.parameters)
        if is_by_environment:
            run.config._keep(kept_when_script_resumes(earlier))  # noqa: SLF001 - a public name may be a parameter's
    files = _config_files(given)
    for file in files:
        run.config.setdefaults(file)
    run.config.update(
        _select_run_config_keys(config, config_include_keys, config_exclude_keys),
        bool(allow_val_change or earlier or files),
    )
    if swept is not None:
        run.sweep_id = swept[0]
        run.config._lock(swept[2])  # noqa: SLF001 - a public name may be a parameter's
    CURRENT_RUN.push(run)
    if others.get("sync_tensorboard") or given.get("sync_tensorboard") or others.get("tensorboard"):
        run.sync_tensorboard()
    return run


def _next_row_of(earlier: RunSnapshot) -> int:
    """The number of the row that the run of an earlier process gets next."""
    noted = earlier.notes.get(NEXT_ROW)
    return (
        noted if isinstance(noted, int) else max((one.step + 1 for one in earlier.latest.values()), default=0)
    )


def _config_files(given: Settings) -> list[str]:
    """The files with values that the script does not give; of two that have a value, the first one counts.

    They are those of ``config_paths``, of which the last one counts, and the defaults of the current folder.
    wandb 0.31 refuses its variable ``WANDB_CONFIG_PATHS``; earlier versions took its paths, as legm does.
    """
    named = given.get("config_paths") or filter(None, os.environ.get("WANDB_CONFIG_PATHS", "").split(","))
    files = [*reversed([str(path).strip() for path in named]), _CONFIG_DEFAULTS]
    return [file for file in files if Path(file).is_file()]


def attached_run(
    run_id: str, project: str, disabled: bool, config: Mapping[str, Any], metadata: Mapping[str, Any]
) -> Run:
    """The run that was copied or handed to another process: there, what it logs is of that run.

    Args:
        run_id: the run's id.
        project: the run's project.
        disabled: whether the run records nothing.
        config: its parameters.
        metadata: name, group, job type, notes, tags and entity.
    """
    if (known := CURRENT_RUN.find(run_id, project)) is not None:
        return known
    tracked = None if disabled or not is_main_process() else SESSION.attach("wandb", run_id, project, project)
    run = Run(run_id, project, tracked, **metadata)
    run.config.__dict__["_items"].update(config)
    CURRENT_RUN.push(run)
    return run


def _run_to_resume(run_id: str | None, resume: Any, project: str) -> RunSnapshot | None:
    """The stored run to continue; None for a new run.

    Runs with one id are one run, as they are for an import, also where the script does not say ``resume``.
    """
    if resume == "never" or run_id is None:
        return None
    found = SESSION.find(run_id)
    if found is not None and found.experiment == project and found.status is not Status.RUNNING:
        if run_id in SESSION.runs:
            SESSION.runs[run_id].release()
        return found
    if resume == "must":
        raise UsageError(f"resume='must', but {project!r} has no ended run {run_id!r}")
    return None


def _current_run_config(
    config: Any, include: Sequence[str] | None, exclude: Sequence[str] | None
) -> Mapping[str, Any]:
    """The parameters that ``init`` is given, as the run would have them; none where they are not valid."""
    from legm.compat.wandb.configs import Config

    parsed = Config()
    try:
        parsed.update(_select_run_config_keys(config, include, exclude))
        return parameters_from_config("wandb's config", parsed.as_dict(), flatten=True)
    except (TypeError, ValueError, LegmError):  # which init itself raises
        return {}


def _select_run_config_keys(config: Any, include: Sequence[str] | None, exclude: Sequence[str] | None) -> Any:
    if not include and not exclude:
        return config
    from legm.compat.wandb.configs import Config

    parsed = Config()
    parsed.update(config)
    values: Mapping[str, Any] = parsed.as_dict()
    return {k: v for k, v in values.items() if (not include or k in include) and k not in (exclude or ())}
