"""What becomes of each public name of wandb and mlflow: the tables of ``docs/drop-in.md``.

``legm capture`` makes the same of it, which the comparison of scripts both ways holds. What is neither here
nor in ``legm.compat.unsupported_names`` is no public name. ``python -m tests.support.recorded_names`` writes
the tables into the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "drop-in.md"


@dataclass(frozen=True, slots=True)
class RecordedNames:
    """What becomes of some names.

    Args:
        library: wandb or mlflow.
        what: what they are for, or what a script does.
        becomes: what legm has of it.
        names: shell patterns of full names, without the library; none for what is no call.
    """

    library: str
    what: str
    becomes: str
    names: tuple[str, ...] = ()


RECORDED = (
    RecordedNames(
        "wandb",
        "project",
        "the experiment; `uncategorized` without one",
        ("Run.project", "Run.path", "Run.project_url", "Run.url"),
    ),
    RecordedNames(
        "wandb",
        "`job_type`",
        "the run's description: a training and an evaluation are not averaged together",
        ("Run.job_type",),
    ),
    RecordedNames(
        "wandb",
        "config",
        "parameters; nested names are joined with `.`",
        ("config", "Run.config", "Run.settings", "setup"),
    ),
    RecordedNames(
        "wandb",
        "id, name, group, tags, notes, entity",
        (
            "the run's environment, under `drop_in`; what is set after the run has begun, in the artifact"
            " `legm-compat.yml`"
        ),
        (
            "init",
            "Run",
            "Run.id",
            "Run.name",
            "Run.group",
            "Run.tags",
            "Run.notes",
            "Run.entity",
            "Run.start_time",
            "Run.offline",
            "Run.disabled",
            "Run.resumed",
            "Run.sweep_id",
            "Run.sweep_url",
            "Run.display",
            "Run.upsert_artifact",
            "__version__",
        ),
    ),
    RecordedNames(
        "wandb",
        "numbers in `log`",
        "dev metrics at wandb's steps; nested names are joined with `.`",
        ("log", "Run.log", "Run.step", "Run.starting_step"),
    ),
    RecordedNames(
        "wandb",
        "numbers that the script sets in `summary`",
        "test values",
        ("summary",),
    ),
    RecordedNames(
        "wandb",
        '`define_metric(…, step_metric="epoch")`',
        (
            "the steps of the metric are the values of that one: see [below](#steps-that-another-metric-"
            "counts)"
        ),
        ("define_metric", "Run.define_metric"),
    ),
    RecordedNames(
        "wandb",
        '`define_metric(…, summary="min"` or `"max")`',
        "the first one chooses the best step: `best_<metric>` is wandb's summary of it",
    ),
    RecordedNames(
        "wandb",
        "texts in `log`, alerts",
        "texts in TensorBoard",
        ("Run.alert",),
    ),
    RecordedNames(
        "wandb",
        "pictures, figures, sounds, videos, histograms, tables, pages",
        (
            "[media](media.md) at their steps, with their captions; a list of pictures is one record. "
            "Boxes and masks over a picture `<name>` are the text `<name>/boxes/<key>`, in JSON, and the "
            "picture `<name>/masks/<key>`; media in a column of a table are `<table>/<column>`, each with"
            " its row as caption. All are named as an [import](from-wandb.md) names them"
        ),
        ("Audio", "Histogram", "Html", "Image", "Object3D", "Plotly", "Table", "Video"),
    ),
    RecordedNames(
        "wandb",
        "charts, lists",
        "files of the run: `media/<name>_<step>.json`",
        ("plot_table",),
    ),
    RecordedNames(
        "wandb",
        "`wandb.sklearn`'s plots",
        (
            "the tables of W&B's charts, each at its row: files of the run. A confusion matrix has the "
            "classes in the right columns, which W&B's exchanges; names may be of another number than the "
            "classes or features, and curves have all of their points, of which W&B draws 10,000. What W&B "
            "draws nothing for makes no row here either, such as silhouettes with scikit-learn 1.9"
        ),
    ),
    RecordedNames(
        "wandb",
        "`sync_tensorboard=True`",
        "the scalars of PyTorch's and tensorboardX's writers, at the steps that they have there",
    ),
    RecordedNames(
        "wandb",
        "`wandb.integration`'s callbacks of CatBoost, Keras, LightGBM, Stable-Baselines3, XGBoost",
        "what W&B logs with them",
    ),
    RecordedNames(
        "wandb",
        "`sweep` of a dictionary and `agent` with a function",
        (
            "a run for each set of parameters, in this process: `grid`, `random`; `bayes` is drawn at "
            "random, which is said"
        ),
        ("sweep", "agent"),
    ),
    RecordedNames(
        "wandb",
        "`watch` of a PyTorch model",
        "histograms at the steps that W&B gives them: `gradients/<layer>` and `parameters/<layer>`",
        ("watch", "unwatch", "Run.watch", "Run.unwatch"),
    ),
    RecordedNames(
        "wandb",
        "artifacts, `save`, files in `wandb.run.dir`",
        (
            "files of the run; an artifact's are `<artifact>:<version>/<file>`. `link_artifact` gives an "
            "artifact another name for `use_artifact`, `restore` copies a file of a run back"
        ),
        (
            "save",
            "Run.save",
            "*log_artifact",
            "*use_artifact",
            "*log_model",
            "*use_model",
            "*link_model",
            "Run.link_artifact",
            "Run.finish_artifact",
            "Run.restore",
            "Run.dir",
            "Run.sync_dir",
            "Artifact.*",
        ),
    ),
    RecordedNames(
        "wandb",
        "`config-defaults.yaml`",
        "values of the config that the script does not give",
    ),
    RecordedNames(
        "wandb",
        "a run that ends by an exception, or with an exit code other than 0",
        "a failed run",
        ("finish", "join", "Run.finish", "Run.mark_preempting"),
    ),
    RecordedNames(
        "wandb",
        "`Api().run`, `runs`, `artifact`",
        "the runs and artifacts of the root directory, read back",
        ("Api", "Api.*"),
    ),
    RecordedNames(
        "mlflow",
        "experiment",
        (
            "the experiment; its tags, times and deletion are in the root directory's "
            "`.legm/mlflow.json`. One that is renamed gets its new name in legm when the script has ended"
        ),
        ("*experiment", "*experiments", "*experiment_by_name", "*experiment_tag", "set_experiment_tags"),
    ),
    RecordedNames(
        "mlflow",
        "params",
        (
            'parameters, as an import reads their texts: `"0.1"` is a number; `get_run()` returns '
            "MLflow's texts"
        ),
        ("*log_param", "log_params"),
    ),
    RecordedNames(
        "mlflow",
        "metrics",
        (
            "dev metrics; one that never gets a step, or always the same, at its positions, where MLflow "
            "has all of them at one step. Beside values with steps, one without is at 0, as in MLflow"
        ),
        (
            "*log_metric",
            "log_metrics",
            "MlflowClient.log_batch",
            "MlflowClient.get_metric_history",
            "flush_async_logging",
        ),
    ),
    RecordedNames(
        "mlflow",
        "a run of `MlflowClient` that the script does not end",
        "an interrupted run",
        ("MlflowClient", "MlflowClient.create_run", "MlflowClient.set_terminated", "MlflowClient.update_run"),
    ),
    RecordedNames(
        "mlflow",
        "tags, run name, parent run",
        "noted with the run, as above",
        ("*set_tag", "set_tags", "*delete_tag", "*get_parent_run"),
    ),
    RecordedNames(
        "mlflow",
        "artifacts, texts, dictionaries, figures, tables, pictures with a file name",
        (
            "files of the run; `get_artifact_uri()` is a path that `open()` takes. `log_table` appends to"
            " a table that is there"
        ),
        (
            "*log_artifact",
            "*log_artifacts",
            "*log_dict",
            "*log_figure",
            "*log_table",
            "*log_text",
            "*load_table",
            "get_artifact_uri",
            "MlflowClient.download_artifacts",
            "MlflowClient.list_artifacts",
            "flush_artifact_async_logging",
        ),
    ),
    RecordedNames(
        "mlflow",
        "`log_image` with a key",
        "a picture at its step",
        ("*log_image", "Image"),
    ),
    RecordedNames(
        "mlflow",
        "`log_model`",
        (
            "files in the library's own format: Keras's, LightGBM's and XGBoost's, PyTorch's weights, "
            "scikit-learn's by skops if it is installed; what no such format has, as a [signed "
            "pickle](#models-in-other-processes)"
        ),
    ),
    RecordedNames(
        "mlflow",
        "`mlflow.pyfunc`",
        (
            "what was logged of any of these predicts by `load_model(…).predict()`; a model of the "
            "script's own class or function, with its files and settings, is a [signed pickle](#models-"
            "in-other-processes)"
        ),
        ("pyfunc",),
    ),
    RecordedNames(
        "mlflow",
        "autologging",
        "see below",
        ("autolog",),
    ),
    RecordedNames(
        "mlflow",
        "`register_model` and the registry's calls",
        (
            "versions with stages, aliases, tags and descriptions in `.legm/mlflow.json`; "
            "`models:/<name>/<version>`, `/<stage>`, `/latest` and `<name>@<alias>` are understood"
        ),
        ("register_model", "*model_version*", "*registered_model*", "MlflowClient.get_latest_versions"),
    ),
    RecordedNames(
        "mlflow",
        "`mlflow.data`, `log_input`",
        ("name, digest, source, schema, profile, context and tags as MLflow has them, noted with the run"),
        ("log_input", "*log_inputs"),
    ),
    RecordedNames(
        "mlflow",
        "`mlflow.evaluate`, `mlflow.models.evaluate`",
        (
            "of classifiers and regressors the scores and files that MLflow logs, own metrics and "
            "artifacts; thresholds are checked by `validate_evaluation_results`"
        ),
        ("evaluate", "validate_evaluation_results"),
    ),
    RecordedNames(
        "mlflow",
        "names",
        "metrics, parameters, tags, experiments and models whose names MLflow refuses are refused",
        ("MlflowException",),
    ),
    RecordedNames(
        "mlflow",
        "`delete_run`",
        (
            "the run is marked as deleted, counts as interrupted, and is never averaged; `restore_run` "
            "gives back its status"
        ),
        ("*delete_run", "*restore_run"),
    ),
    RecordedNames(
        "mlflow",
        "a run by `start_run` and its end",
        "a run; searches read the root directory",
        (
            "start_run",
            "end_run",
            "active_run",
            "last_active_run",
            "ActiveRun",
            "get_run",
            "MlflowClient.get_run",
            "*search_runs",
        ),
    ),
    RecordedNames(
        "mlflow",
        "addresses of servers",
        "kept for the script: nothing is sent there",
        ("*_tracking_uri", "is_tracking_uri_set", "*_registry_uri", "MlflowClient.tracking_uri"),
    ),
)


def recorded_row_of(name: str) -> RecordedNames | None:
    """What becomes of a name; None for one that is not recorded.

    Args:
        name: the full name, such as ``wandb.Run.log``.
    """
    library, _, short = name.partition(".")
    for row in RECORDED:
        if row.library == library and any(fnmatchcase(short, pattern) for pattern in row.names):
            return row
    return None


def recorded_table_text(library: str) -> str:
    """The table of a library in docs/drop-in.md.

    Args:
        library: wandb or mlflow.
    """
    rows = [f"| {row.what} | {row.becomes} |\n" for row in RECORDED if row.library == library]
    return f"| {library} | legm |\n|---|---|\n" + "".join(rows)


def main() -> None:
    """Write the tables into the page."""
    page = PAGE.read_text(encoding="utf-8")
    for library in ("wandb", "mlflow"):
        head, begin, rest = page.partition(f"| {library} | legm |\n")
        assert begin
        page = head + recorded_table_text(library) + rest[rest.index("\n\n") + 1 :]
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
