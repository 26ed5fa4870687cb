"""The names of all that legm writes below a root directory, and of its file in the user's settings.

::

    <root>/<experiment>/<configuration>/    PARAMETERS_FILE, METRICS_FILE, STEPS_FILE, AGGREGATES_FILE
                                            RUNS/<run id>.log, RUNS/OPEN/<run id>.log, RUNS/LOCK_FILE
                                            RUNS/<run id>.marks.yml, RUNS/MARKS_LOCK
                                            ARTIFACTS/<run id>/, ARTIFACTS/<run id>/MEDIA/,
                                            PLOTS/, TENSORBOARD/
    <root>/<experiment>/OWN_FOLDER/         INDEX, INDEX_LOCK, MARKED, CATALOGUE, ABSENT_VALUES_FILE,
                                            MEDIA/
    <root>/OWN_FOLDER/                      IDENTITY_FILE, CAPTURES/, DROP_IN_FILES/, DROP_IN_LOCK,
                                            DROP_IN_STATE, DROP_IN_STATE_LOCK,
                                            JOINED_RUNS/<run>/,
                                            JOURNAL/<id>.jsonl, JOURNAL/<id>.backends, TRASH/<id>/,
                                            CHANGES_LOCK
    <root>/OWN_FOLDER/<experiment>/<configuration>/    RUNS/, ARTIFACTS/, where the backend has no folders
    <root>/OWN_FOLDER/<experiment>/         ABSENT_VALUES_FILE, where the backend has no folders

What a tracker's store calls its own files is in ``names.py`` of its backend.
"""

from __future__ import annotations

__all__ = [
    "ABSENT_VALUES_FILE",
    "ABSENT_VALUES_LOCK",
    "AGGREGATES_FILE",
    "ARTIFACTS",
    "BACKEND_TASKS_SUFFIX",
    "CAPTURES",
    "CATALOGUE",
    "CHANGES_LOCK",
    "CONSOLE_FILE",
    "CUSTOM_DATA_FILE",
    "DROP_IN_FILES",
    "DROP_IN_LOCK",
    "DROP_IN_NOTES_FILE",
    "DROP_IN_STATE",
    "DROP_IN_STATE_LOCK",
    "IDENTITY_FILE",
    "INDEX",
    "INDEX_LOCK",
    "JOINED_RUNS",
    "JOURNAL",
    "JOURNAL_SUFFIX",
    "LOCK_FILE",
    "LOG_SUFFIX",
    "MARKED",
    "MARKS_LOCK",
    "MARKS_SUFFIX",
    "MEDIA",
    "MERGED",
    "METRICS_FILE",
    "MODEL_KEY_FILE",
    "OPEN",
    "OWN_FOLDER",
    "PARAMETERS_FILE",
    "PLOTS",
    "RUNS",
    "SETTINGS_FOLDER",
    "STEPS_FILE",
    "TENSORBOARD",
    "TRASH",
    "TRASHED_FILES",
    "TRUSTED_TARGETS_FILE",
    "UI_TOKEN_FILE",
    "log_file_name",
]

# In a configuration's folder

PARAMETERS_FILE = "params.yml"
"""The file that makes a folder the folder of a configuration."""
METRICS_FILE = "metrics.yml"
STEPS_FILE = "steps.yml"
AGGREGATES_FILE = "aggregated_metrics.yml"
PLOTS = "plots"
TENSORBOARD = "tensorboard"
ARTIFACTS = "artifacts"
"""The artifacts of the runs, in a folder for each run."""
MEDIA = "legm-media"
"""In the folder of a run's artifacts, its media; in ``.legm`` in an experiment's folder, links to them,
so that equal ones are stored once."""
CUSTOM_DATA_FILE = "custom_data.yml"
"""The file of ``set_custom_data()`` where the user names no other."""
CONSOLE_FILE = "legm-console.txt"
"""Among the artifacts of a run, what its process and the children of that printed."""
DROP_IN_NOTES_FILE = "legm-compat.yml"
"""An artifact of a run of the drop-in, with the notes that were set after the run had begun."""
RUNS = "runs"
"""The run logs of a configuration."""
OPEN = "open"
"""The subfolder of the pending logs."""
LOG_SUFFIX = ".log"
MARKS_SUFFIX = ".marks.yml"
"""Of the files beside the run logs with what users note about runs."""
MARKS_LOCK = ".marks.lock"
LOCK_FILE = ".lock"
"""Locked for decisions about all runs of a configuration."""

# In an experiment's folder and in a root directory

OWN_FOLDER = ".legm"
"""In an experiment's folder, files that only legm reads; in a root directory, the folders of configurations
whose backend has no folders."""
INDEX = "index"
"""In ``.legm`` in an experiment's folder, which configuration is where."""
INDEX_LOCK = "lock"
MARKED = "marked"
"""In ``.legm`` in an experiment's folder, an empty file once something was noted about one of its runs."""
CATALOGUE = "catalogue"
"""In ``.legm`` in an experiment's folder, what each configuration holds."""
ABSENT_VALUES_FILE = "absent_values.yml"
"""In legm's own folder of an experiment, which values runs from before a parameter existed had."""
ABSENT_VALUES_LOCK = "absent_values.lock"
IDENTITY_FILE = "imported.yml"
"""In ``.legm`` in a root directory, which parameters identify the configurations of imported experiments."""
CAPTURES = "capture"
"""In ``.legm`` in a root directory, the private stores of scripts under ``legm capture``."""
DROP_IN_FILES = "files"
"""In ``.legm`` in a root directory, the folders of the drop-in's ``wandb.run.dir``."""
DROP_IN_LOCK = "export.lock"
DROP_IN_STATE = "mlflow.json"
"""In ``.legm`` in a root directory, the experiments and registered models of scripts that call mlflow."""
DROP_IN_STATE_LOCK = "mlflow.lock"
JOINED_RUNS = "joined"
"""In ``.legm`` in a root directory, what processes of the drop-in log to runs that other processes own."""

JOURNAL = "journal"
"""In ``.legm`` in a root directory, what a command is changing; it is empty unless one is at work or died."""
JOURNAL_SUFFIX = ".jsonl"
BACKEND_TASKS_SUFFIX = ".backends"
"""Beside the journals, what backends have still to do with the runs that a command changed or deleted."""
MERGED = "merge"
"""In ``.legm`` in a root directory, copies of what is being merged into it."""
TRASH = "trash"
"""In ``.legm`` in a root directory, what commands changed or deleted: a folder for each of them."""
TRASHED_FILES = "files"
"""In a folder of the trash, what was below the root directory, by the same paths."""
CHANGES_LOCK = "changes.lock"
"""In ``.legm`` in a root directory, locked by the command that changes what is stored."""

# In the folder of the user's settings

SETTINGS_FOLDER = "legm"
TRUSTED_TARGETS_FILE = "trusted-targets"
MODEL_KEY_FILE = "model-key"
UI_TOKEN_FILE = "ui-token"  # noqa: S105 - a name


def log_file_name(run_id: str) -> str:
    """The name of a run's log."""
    return f"{run_id}{LOG_SUFFIX}"
