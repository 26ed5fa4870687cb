"""Opens MLflow's stores without touching global state, and with timeouts of its own.

Observed with MLflow 3.17: its SQLite store breaks permanently if several processes create the same file at
once; a call to a dead server takes 246 s because of the default retries; the artifacts of a store without an
artifact location go to the current folder. So a SQLite file is created under another name and a lock (see
:mod:`legm.backends.mlflow.table_creation`), servers get one request with a timeout, and every experiment gets
a location.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urlsplit
from urllib.request import url2pathname

import requests
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.rest_store import RestStore
from mlflow.tracking._tracking_service.utils import (  # the registry of stores, plugins too
    _get_store,
    _tracking_store_registry,
)
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request, verify_rest_response

from legm.backends.mlflow.names import ARTIFACTS_FOLDER
from legm.backends.mlflow.table_creation import create_database_tables, create_sqlite_store
from legm.core.credentials import redact_url_password
from legm.errors import BackendError
from legm.hooks import still_working
from legm.util.atomic_files import delete_folder
from legm.util.given_paths import resolved_path

__all__ = [
    "MlflowArtifactStore",
    "check_store_uri",
    "open_mlflow_store",
    "sqlite_store_path",
    "translate_store_errors",
]

log = logging.getLogger(__name__)

_TIMEOUT = 30  # seconds, for one request
_DATABASES = {"postgresql", "mysql", "mssql"}
_ARTIFACTS_ENDPOINT = "/api/2.0/mlflow-artifacts/artifacts"


@contextlib.contextmanager
def translate_store_errors(doing: str, uri: str) -> Iterator[None]:
    """Raise errors of MLflow and of the libraries below it as BackendErrors that name the store.

    Args:
        doing: what was tried, for the message: "read the runs".
        uri: the store's address.
    """
    try:
        yield
    except (MlflowException, requests.RequestException, OSError) as cause:
        raise BackendError(
            f"MLflow at {redact_url_password(uri)} could not {doing}: {_short_store_error(cause)}"
        ) from cause
    except Exception as cause:
        if type(cause).__module__.split(".")[0] not in {"sqlalchemy", "psycopg2", "pymysql", "urllib3"}:
            raise
        raise BackendError(
            f"MLflow at {redact_url_password(uri)} could not {doing}: {_short_store_error(cause)}"
        ) from cause


def _short_store_error(cause: BaseException) -> str:
    text = redact_url_password(" ".join(str(cause).split()))
    return text if len(text) <= 300 else text[:300] + "…"


def _store_request_limits() -> dict[str, Any]:
    """One attempt with a timeout, unless the user's environment says otherwise."""
    limits: dict[str, Any] = {}
    if "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ:
        limits["max_retries"] = 0
    if "MLFLOW_HTTP_REQUEST_TIMEOUT" not in os.environ:
        limits["timeout"] = _TIMEOUT
    return limits


class _OneAttemptStore(RestStore):
    """A tracking server that gets one request per call, with a timeout."""

    def _call_endpoint(  # type: ignore[override]
        self, api: Any, json_body: Any = None, endpoint: Any = None, response_proto: Any = None, **_: Any
    ) -> Any:
        import json

        from mlflow.utils.proto_json_utils import parse_dict

        methods = self._V3_METHOD_TO_INFO if api in self._V3_APIS else self._METHOD_TO_INFO
        known, method = methods[api]
        endpoint = endpoint or known
        body = None if json_body is None else json.loads(json_body)
        given = {"params": body} if method == "GET" else {"json": body}
        response = http_request(
            self.get_host_creds(), endpoint, method, raise_on_status=False, **_store_request_limits(), **given
        )
        answer = response_proto or api.Response()
        parse_dict(verify_rest_response(response, endpoint).json(), answer)
        return answer


def sqlite_store_path(uri: str) -> Path | None:
    """The path of a SQLite store's file; None for other stores and for one in memory."""
    if not uri.startswith("sqlite:///") or uri.endswith(":memory:"):
        return None
    return Path(unquote(uri.removeprefix("sqlite:///").partition("?")[0])).absolute()


def check_store_uri(uri: str) -> None:
    """Check that an address is one of a store, and import what that store needs on the caller's thread.

    Raises:
        BackendError: there is no such kind of store.
    """
    scheme = uri.partition(":")[0] if ":" in uri else uri
    if uri in {"databricks", "databricks-uc", "uc"} or scheme in {"http", "https"}:
        return
    kind = scheme.partition("+")[0]
    if kind in {"sqlite", *_DATABASES}:
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401 - takes half a second: not while training
    elif "://" not in uri or kind == "file" or len(kind) == 1:
        raise BackendError(
            f"tracking_uri {uri!r} is a folder, which is MLflow's old kind of store: "
            f"use sqlite:///<file>, or the address of a database or a server"
        )
    else:
        known = sorted(filter(None, _tracking_store_registry._registry))  # noqa: SLF001 - there is no other way
        if kind not in known:
            raise BackendError(
                f"tracking_uri {redact_url_password(uri)!r} has a scheme that MLflow does not support; "
                f"supported: {', '.join(known)}"
            )


def open_mlflow_store(uri: str, artifacts: str | None) -> Any:
    """The store at an address; opening an address twice gives the same store.

    Args:
        uri: the store's address.
        artifacts: the address of the artifacts of new experiments; None where a server decides.

    Raises:
        BackendError: there is no store, or it does not answer.
    """
    with translate_store_errors("open the store", uri):
        scheme = uri.partition(":")[0]
        if scheme in {"http", "https"}:
            return _OneAttemptStore(partial(get_default_host_creds, uri))
        path = sqlite_store_path(uri)
        if path is not None and not path.exists():
            create_sqlite_store(path)
        elif path is None and scheme.partition("+")[0] in _DATABASES:
            _prepare_store_database(uri)
        return _get_store(uri, artifacts)


def _prepare_store_database(uri: str) -> None:
    """Connect once, since MLflow itself would retry for minutes, and create the tables if there are none."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.pool.NullPool)
    with engine.connect():
        still_working()
    create_database_tables(engine)
    still_working()


class MlflowArtifactStore:
    """The artifacts of one MLflow run.

    Args:
        uri: their address, from the run.
        server: the tracking server's address; "" if there is none.
        moved_to: the folder ``mlartifacts`` that holds them now if the store was moved.
    """

    def __init__(self, uri: str, server: str, moved_to: Path | None = None) -> None:
        self.uri = uri
        self._server = server
        self.is_own = True
        """Whether the address is the user's own; otherwise it is not written to, nor read over a network."""
        parts = urlsplit(uri)
        self.folder: Path | None = None
        if parts.scheme in {"", "file"} or len(parts.scheme) == 1:
            self.folder = Path(url2pathname(parts.path) if parts.scheme == "file" else uri)
            head, name, rest = str(self.folder).partition(f"{os.sep}{ARTIFACTS_FOLDER}{os.sep}")
            if moved_to is not None and name and not self.folder.exists():
                moved = moved_to / rest
                if moved.exists() or not Path(head).exists():  # else it is still to be made where it was said
                    self.folder = moved
        self._proxied = parts.path.strip("/") if parts.scheme == "mlflow-artifacts" and server else None

    def is_below(self, location: str | None) -> bool:
        """Whether all of the artifacts are in a folder, or below an address; False for None."""
        if location is None:
            return False
        there = MlflowArtifactStore(location, "").folder
        if self.folder is None or there is None:
            return self.uri == location or self.uri.startswith(location.rstrip("/") + "/")
        return resolved_path(self.folder).is_relative_to(resolved_path(there))

    def write(self, name: str, data: bytes) -> None:
        """Store a file; it replaces an earlier one of that name."""
        self._require_own()
        if self.folder is not None:
            target = self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            new = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
            new.write_bytes(data)
            new.replace(target)
        elif self._proxied is not None:
            self._request("PUT", name, data=data)
        else:
            from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

            folder, _, base = name.rpartition("/")
            with tempfile.TemporaryDirectory() as temporary:
                (Path(temporary) / base).write_bytes(data)
                get_artifact_repository(self.uri).log_artifact(str(Path(temporary) / base), folder or None)

    def delete(self, name: str) -> None:
        """Delete a file of a folder on this machine."""
        if self.folder is None:
            raise BackendError(
                f"{name} in {self.uri} cannot be deleted: only folders on this machine are changed"
            )
        self._require_own()
        (self.folder / name).unlink(missing_ok=True)

    def delete_all(self, run_id: str) -> None:
        """Delete every artifact of a run, where the store can; deleting them again does nothing.

        Args:
            run_id: MLflow's id of the run, which must be in the address.
        """
        self._require_own()
        path = PurePosixPath(self._proxied if self._proxied is not None else urlsplit(self.uri).path)
        if run_id not in path.parts:
            raise BackendError(f"the artifacts of the MLflow run {run_id} are not its own: {self.uri}")
        if self.folder is not None:
            delete_folder(self.folder)
            if self.folder.parent.name == run_id:
                with contextlib.suppress(OSError):  # there is no such folder, or MLflow has more in it
                    self.folder.parent.rmdir()
            return
        names = [name for name, _, _ in self._listed("")]
        if self._proxied is not None:
            for name in names:
                self._request("DELETE", name)
        elif names:
            self._delete_in_repository()

    def _delete_in_repository(self) -> None:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        try:
            get_artifact_repository(self.uri).delete_artifacts()
        except NotImplementedError:
            log.warning("MLflow does not delete the files in %s: delete them there", self.uri)

    def read(self, name: str) -> bytes:
        """The content of a file."""
        if self.folder is not None:
            return (self.folder / name).read_bytes()
        self._require_own()
        if self._proxied is not None:
            return bytes(self._request("GET", name).content)
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        with tempfile.TemporaryDirectory() as temporary:
            return Path(get_artifact_repository(self.uri).download_artifacts(name, temporary)).read_bytes()

    def files(self, folder: str) -> Iterator[tuple[str, int]]:
        """The files below a folder, each its path there and its size in bytes; links are left out."""
        if self.folder is not None:
            for path in sorted((self.folder / folder).rglob("*")):
                if path.is_file() and not path.is_symlink():
                    yield path.relative_to(self.folder / folder).as_posix(), path.stat().st_size
            return
        self._require_own()
        for name, size, is_folder in self._listed(folder):
            if is_folder:
                yield from ((f"{name}/{inner}", own) for inner, own in self.files(f"{folder}/{name}"))
            else:
                yield name, size

    def _listed(self, folder: str) -> list[tuple[str, int, bool]]:
        """What is in a folder that is not on this machine: names, sizes, and whether they are folders."""
        if self._proxied is not None:
            content = self._request("GET", "", params={"path": f"{self._proxied}/{folder}"}).json()
            found = [
                (one["path"], int(one.get("file_size") or 0), bool(one.get("is_dir")))
                for one in content.get("files", [])
            ]
        else:
            from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

            listed = get_artifact_repository(self.uri).list_artifacts(folder)
            found = [(one.path, int(one.file_size or 0), bool(one.is_dir)) for one in listed]
        return [(str(path).rpartition("/")[2], size, is_folder) for path, size, is_folder in found]

    def _require_own(self) -> None:
        if not self.is_own:
            raise BackendError(
                f"the MLflow store in the root directory keeps artifacts elsewhere, in {self.uri}: "
                f"give the option artifact_location if that address is yours"
            )

    def _request(self, method: str, name: str, **given: Any) -> requests.Response:
        path = f"/{quote(f'{self._proxied}/{name}')}" if name else ""
        endpoint = f"{_ARTIFACTS_ENDPOINT}{path}"
        response: requests.Response = http_request(
            get_default_host_creds(self._server),
            endpoint,
            method,
            raise_on_status=False,
            **_store_request_limits(),
            **given,
        )
        if response.status_code == 404:
            raise FileNotFoundError(f"{self.uri} has no file {name}")
        response.raise_for_status()
        still_working()
        return response

    def location(self, name: str) -> str:
        """The path or address of a file, for the user."""
        return str(self.folder / name) if self.folder is not None else f"{self.uri}/{name}"
