"""``wandb.Artifact``: files under one name, stored with the run that logs them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

from legm.compat.null_objects import NullObject
from legm.compat.script_session import SESSION
from legm.compat.wandb.errors import CommError
from legm.compat.wandb.media import Media, Table

__all__ = ["Artifact", "find_artifact"]


class Artifact:
    """Files under one name.

    Args:
        name: the artifact's name.
        type: the kind of artifact: "model", "dataset", …
        description: a short description.
        metadata: further metadata.
    """

    def __init__(
        self,
        name: str,
        type: str,  # noqa: A002 - wandb's name
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        self.name = name
        self.type = type
        self.description = description
        self.metadata = dict(metadata or {})
        self.version = "v0"
        self.aliases: list[str] = []
        self.tags: list[str] = []
        self.is_logged = False
        """Whether a run logged it."""
        self.files_by_name: dict[str, Path] = {}
        self._temporary: list[tempfile.TemporaryDirectory[str]] = []

    def add_file(self, local_path: Any, name: str | None = None, **_: Any) -> Path:
        """Add a file.

        Raises:
            ValueError: the path is not a file.
        """
        path = Path(local_path)
        if not path.is_file():
            raise ValueError(f"{str(local_path)!r} is not a file")
        self.files_by_name[name or path.name] = path
        return path

    def add_dir(self, local_path: Any, name: str | None = None, **_: Any) -> None:
        """Add every file of a folder.

        Raises:
            ValueError: the path is not a folder.
        """
        folder = Path(local_path)
        if not folder.is_dir():
            raise ValueError(f"{str(local_path)!r} is not a folder")
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                inner = path.relative_to(folder).as_posix()
                self.files_by_name[f"{name}/{inner}" if name else inner] = path

    def add_reference(self, uri: Any, name: str | None = None, **_: Any) -> None:
        """Note an address; if it is a local file, the file itself is added."""
        path = Path(str(uri).removeprefix("file://"))
        if str(uri).startswith("file://") and path.is_file():
            self.add_file(path, name)
        else:
            self.metadata.setdefault("references", []).append(str(uri))

    def add(self, obj: Media, name: str, **_: Any) -> None:
        """Add a table, image or other media object."""
        with self.new_file(name if "." in Path(name).name else f"{name}.{obj.extension}", "wb") as file:
            file.write(obj.content())

    @contextlib.contextmanager
    def new_file(self, name: str, mode: str = "w", encoding: str | None = None) -> Iterator[IO[Any]]:
        """Write a file of the artifact."""
        self._temporary.append(tempfile.TemporaryDirectory())
        path = Path(self._temporary[-1].name, Path(name).name)
        with path.open(mode, encoding=encoding) as file:
            yield file
        self.files_by_name[name] = path

    def get(self, name: str) -> Table | None:
        """A table that was added; None if there is none of this name."""
        path = self.files_by_name.get(name) or self.files_by_name.get(f"{name}.json")
        if path is None:
            return None
        fields = json.loads(path.read_text(encoding="utf-8"))
        return Table(fields["columns"], fields["data"])

    @property
    def label(self) -> str:
        """The name with the version."""
        return f"{self.name}:{self.version}"

    @property
    def manifest(self) -> SimpleNamespace:
        """The files by name, as ``entries``."""
        return SimpleNamespace(entries=dict(self.files_by_name))

    @property
    def size(self) -> int:
        """The size of all files in bytes."""
        return sum(path.stat().st_size for path in self.files_by_name.values())

    @property
    def digest(self) -> str:
        """A digest of the names and contents of all files."""
        found = hashlib.sha256()
        for name in sorted(self.files_by_name):
            found.update(
                name.encode() + b"\0" + hashlib.sha256(self.files_by_name[name].read_bytes()).digest()
            )
        return found.hexdigest()[:32]

    def files(self) -> list[Path]:
        """The paths of the files."""
        return list(self.files_by_name.values())

    def get_entry(self, name: str) -> Path:
        """The path of a file.

        Raises:
            KeyError: there is no file of this name.
        """
        return self.files_by_name[name]

    get_path = get_entry

    def finalize(self) -> None:
        """Nothing: an artifact may get files until a run logs it."""

    @property
    def is_draft(self) -> bool:
        """Whether no run has logged it yet."""
        return not self.is_logged

    @property
    def file_count(self) -> int:
        """How many files it has."""
        return len(self.files_by_name)

    def file(self, root: str | None = None) -> str:
        """The path of the only file."""
        if len(self.files_by_name) != 1:
            raise ValueError(f"the artifact {self.name!r} has {len(self.files_by_name)} files, not one")
        return str(Path(self.download(root)) / next(iter(self.files_by_name)))

    def download(self, root: str | None = None, **_: Any) -> str:
        """Copy the files into a folder; the default is ``artifacts/<name>:<version>``."""
        folder = Path(root) if root else Path("artifacts") / f"{self.name.partition(':')[0]}:{self.version}"
        for name, path in self.files_by_name.items():
            target = folder.joinpath(*(part for part in Path(name).parts if part not in ("..", "/")))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        return str(folder)

    def wait(self, timeout: float | None = None) -> Artifact:
        """Return at once: the artifact is complete."""
        return self

    def save(self) -> None:
        """Do nothing: the artifact is stored when a run logs it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return NullObject(f"wandb.Artifact.{name}", SESSION.notices)


def find_artifact(name: str, type: str | None = None) -> Artifact:  # noqa: A002 - wandb's name
    """The artifact that a run in the root directory logged.

    Args:
        name: the artifact's name, with ``:v<n>``, ``:latest`` or an alias for a version; the newest without.
        type: the kind of artifact; by default the stored one.

    Raises:
        CommError: there is none.
    """
    plain, _, version = name.rpartition("/")[2].partition(":")
    found = []
    known = SESSION.snapshots()
    for target, label, *aliases in (link for one in known for link in one.notes.get("links") or ()):
        if target.rpartition("/")[2] == plain and (version in {"", "latest"} or version in aliases):
            linked = str(label)  # the newest link counts
            plain, version = linked.partition(":")[0], linked.partition(":")[2]
    for one in known:
        listed = one.notes.get("artifacts") or {}
        for label, fields in listed.items():
            if label.partition(":")[0] == plain:
                found.append((label, fields, one))
    if version.startswith("v") and version[1:].isdigit():
        found = [one for one in found if one[0].partition(":")[2] == version]
    elif version not in {"", "latest"}:
        found = [one for one in found if version in (one[1].get("aliases") or ())]
    if not found:
        raise CommError(f"no run of {SESSION.settings.root} has logged an artifact {name!r}")
    label, fields, run = found[-1]
    artifact = Artifact(
        plain, type or fields.get("type") or "", fields.get("description"), fields.get("metadata")
    )
    artifact.version = label.partition(":")[2]
    artifact.is_logged = True
    artifact.aliases = list(fields.get("aliases") or ())
    prefix = f"{label}/"
    artifact.files_by_name = {
        name.removeprefix(prefix): path for name, path in run.files.items() if name.startswith(prefix)
    }
    return artifact
