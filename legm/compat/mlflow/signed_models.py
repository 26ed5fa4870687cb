"""Models whose code only a pickle can hold, for other processes of the same user.

A pickle executes what its author wrote, and a root directory may come from somebody else. So legm signs each
that it writes with a key of this machine's user, which is outside of every root directory, and loads only
what that key has signed. All other formats of models need no trust.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import pickle
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from legm.compat.mlflow.exceptions import MlflowException
from legm.compat.script_session import SESSION
from legm.errors import StorageError
from legm.runlog.file_names import MODEL_KEY_FILE, SETTINGS_FOLDER
from legm.util.user_settings import read_or_make_user_secret, user_settings_folder

__all__ = ["SIGNED_MODEL_FILE", "read_signed_model", "write_signed_model"]

SIGNED_MODEL_FILE = "python_model.signed"
_HEAD = b"legm model 1"


def write_signed_model(
    model: Any, folder: Path, called_by: str, persistent_id: Callable[[Any], str | None] | None = None
) -> None:
    """Write a model with its code into a folder; what cannot be written is reported.

    Args:
        model: the object.
        folder: of the model's other files.
        called_by: the call, for the report.
        persistent_id: the name of a part that is in another of the folder's files; None for one that is not.
    """
    try:
        content = _pickled_model(model, persistent_id)
        signature = _signature_of_model(_python_of_models(), content)
    except Exception as error:  # noqa: BLE001 - a model may hold anything, and the training continues
        reason = f"{type(model).__qualname__} has no pickle ({type(error).__name__}: {error})"
        SESSION.notices.report_unsupported(f"a model for other processes by {called_by}", reason)
        return
    head = b" ".join([_HEAD, _python_of_models().encode(), signature.encode()])
    (folder / SIGNED_MODEL_FILE).write_bytes(head + b"\n" + content)


def read_signed_model(
    folder: Path, kind: str, persistent_load: Callable[[str], Any] | None = None, *, instead: str = ""
) -> Any:
    """A model with its code, where this user has signed it.

    Args:
        folder: of the model's files.
        kind: the model's class, for messages.
        persistent_load: a part by its name.
        instead: what can be loaded without trust, for messages.

    Raises:
        MlflowException: there is none, it was not signed by this user, or it cannot be loaded here.
    """
    path, hint = folder / SIGNED_MODEL_FILE, f". {instead}" if instead else ""
    what = f"The code of the model of the class {kind or 'that a script wrote'} in {folder}"
    try:
        head, _, content = path.read_bytes().partition(b"\n")
    except FileNotFoundError as error:
        raise MlflowException(f"{what} is only in the process that logged it{hint}") from error
    except OSError as error:
        raise MlflowException(f"{what} cannot be read: {error}{hint}") from error
    written_by, _, signature = head.removeprefix(_HEAD + b" ").decode("ascii", "replace").partition(" ")
    if not hmac.compare_digest(signature.encode(), _signature_of_model(written_by, content).encode()):
        raise MlflowException(
            f"{what} is not loaded: a pickle executes what its author wrote, and this one is not signed with "
            f"this user's key, which is in {_path_of_model_key()}. Log the model again as this user, or copy "
            f"that file from the user who logged it, if you trust what they sign{hint}"
        )
    if written_by != _python_of_models():
        raise MlflowException(
            f"{what} was written by Python {written_by}, and this is Python {_python_of_models()}{hint}"
        )
    try:
        return _ModelUnpickler(content, persistent_load).load()
    except Exception as error:
        raise MlflowException(
            f"{what} cannot be loaded: {type(error).__name__}: {error}. What it imports has to be importable "
            f"here; a class of a script itself is kept with the model if cloudpickle is installed{hint}"
        ) from error


def _python_of_models() -> str:
    """The version of Python that can load the code of a model: byte code differs between them."""
    return ".".join(platform.python_version_tuple()[:2])


def _path_of_model_key() -> Path:
    return user_settings_folder() / SETTINGS_FOLDER / MODEL_KEY_FILE


def _signature_of_model(python: str, content: bytes) -> str:
    """The signature by the user's key of a pickle and the version of Python that wrote it.

    Raises:
        MlflowException: the key cannot be read or made.
    """
    try:
        key = read_or_make_user_secret(_path_of_model_key(), "the key of models")
    except StorageError as error:
        raise MlflowException(str(error)) from error
    return hmac.new(key.encode(), python.encode() + b"\n" + content, hashlib.sha256).hexdigest()


def _pickled_model(model: Any, persistent_id: Callable[[Any], str | None] | None) -> bytes:
    try:
        from cloudpickle import Pickler
    except ImportError:  # classes and functions of the script itself are found by name then
        from pickle import Pickler

    class ModelPickler(Pickler):  # type: ignore[misc, valid-type, unused-ignore]
        def persistent_id(self, part: Any) -> str | None:
            return None if persistent_id is None else persistent_id(part)

    target = io.BytesIO()
    ModelPickler(target, protocol=pickle.HIGHEST_PROTOCOL).dump(model)
    return target.getvalue()


class _ModelUnpickler(pickle.Unpickler):
    """Reads what this user has signed.

    Args:
        content: the pickle.
        persistent_load: a part by its name.
    """

    def __init__(self, content: bytes, persistent_load: Callable[[str], Any] | None) -> None:
        super().__init__(io.BytesIO(content))
        self._persistent_load = persistent_load

    def persistent_load(self, name: Any) -> Any:
        """A part that is in another file."""
        if self._persistent_load is None:
            raise pickle.UnpicklingError(f"there is no part {name!r}")
        return self._persistent_load(name)
