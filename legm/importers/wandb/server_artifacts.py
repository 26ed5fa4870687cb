"""The artifacts of runs on a W&B server: their files, and the media in tables, which are in artifacts too.

A row of the history that has a table names the artifact with its media by the id that the client gave it
before the server had one. The server knows which of its artifacts that is. Where it does not answer, the
artifact that has the table's name is taken, if it has only one version.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from legm.errors import LegmError
from legm.importers.external_run import ExternalFile, ExternalMedium
from legm.importers.import_notes import ImportNotes
from legm.importers.wandb.media_values import MOST_TABLE_BYTES, wandb_media_in_table

__all__ = [
    "ServerArtifactTables",
    "is_safe_artifact_name",
    "open_wandb_artifact_download",
    "wandb_artifact_files",
    "wandb_artifact_origin",
    "wandb_server_problem_text",
]

_TABLE_TYPE = "run_table"
_SERVER_ID = "query ClientIDMapping($clientID: ID!) { clientIDMapping(clientID: $clientID) { serverID } }"


class ServerArtifactTables:
    """The media in the cells of the tables of a run.

    Args:
        api: of the SDK.
        artifacts: all that the run logged.
        notes: what is left out is added to these.
    """

    def __init__(self, api: Any, artifacts: Sequence[Any], notes: ImportNotes) -> None:
        self._api = api
        self._tables = [one for one in artifacts if str(one.type) == _TABLE_TYPE]
        self._notes = notes

    def media(self, table: ExternalMedium, client_id: str, run_id: str) -> Iterator[ExternalFile]:
        """The files of the media in a table.

        Args:
            table: the table.
            client_id: the id by which the history names its artifact.
            run_id: the run's.
        """
        artifact = self._artifact(client_id, f"run-{run_id}-{table.name}")
        if artifact is None:
            item = f"{run_id}: {table.name} at step {table.step}"
            self._notes.add("media of tables whose artifact the server does not name", item)
            return
        label = str(artifact.name)
        entries = _server_artifact_entries(artifact, self._notes)
        for name in [name for name in entries if name.endswith(".table.json")]:
            try:
                found = list(
                    wandb_media_in_table(_artifact_table_content(artifact, name, entries[name]), table)
                )
            except (LegmError, OSError, ValueError, RecursionError) as error:
                self._notes.add(f"tables whose media cannot be read: {error}", f"{label}/{name}")
                continue
            for inner, medium in found:
                file = _artifact_file(artifact, inner, entries.get(inner), medium)
                if file is None:
                    self._notes.add(
                        "media of tables that are not in the table's artifact", f"{label}/{inner}"
                    )
                else:
                    yield file

    def _artifact(self, client_id: str, label: str) -> Any:
        """The artifact of a table; None where it is not known."""
        server_id = self._server_id(client_id) if self._tables else None
        for one in self._tables:
            if server_id is not None and one.id == server_id:
                return one
        named = [one for one in self._tables if str(one.name).rpartition(":")[0] == label]
        return named[0] if len(named) == 1 else None

    def _server_id(self, client_id: str) -> str | None:
        """The server's id of an artifact; None where it, or this version of the SDK, does not say it."""
        try:
            answer = self._api._service_api.execute_graphql(_SERVER_ID, {"clientID": client_id})  # noqa: SLF001
            return str(answer["clientIDMapping"]["serverID"])
        except Exception:  # noqa: BLE001 - the SDK has many kinds, and no public way to ask this
            return None


def _artifact_table_content(artifact: Any, name: str, entry: Any) -> bytes:
    """The content of a table in an artifact.

    Raises:
        ValueError: it is too large, or elsewhere.
        OSError: it cannot be fetched.
    """
    file = _artifact_file(artifact, name, entry)
    if file is None:
        raise ValueError("it is not in the artifact")
    with file.open() as opened:
        content = opened.read(MOST_TABLE_BYTES + 1)
    if len(content) > MOST_TABLE_BYTES:
        raise ValueError(f"it has more than {MOST_TABLE_BYTES >> 20} MiB")
    return content


def _artifact_file(
    artifact: Any, name: str, entry: Any, medium: ExternalMedium | None = None
) -> ExternalFile | None:
    """A file in an artifact; None where it is elsewhere or its name is not one of a file in a folder."""
    if entry is None or entry.ref is not None or not is_safe_artifact_name(name):
        return None
    download = partial(artifact.get_entry(name).download, skip_cache=True)
    return ExternalFile(name, partial(open_wandb_artifact_download, name, download), medium)


def _server_artifact_entries(artifact: Any, notes: ImportNotes) -> Mapping[str, Any]:
    """The files of an artifact; none where it cannot be read, which is noted."""
    try:
        return dict(artifact.manifest.entries)
    except Exception as cause:  # noqa: BLE001 - the SDK has many kinds: an artifact costs itself alone
        notes.add(f"artifacts that cannot be read: {wandb_server_problem_text(cause)}", str(artifact.name))
        return {}


def wandb_artifact_files(artifacts: Iterable[Any], key: str, notes: ImportNotes) -> Iterator[ExternalFile]:
    """The files of artifacts, each below the artifact's name.

    Args:
        artifacts: of the SDK.
        key: the run's, for the notes.
        notes: what is left out is added to these.
    """
    for artifact in artifacts:
        for name, entry in _server_artifact_entries(artifact, notes).items():
            file = _artifact_file(artifact, name, entry)
            if file is not None:
                yield ExternalFile(f"{artifact.name}/{name}", file.open)
            elif entry.ref is not None:
                notes.add("references to external files in artifacts are not imported", key)
            else:
                notes.add("files whose names lead out of the run's folder were left out", f"{key}: {name}")


def wandb_artifact_origin(artifact: Any) -> dict[str, Any]:
    """What is noted about an artifact with its run, as of one in a local folder."""
    described = {"description": artifact.description, "metadata": dict(artifact.metadata or {})}
    return {
        "name": str(artifact.name),
        "type": str(artifact.type),
        "aliases": [str(one) for one in artifact.aliases],
        **{name: value for name, value in described.items() if value},
    }


@contextlib.contextmanager
def open_wandb_artifact_download(name: str, download: Any) -> Iterator[BinaryIO]:
    """A file from W&B, in a temporary folder while it is open; any OSError if it cannot be fetched."""
    with tempfile.TemporaryDirectory(prefix="legm-import-") as location:
        try:
            made = download(root=location)
            if hasattr(made, "close"):
                made.close()
        except OSError:
            raise
        except Exception as cause:  # the SDK raises many kinds, some of other libraries
            raise OSError(wandb_server_problem_text(cause)) from cause
        with (Path(location) / name).open("rb") as file:
            yield file


def wandb_server_problem_text(cause: Exception) -> str:
    """What an error of the SDK says, in one line."""
    return " ".join(str(cause).split())[:300] or type(cause).__name__


def is_safe_artifact_name(name: str) -> bool:
    """Whether a file's name stays below the folder it is put into, on every system."""
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts and not {"\\", ":"} & {*name}
