"""The names under which legm stores its data in MLflow: of tags, metrics and artifacts.

The backend writes under these names and the importer looks for them; neither spells one itself. The files
that hold a run exactly are those of :mod:`legm.backends.portable`. Importing this module does not import
MLflow.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from legm.backends.portable import DISPLAYS
from legm.backends.portable_media import name_of_portable_media
from legm.core.naming import escape_name, safe_name, short_name, shorten_name
from legm.core.run_marks import mark_tag_from_text, marks_from_json, marks_from_texts, marks_json
from legm.core.system_names import is_system_name
from legm.media.content_files import content_extension
from legm.records import Media, MediaFile, RunMarks, Series, Split

__all__ = [
    "ABSENT_VALUES_TAG",
    "AGGREGATE_METRICS",
    "ARTIFACTS_FOLDER",
    "BEST_METRICS",
    "BEST_STEP_METRIC",
    "COMPARISON_KIND",
    "COMPUTED_KINDS",
    "CONFIGURATION_KIND",
    "DESCRIPTION_DIGEST_TAG",
    "DESCRIPTION_TAG",
    "DISPLAY_METRICS",
    "ERROR_TAG",
    "EXPERIMENT_TAG",
    "FINGERPRINT_TAG",
    "GIT_BRANCH_TAG",
    "GIT_COMMIT_TAG",
    "GIT_REMOTE_TAG",
    "KIND_TAG",
    "LOGGED_FILES_TAG",
    "LOGGED_IMAGES_TAG",
    "MEDIA_TAG",
    "NOTE_TAG",
    "POSITION_TAG",
    "REWINDABLE_METRICS",
    "REWOUND_TAG",
    "RUN_ID_TAG",
    "RUN_KIND",
    "SENT_MARKS_TAG",
    "SOURCE_NAME_TAG",
    "SOURCE_TYPE_TAG",
    "SQLITE_FILE",
    "STATUS_TAG",
    "STRETCHES_TAG",
    "TABLES_FOLDER",
    "changed_mlflow_tags",
    "marks_from_mlflow_tags",
    "mlflow_aggregates_file_name",
    "mlflow_curve_file_name",
    "mlflow_description_digest",
    "mlflow_display_key",
    "mlflow_drawing_file_name",
    "mlflow_experiment_name",
    "mlflow_figure_file_name",
    "mlflow_image_file_name",
    "mlflow_indexed_file_name",
    "mlflow_medium_file_name",
    "mlflow_metric_key",
    "mlflow_sqlite_uri",
    "mlflow_table_file_name",
    "sent_marks_from_mlflow_tags",
    "sent_marks_without_mlflow_tags",
]

SQLITE_FILE = "mlflow.db"
"""The SQLite file in a folder with an MLflow store."""
ARTIFACTS_FOLDER = "mlartifacts"
"""The folder beside it with the artifacts."""

EXPERIMENT_TAG = "legm.experiment"
"""The tag of an MLflow experiment with the name of the legm experiment."""

KIND_TAG = "legm.kind"
"""The tag that says what an MLflow run holds: one of the three kinds."""
RUN_KIND = "run"
CONFIGURATION_KIND = "configuration"
COMPARISON_KIND = "comparison"
COMPUTED_KINDS = frozenset({CONFIGURATION_KIND, COMPARISON_KIND})
"""The kinds of MLflow runs that are not legm runs."""

RUN_ID_TAG = "legm.run_id"
FINGERPRINT_TAG = "legm.fingerprint"
ABSENT_VALUES_TAG = "legm.absent_values"
"""The tag that lists the params which equal their absent value, and so do not count."""
DESCRIPTION_TAG = "legm.description"
DESCRIPTION_DIGEST_TAG = "legm.description_digest"
"""The tag to filter by in place of the description, which may contain what a filter cannot."""
POSITION_TAG = "legm.position"
"""The tag with the position in the run log up to which MLflow has the records."""
STATUS_TAG = "legm.status"
"""The tag with the final status; a run without it is running, and a resumed one is "running" again."""
ERROR_TAG = "legm.error"
STRETCHES_TAG = "legm.stretches"
"""The tag of a resumed run that says on which host, and since when, each of its stretches ran."""
REWOUND_TAG = "legm.rewound"
"""The tag of a run that was rewound on a server, which keeps the points: which of them are void."""

MEDIA_TAG = "legm.media"
"""The tag of a run with media: how many entries their index has (:mod:`legm.backends.portable_media`)."""
LOGGED_IMAGES_TAG = "mlflow.loggedImages"
LOGGED_FILES_TAG = "mlflow.loggedArtifacts"
"""MLflow's own tags of a run for which its page shows pictures and tables."""

SOURCE_NAME_TAG = "mlflow.source.name"
SOURCE_TYPE_TAG = "mlflow.source.type"
GIT_COMMIT_TAG = "mlflow.source.git.commit"
NOTE_TAG = "mlflow.note.content"
"""MLflow's own, for what its page shows as the description."""
SENT_MARKS_TAG = "legm.marks"
"""The tag with the marks that legm last wrote, so that what a user deletes in MLflow stays deleted."""
GIT_BRANCH_TAG = "mlflow.source.git.branch"
GIT_REMOTE_TAG = "mlflow.source.git.repoURL"
"""MLflow's own tags for where a run comes from."""

BEST_METRICS = "best"
"""The first part of the key of a metric's value at the best step."""
DISPLAY_METRICS = DISPLAYS
"""The first part of the key of a number that is only shown."""
REWINDABLE_METRICS = (f"{Split.DEV.value}/", f"{DISPLAY_METRICS}/")
"""The beginnings of the keys of metrics that a rewind takes back."""
AGGREGATE_METRICS = "aggregate"
"""The first part of the key of an aggregate over the runs of a configuration."""
BEST_STEP_METRIC = "best_step"

TABLES_FOLDER = "tables"
"""The folder of the tables that MLflow's page shows."""

_LONGEST_KEY = 240  # characters
_LONGEST_EXPERIMENT = 400
_LONGEST_MEDIA_NAME = 100


def mlflow_experiment_name(experiment: str) -> str:
    """The name of the MLflow experiment of a legm experiment."""
    return shorten_name(experiment, _mlflow_name_digest(experiment), _LONGEST_EXPERIMENT)


def mlflow_description_digest(description: str) -> str:
    """The value of :data:`DESCRIPTION_DIGEST_TAG`."""
    return _mlflow_name_digest(description)[:32]


def mlflow_display_key(name: str) -> str:
    """The key of a number that is only shown; a system metric has the key that MLflow itself gives it."""
    return mlflow_metric_key(name) if is_system_name(name) else mlflow_metric_key(DISPLAY_METRICS, name)


def mlflow_metric_key(*parts: str) -> str:
    """The key of a metric or param; MLflow allows letters, digits, spaces and ``_ - . /``.

    A ``/`` stays where it separates groups; every other character is written as ``_x<hex>_``.
    """
    key = "/".join(_mlflow_name_segment(segment) for part in parts for segment in part.split("/"))
    return shorten_name(
        key, _mlflow_name_digest("/".join(parts)), _LONGEST_KEY, mark="_"
    )  # a server refuses "~"


def _mlflow_name_segment(text: str, *, is_ascii: bool = False) -> str:
    if not text.strip(". "):
        return "".join(f"_x{ord(c):x}_" for c in text) or "_x2f_"  # an empty segment is between two "/"
    return escape_name(text, lambda c: (c.isalnum() and (c.isascii() or not is_ascii)) or c in "_-. ")


def _mlflow_name_digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def mlflow_indexed_file_name(series: Series) -> str:
    """The artifact with the values of an indexed metric at the best step, or of the test data."""
    split = "test" if series.split is Split.TEST else BEST_METRICS
    return f"indexed/{safe_name(f'{split}_{series.name}')}.csv"


def mlflow_image_file_name(medium: Media, number: int, ending: str) -> str:
    """The artifact with a picture, named as MLflow names the pictures of its ``log_image``.

    The last part, which MLflow draws at random, comes from the content, so that a picture that is delivered
    twice is stored once.

    Args:
        medium: the medium.
        number: of the picture in it.
        ending: ``.png``, or ``+compressed.webp`` for the small copy.
    """
    file = medium.files[number]
    key = _mlflow_media_name(medium.name if len(medium.files) == 1 else f"{medium.name}/{number}")
    unique = uuid.UUID(name_of_portable_media(file)[:32])
    return f"images/{key}+step+{medium.step}+timestamp+{int(medium.time * 1000)}+{unique}{ending}"


def mlflow_drawing_file_name(medium: Media, file: MediaFile, extension: str) -> str:
    """The artifact with a drawn figure."""
    return f"figures/{_mlflow_media_name(medium.name)}/{_mlflow_media_file_name(medium, file)}{extension}"


def mlflow_table_file_name(medium: Media) -> str:
    """The artifact with a table as MLflow's page shows it; runs with the same one are compared there."""
    return f"{TABLES_FOLDER}/{_mlflow_media_name(medium.name)}/{medium.step}.json"


def mlflow_medium_file_name(medium: Media, file: MediaFile) -> str:
    """The artifact with a medium of another kind."""
    name = f"{_mlflow_media_file_name(medium, file)}{content_extension(file.path)}"
    return f"media/{_mlflow_media_name(medium.name)}/{name}"


def _mlflow_media_file_name(medium: Media, file: MediaFile) -> str:
    return f"{medium.step}-{name_of_portable_media(file)[:12]}"


def _mlflow_media_name(name: str) -> str:
    """The name of a medium as MLflow allows it for a picture's key, with its ``~`` for ``/``."""
    segments = [_mlflow_name_segment(one, is_ascii=True) for one in name.split("/")]
    return shorten_name("~".join(segments), _mlflow_name_digest(name), _LONGEST_MEDIA_NAME, mark="_")


def mlflow_aggregates_file_name(description: str) -> str:
    """The artifact with the aggregates of a configuration's runs that have this description."""
    return f"{_mlflow_name_prefix(description)}aggregated_metrics.json"


def mlflow_curve_file_name(description: str, metric: str) -> str:
    """The artifact with the aggregated curve of a metric."""
    return f"{_mlflow_name_prefix(description)}curves/{short_name(metric)}.csv"


def mlflow_figure_file_name(description: str, name: str, extension: str) -> str:
    """The artifact with a figure."""
    return f"{_mlflow_name_prefix(description)}plots/{short_name(name)}.{extension}"


def _mlflow_name_prefix(description: str) -> str:
    return f"{short_name(description)}-" if description else ""


def mlflow_sqlite_uri(path: Path) -> str:
    """The address of a SQLite file; MLflow decodes it as a URL."""
    return "sqlite:///" + quote(str(path.absolute()), safe="/:\\")


_MARKED = "true"  # the value of a tag that is only there or not
_NOT_OF_USERS = ("mlflow.", "legm.")


def marks_from_mlflow_tags(tags: Mapping[str, str]) -> RunMarks:
    """What a user noted about a run in MLflow: tags of one's own, ``key:value`` where one has a value."""
    note = tags.get(NOTE_TAG, "")
    return marks_from_texts(_mlflow_tag_names(tags), "" if note == tags.get(DESCRIPTION_TAG) else note)


def _mlflow_tag_names(tags: Mapping[str, str]) -> dict[str, str]:
    """By legm's tag, the key of the tag in MLflow that is read as it."""
    own = {key: value for key, value in tags.items() if not key.startswith(_NOT_OF_USERS)}
    texts = {key: key if value in {"", _MARKED} else f"{key}:{value}" for key, value in own.items()}
    return {tag: key for key, text in texts.items() if (tag := mark_tag_from_text(text)) is not None}


def sent_marks_from_mlflow_tags(tags: Mapping[str, str]) -> RunMarks | None:
    """What legm last wrote of marks, before a user changed them in MLflow; None where it wrote none."""
    return marks_from_json(tags.get(SENT_MARKS_TAG))


def sent_marks_without_mlflow_tags(tags: Mapping[str, str]) -> RunMarks:
    """What legm last wrote of marks, but only those tags that a user deleted in MLflow since."""
    sent = sent_marks_from_mlflow_tags(tags) or RunMarks()
    return RunMarks(tuple(sorted(set(sent.tags) - _mlflow_tag_names(tags).keys())), sent.note)


def changed_mlflow_tags(tags: Mapping[str, str], before: RunMarks, marks: RunMarks) -> dict[str, str | None]:
    """The tags of a run in MLflow that have to change for what a user noted about it; None deletes one.

    A tag of which the name is MLflow's or legm's own is not written.

    Args:
        tags: those that the run has in MLflow.
        before: what was noted there before; what did not change since is left as it is.
        marks: what is noted now.
    """
    keys = _mlflow_tag_names(tags)
    written = tuple(one for one in marks.tags if not one.startswith(_NOT_OF_USERS))
    changed: dict[str, str | None] = {SENT_MARKS_TAG: marks_json(RunMarks(written, marks.note))}
    changed |= {keys[one]: None for one in before.tags if one not in marks.tags and one in keys}
    changed |= {one: _MARKED for one in written if one not in before.tags and one not in keys}
    if marks.note != before.note and (marks.note or NOTE_TAG in tags):
        changed[NOTE_TAG] = marks.note or None
    return changed
