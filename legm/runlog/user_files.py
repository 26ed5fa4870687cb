"""The user's files in a configuration's folder: their paths, and data saved in them."""

from __future__ import annotations

import io
import itertools
import json
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from legm.core.naming import short_name
from legm.core.plain_form import to_plain
from legm.errors import InvalidName, LegmError, StorageError, UnstableValue, storage_error
from legm.runlog.configuration_folders import artifacts_folder, refuse_folder_links
from legm.runlog.file_names import (
    AGGREGATES_FILE,
    ARTIFACTS,
    METRICS_FILE,
    PARAMETERS_FILE,
    PLOTS,
    RUNS,
    STEPS_FILE,
    TENSORBOARD,
)
from legm.util.atomic_files import atomic_replacement

__all__ = ["UserFiles"]

_RESERVED_NAMES = frozenset(
    (PARAMETERS_FILE, METRICS_FILE, STEPS_FILE, AGGREGATES_FILE, PLOTS, TENSORBOARD, RUNS, ARTIFACTS)
)
_EXTENSIONS = (".yml", ".json", ".txt", ".npz")


class UserFiles:
    """The user's files of one run.

    Args:
        folder: the configuration's folder.
        description: the prefix of every name; "" for none.
        run_id: the run that artifacts belong to.
    """

    def __init__(self, folder: Path, description: str, run_id: str) -> None:
        self.set_folder(folder, run_id)
        self._description = description
        self._data: dict[str, Any] = {}
        self._data_files: dict[str, Path] = {}

    def set_folder(self, folder: Path, run_id: str) -> None:
        """Use another folder, where a user moved it."""
        self.folder = folder
        self._artifacts = artifacts_folder(folder, run_id)

    def path(self, basename: str) -> Path:
        """The path of a file in the folder, for any name; where this run set data, of that data.

        Different pairs of a description and a name have different paths.

        Args:
            basename: the file's name.

        Raises:
            InvalidName: the name is empty or reserved.
        """
        if not isinstance(basename, str) or not basename:
            raise InvalidName(f"a file name must be a non-empty string, not {basename!r}")
        name = short_name(basename)
        if name.lower() in _RESERVED_NAMES:
            raise InvalidName(
                f"{basename!r} is reserved for legm: choose another name, such as {'my-' + basename!r}"
            )
        if basename in self._data_files:
            return self._data_files[basename]
        if self._description:  # the last dash ends the description
            name = f"{short_name(self._description)}-{short_name(basename, without='-')}"
        path = self.folder / name
        if path.name.endswith(f"-{PLOTS}") and path.is_dir():
            raise InvalidName(f"{path} is where legm keeps plots: choose another name than {basename!r}")
        return path

    def keep(self, source: Path, name: str | None) -> Path:
        """Copy a file into the run's artifacts.

        Args:
            source: the file.
            name: its name in the run; None for its own name.

        Returns:
            the copy.

        Raises:
            InvalidName: the name is not a string.
            StorageError: the source is not a file, or cannot be copied.
        """
        if name is not None and not isinstance(name, str):
            raise InvalidName(f"an artifact's name must be a string, not {name!r}")
        if not source.is_file():
            problem = (
                "is a folder" if source.is_dir() else "is not a file" if source.exists() else "does not exist"
            )
            raise StorageError(f"cannot keep {source}: it {problem}")
        refuse_folder_links(self._artifacts.parent, self._artifacts)
        target = self._artifacts / short_name(name or source.name)
        with atomic_replacement(target) as temporary:
            self._artifacts.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, temporary)
        return target

    def set_data(self, data: Any, basename: str) -> Path:
        """Save data as a file; data set earlier in this run is updated, extended or appended to.

        The file of another run is left as it is: this run's then has a number in its name.

        Args:
            data: a mapping, list, string or number; for .npz a mapping of arrays by name.
            basename: the file's name, whose extension chooses the format.

        Returns:
            the file.

        Raises:
            InvalidName: the extension is not .yml, .json, .txt or .npz, or the name is invalid.
            LegmError: the data does not fit the extension or the earlier data.
            StorageError: the file cannot be written.
        """
        name = basename if isinstance(basename, str) else ""
        extension = next((e for e in _EXTENSIONS if name.endswith(e) and name != e), None)
        if extension is None:
            raise InvalidName(
                f"{basename!r} must end in one of {', '.join(_EXTENSIONS)}, which chooses the format"
            )
        self.path(basename)  # which may be refused
        data = _copy_user_data(data, extension, basename)
        merged = _merge_user_data(self._data[basename], data, basename) if basename in self._data else data
        content = _encode_user_data(merged, extension, basename)
        is_new = basename not in self._data_files
        path = self._new_file(basename, extension) if is_new else self._data_files[basename]
        try:
            with atomic_replacement(path) as temporary:
                temporary.write_bytes(content)
        except BaseException:
            if is_new:
                path.unlink(missing_ok=True)
            raise
        self._data[basename], self._data_files[basename] = merged, path
        return path

    def _new_file(self, basename: str, extension: str) -> Path:
        """Create an empty file that no other run has: the name's own, or else a numbered one."""
        stem = basename.removesuffix(extension)
        for number in itertools.count():
            path = self.path(f"{stem}_{number}{extension}" if number else basename)
            try:
                path.touch(exist_ok=False)
            except FileExistsError:
                continue
            except OSError as cause:
                raise storage_error("write", path, cause) from cause
            return path
        raise AssertionError


def _copy_user_data(data: Any, extension: str, basename: str) -> Any:
    if extension == ".npz":
        import numpy as np

        if not isinstance(data, Mapping):
            raise LegmError(f"a .npz file holds a mapping of arrays by name, not a {type(data).__qualname__}")
        try:
            return {str(name): np.array(value) for name, value in data.items()}
        except (TypeError, ValueError) as cause:
            raise LegmError(f"{basename!r}: a value cannot be converted to an array: {cause}") from cause
    if extension == ".txt":
        return str(data)
    try:
        return to_plain(basename, data)
    except UnstableValue as cause:
        raise LegmError(
            f"{basename!r} can hold numbers, strings, lists and mappings, but not all of {str(data)[:60]!r}"
        ) from cause


def _merge_user_data(old: Any, new: Any, basename: str) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **new}
    if isinstance(old, (list, str)) and isinstance(new, type(old)):
        return old + new  # type: ignore[operator]
    raise LegmError(
        f"{basename!r} already holds a {type(old).__name__} of this run and cannot also hold a "
        f"{type(new).__name__}: use another file"
    )


def _encode_user_data(data: Any, extension: str, basename: str) -> bytes:
    if extension == ".npz":
        import numpy as np

        if any(array.dtype.hasobject for array in data.values()):
            raise LegmError(
                f"{basename!r}: an array of Python objects cannot be saved; use numbers or strings"
            )
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:  # like np.savez, which accepts no array called "file"
            for name, array in data.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)
        return buffer.getvalue()
    if extension == ".txt":
        return str(data).encode(errors="surrogatepass")
    if extension == ".json":
        return (json.dumps(data, indent=2) + "\n").encode()
    import yaml

    return yaml.safe_dump(data, sort_keys=False).encode()
