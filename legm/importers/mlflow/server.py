"""Runs on an MLflow tracking server, read through its REST API; MLflow does not have to be installed."""

from __future__ import annotations

import base64
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any, BinaryIO
from urllib.parse import quote, unquote, urlencode, urlsplit, urlunsplit

import numpy as np

from legm.core.credentials import redact_url_password
from legm.core.point_columns import points_from_blocks
from legm.core.value_parsing import parse_value_text
from legm.errors import StorageError
from legm.importers.external_run import ExternalFile, ExternalRun
from legm.importers.import_notes import ImportNotes
from legm.importers.mlflow.run_conversion import (
    DELETED,
    ExternalMlflowRun,
    convert_mlflow_run,
    mlflow_to_seconds,
    restore_mlflow_infinities,
)
from legm.records import Plain, Points, Series

__all__ = ["MlflowServerSource"]

_API = "api/2.0/mlflow"
_TIMEOUT = 60  # seconds for one response
_PAUSES = (0.5, 2.0)  # seconds before a failed request is repeated
_RUNS, _NUMBERS = 200, 25_000  # in one response


class MlflowServerSource:
    """The runs on a tracking server.

    Args:
        address: the server's address, with a path and a login if it has one. Without a login, MLflow's
            variables MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, are
            used, unless MLFLOW_TRACKING_URI is another server. A redirect to another host does not get it.
        deleted: whether to include runs and experiments that are deleted in MLflow.
    """

    kind = "mlflow"

    def __init__(self, address: str, *, deleted: bool = False) -> None:
        self.location = redact_url_password(address)
        self.notes = ImportNotes()
        self._deleted = deleted
        parts = urlsplit(address)
        _, at, host = parts.netloc.rpartition("@")
        self._address = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}" if at else ""
        self._headers = (
            _mlflow_login_headers(login) if at else _mlflow_login_headers_from_environment(self._address)
        )
        self._opener = urllib.request.build_opener(_MlflowServerRedirects)
        self._experiments: dict[
            str, tuple[str, bool]
        ] = {}  # by id: an experiment's name and whether it is deleted

        self._tags_of_experiments: dict[str, dict[str, str]] = {}
        self._selected: frozenset[str] = frozenset()  # names of experiments; all if empty
        self._models: dict[str, dict[str, list[Any]]] = {}  # by experiment and run

    # Requests

    def _request(
        self, path: str, query: Mapping[str, Any], body: Mapping[str, Any] | None = None
    ) -> BinaryIO:
        """The server's response, to be read; any OSError if there is none."""
        url = f"{self._address}/{path}" + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        headers = {**self._headers, **({} if data is None else {"Content-Type": "application/json"})}
        for pause in (*_PAUSES, None):
            request = urllib.request.Request(url, data, headers)  # noqa: S310 - http or https, as recognised
            try:
                answer: BinaryIO = self._opener.open(request, timeout=_TIMEOUT)
            except urllib.error.HTTPError as error:
                if error.code < 500 or pause is None:
                    raise
            except OSError:
                if pause is None:
                    raise
            else:
                return answer
            time.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def _request_json(
        self, path: str, query: Mapping[str, Any] | None = None, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The JSON response to a request.

        Raises:
            StorageError: there is no response, or it is not JSON.
        """
        try:
            with self._request(f"{_API}/{path}", query or {}, body) as answer:
                content = json.load(answer)
        except (OSError, http.client.HTTPException, ValueError) as cause:
            raise StorageError(
                f"cannot read the MLflow server {self.location}, {path}: {_mlflow_server_problem_text(cause)}"
            ) from cause
        if not isinstance(content, dict):
            raise StorageError(f"{self.location} is not an MLflow server: it answers {str(content)[:60]!r}")
        return content

    def _request_pages(self, path: str, what: str, query: Mapping[str, Any], *, post: bool) -> Iterator[Any]:
        """The items of a response, page by page."""
        token = None
        while True:
            asked = {**query, **({"page_token": token} if token else {})}
            answer = self._request_json(path, None, asked) if post else self._request_json(path, asked)
            yield from answer.get(what) or ()
            token = answer.get("next_page_token")
            if not token:
                return

    # Runs

    def select_experiments(self, names: Collection[str]) -> None:
        """Let :meth:`runs` return only the runs of these experiments, if all of them exist."""
        self._selected = frozenset(names)

    def runs(self) -> Iterator[ExternalRun]:
        """Every run of the selected experiments, experiment by experiment, oldest first."""
        query = {"view_type": "ALL", "max_results": 1000}
        for one in self._request_pages("experiments/search", "experiments", query, post=True):
            is_deleted = one.get("lifecycle_stage") == "deleted"
            self._experiments[str(one["experiment_id"])] = (str(one["name"]), is_deleted)
            self._tags_of_experiments[str(one["experiment_id"])] = _mlflow_server_pairs(one.get("tags"))
        for experiment in self._selected_experiments():
            wanted = {
                "experiment_ids": [experiment],
                "run_view_type": "ALL",
                "max_results": _RUNS,
                "order_by": ["attributes.start_time ASC", "attributes.run_id ASC"],
            }
            for run in self._request_pages("runs/search", "runs", wanted, post=True):
                found = self._read_run(run)
                if found is not None:
                    yield found

    def _selected_experiments(self) -> list[str]:
        """The ids of the experiments to read: all, unless each selected one is there under its name."""
        found = sorted(self._experiments, key=lambda key: (len(key), key))
        readable = {
            name for name, is_deleted in self._experiments.values() if self._deleted or not is_deleted
        }
        if not self._selected or not self._selected <= readable:
            return found
        return [key for key in found if self._experiments[key][0] in self._selected]

    def run(self, key: str) -> ExternalRun:
        """The run with a key."""
        found = self._read_run(self._request_json("runs/get", {"run_id": key})["run"])
        if found is None:
            raise StorageError(f"the MLflow server {self.location} no longer has the run {key}")
        return found

    def close(self) -> None:
        """Do nothing: no connection is held open."""

    def _read_run(self, run: Mapping[str, Any]) -> ExternalRun | None:
        info, data = run["info"], run.get("data", {})
        run_id, experiment_id = str(info["run_id"]), str(info["experiment_id"])
        tags = self._tags_of_experiments.get(experiment_id)
        name, is_deleted = self._experiments.get(experiment_id, (experiment_id, False))
        if (is_deleted or info.get("lifecycle_stage") == "deleted") and not self._deleted:
            self.notes.add(DELETED, run_id)
            return None
        inputs = [
            {field: str(value) for field, value in one.get("dataset", {}).items()}
            for one in run.get("inputs", {}).get("dataset_inputs", ())
        ]
        mlflow_run = ExternalMlflowRun(
            run_id=run_id,
            experiment=name,
            experiment_id=experiment_id,
            name=str(info.get("run_name", "")),
            status=str(info.get("status", "")),
            start_time=_mlflow_server_int(info.get("start_time")),
            end_time=_mlflow_server_int(info.get("end_time")),
            params=_mlflow_server_pairs(data.get("params")),
            tags=_mlflow_server_pairs(data.get("tags")),
            details={
                **({"user_id": str(info["user_id"])} if info.get("user_id") else {}),
                **({"inputs": inputs} if inputs else {}),
                **({"experiment_tags": {**tags}} if tags else {}),
                **self._logged_models(run_id, experiment_id),
            },
        )
        keys = [str(one["key"]) for one in data.get("metrics", ())]
        return convert_mlflow_run(
            mlflow_run,
            lambda: self._metric_history(run_id, keys),
            lambda: self._artifacts(run_id, experiment_id),
            self.notes,
        )

    def _metric_history(self, run_id: str, keys: list[str]) -> Iterator[Points]:
        for key in dict.fromkeys(keys):
            query = {"run_id": run_id, "metric_key": key, "max_results": _NUMBERS}
            token = None
            while True:
                answer = self._request_json(
                    "metrics/get-history", {**query, **({"page_token": token} if token else {})}
                )
                rows = answer.get("metrics") or ()
                try:
                    steps = np.array([int(row.get("step", 0)) for row in rows], np.int64)
                    times = mlflow_to_seconds(np.array([float(row.get("timestamp", 0)) for row in rows]))
                    values = restore_mlflow_infinities(np.array([float(row.get("value", 0)) for row in rows]))
                except (ValueError, TypeError, OverflowError) as cause:
                    raise StorageError(
                        f"the MLflow server {self.location} returns invalid values of {key!r} "
                        f"for the run {run_id}: {cause}"
                    ) from cause
                if len(steps):
                    yield points_from_blocks([((Series(key),), steps, times, values)])
                token = answer.get("next_page_token")
                if not token:
                    break

    # Files

    def _artifacts(self, run_id: str, experiment_id: str) -> Iterator[ExternalFile]:
        """The artifacts of the run and of models logged in it."""
        for path in self._list_artifact_paths("artifacts/list", {"run_id": run_id}, "path"):
            yield ExternalFile(
                path, partial(self._request, "get-artifact", {"path": path, "run_uuid": run_id})
            )
        for model in self._models_of(run_id, experiment_id):
            model_id, name = str(model["info"]["model_id"]), str(model["info"].get("name", ""))
            model_path = f"logged-models/{quote(model_id, safe='')}/artifacts"
            for path in self._list_artifact_paths(f"{model_path}/directories", {}, "artifact_directory_path"):
                ask = partial(self._request, f"ajax-{_API}/{model_path}/files", {"artifact_file_path": path})
                yield ExternalFile(f"models/{name}-{model_id}/{path}", ask)

    def _models_of(self, run_id: str, experiment_id: str) -> list[Any]:
        """The models that were logged in a run; those of an experiment are requested once."""
        if experiment_id not in self._models:
            known: dict[str, list[Any]] = {}
            wanted = {"experiment_ids": [experiment_id], "max_results": 50}
            try:
                for model in self._request_pages("logged-models/search", "models", wanted, post=True):
                    known.setdefault(str(model["info"].get("source_run_id", "")), []).append(model)
            except StorageError as error:
                cause = error.__cause__
                if not isinstance(cause, urllib.error.HTTPError) or cause.code not in {400, 404, 405, 501}:
                    raise
                known.clear()  # a server older than MLflow 3
            self._models[experiment_id] = known
        return self._models[experiment_id].get(run_id, [])

    def _logged_models(self, run_id: str, experiment_id: str) -> dict[str, Plain]:
        """The models that were logged in a run, with their parameters."""
        found: list[Plain] = []
        for model in self._models_of(run_id, experiment_id):
            params = _mlflow_server_pairs(model.get("data", {}).get("params"))
            found.append(
                {
                    "name": str(model["info"].get("name", "")),
                    "model_id": str(model["info"]["model_id"]),
                    "params": {name: parse_value_text(text) for name, text in params.items()},
                }
            )
        return {"logged_models": found} if found else {}

    def _list_artifact_paths(self, question: str, query: Mapping[str, Any], argument: str) -> Iterator[str]:
        """The paths of the files below an artifact folder."""
        folders = [""]
        while folders:
            folder = folders.pop()
            asked = {**query, **({argument: folder} if folder else {})}
            for one in self._request_pages(question, "files", asked, post=False):
                if one.get("is_dir"):
                    folders.append(str(one["path"]))
                else:
                    yield str(one["path"])


class _MlflowServerRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects as usual, but to another host without the login."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        redirected = super().redirect_request(req, fp, code, msg, headers, newurl)
        if redirected is not None and _mlflow_server_origin(newurl) != _mlflow_server_origin(req.full_url):
            redirected.remove_header("Authorization")
        return redirected


def _mlflow_server_origin(address: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(address)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _mlflow_login_headers(login: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()}


def _mlflow_login_headers_from_environment(address: str) -> dict[str, str]:
    """The login in MLflow's variables, unless MLFLOW_TRACKING_URI names another server."""
    theirs = os.environ.get("MLFLOW_TRACKING_URI", "")
    if theirs.startswith(("http://", "https://")) and _mlflow_server_origin(theirs) != _mlflow_server_origin(
        address
    ):
        return {}
    user = os.environ.get("MLFLOW_TRACKING_USERNAME", "")
    if user:
        return _mlflow_login_headers(f"{user}:{os.environ.get('MLFLOW_TRACKING_PASSWORD', '')}")
    token = os.environ.get("MLFLOW_TRACKING_TOKEN", "")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _mlflow_server_problem_text(cause: BaseException) -> str:
    if isinstance(cause, urllib.error.HTTPError):
        remedy = {401: ": log in with MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"}.get(
            cause.code, ""
        )
        return f"it answers {cause.code} {cause.reason}{remedy}"
    return str(getattr(cause, "reason", cause) or cause)


def _mlflow_server_pairs(rows: Any) -> dict[str, str]:
    """Params or tags by name."""
    return {str(one["key"]): str(one.get("value", "")) for one in rows or ()}


def _mlflow_server_int(value: object) -> int | None:
    try:
        return None if value is None else int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        return None
