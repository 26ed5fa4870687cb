"""What the server of the live page answers: the page's files, the runs as JSON, and what has changed."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from hashlib import sha256
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from legm.errors import LegmError
from legm.report.curve_detail import CurveDetail
from legm.report.page import read_page_part, read_page_plotly_script
from legm.ui.access import AccessGuard, AccessRules
from legm.ui.code_differences import code_differences
from legm.ui.file_response import OpenedFileResponse
from legm.ui.run_curves import differences_by_metric, differences_from, run_curves
from legm.ui.run_details import RunDetails
from legm.ui.run_marking import change_run_marks
from legm.ui.running_runs import RunningRuns
from legm.ui.single_curves import single_curves
from legm.ui.stored_runs import StoredRuns
from legm.ui.subscribers import Subscribers, subscriber_event_text
from legm.version import __version__

__all__ = ["LivePageApplication"]

_NO_STORE = {"cache-control": "no-store"}
_MOST_BUCKETS = 2000  # of a curve
_MOST_COMPARED = 120  # configurations
_NO_MODULES = {"plotly.js", "main.js", "live.js", "shared_events.js"}  # of those that live.js needs
_MOST_BESIDE = 4  # runs
_LARGEST_CHANGE = 1 << 20  # bytes of a request that changes something
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}


class LivePageApplication:
    """The live page of a root directory, as an ASGI application.

    Args:
        stored: the runs.
        rules: who may see it.
        title: of the page.
        read_only: whether tags and notes cannot be changed.

    Raises:
        LegmError: plotly is not installed.
    """

    def __init__(self, stored: StoredRuns, rules: AccessRules, title: str, *, read_only: bool) -> None:
        self._stored = stored
        self._title = title
        self._read_only = read_only
        self._subscribers = Subscribers()
        self._running = RunningRuns(stored, self._subscribers)
        self._details = RunDetails(stored)
        self._instance = secrets.token_hex(8)
        self._files = _application_page_files()
        self._tags = {name: f'"{sha256(data).hexdigest()[:32]}"' for name, data in self._files.items()}
        get: list[tuple[str, Callable[[Request], Any]]] = [
            ("/api/experiments", self._experiments),
            ("/api/experiment", self._experiment),
            ("/api/unfinished", self._unfinished),
            ("/api/groups", self._groups),
            ("/api/configurations", self._configurations),
            ("/api/live-curves", self._live_curves),
            ("/api/run", self._run),
            ("/api/console", self._console),
            ("/api/preview", self._preview),
            ("/api/media", self._media),
            ("/api/patch", self._patch),
            ("/api/run-curves", self._run_curves),
            ("/api/single-curves", self._single_curves),
            ("/api/differences", self._differences),
            ("/api/comparison", self._comparison),
            ("/api/code", self._code),
        ]
        routes = [
            Route("/", self._page),
            Route("/page/{name}", self._file),
            Route("/api/events", self._events),
            Route("/api/artifact", self._artifact),
            Route("/api/marks", self._marks, methods=["POST"]),
            *(Route(path, partial(_application_json, answer)) for path, answer in get),
        ]
        self.application = AccessGuard(Starlette(routes=routes), rules)

    def start(self) -> None:
        """Begin to follow the runs."""
        self._running.start()

    def end_streams(self) -> None:
        """End what is sent to open pages, so that the server can end."""
        self._subscribers.close()

    def close(self) -> None:
        """Stop following the runs."""
        self._running.close()

    # The page

    async def _page(self, request: Request) -> Response:
        del request
        return Response(self._files["live.html"], media_type="text/html", headers=_NO_STORE)

    async def _file(self, request: Request) -> Response:
        name = request.path_params["name"]
        suffix = name[name.rfind(".") :]
        if name not in self._files or suffix not in _TYPES:
            return JSONResponse({"error": f"there is no file {name!r}"}, 404)
        tag = self._tags[name]
        headers = {"cache-control": "private, no-cache", "etag": tag}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(self._files[name], headers={**headers, "content-type": _TYPES[suffix]})

    # The runs

    def _experiments(self, request: Request) -> Any:
        del request
        return {
            "title": self._title,
            "backend": self._stored.backend,
            "legm": __version__,
            "read_only": self._read_only,
            "experiments": self._stored.cards(),
            "runs": self._running.states(),
        }

    def _experiment(self, request: Request) -> Any:
        query = request.query_params
        return self._stored.experiment(query["name"], query.getlist("where"))

    def _unfinished(self, request: Request) -> Any:
        query = request.query_params
        return self._stored.unfinished(query["name"], query.getlist("where"))

    def _groups(self, request: Request) -> Any:
        query = request.query_params
        return self._stored.groups(query["name"], query.getlist("where"), query.getlist("by"))

    def _configurations(self, request: Request) -> Any:
        query = request.query_params
        return self._stored.configurations(
            query["experiment"], query.getlist("fingerprint"), _application_curve_detail(request)
        )

    def _live_curves(self, request: Request) -> Any:
        query = request.query_params
        return self._running.curves(query.getlist("run"), query.getlist("metric"))

    def _run(self, request: Request) -> Any:
        baseline = request.query_params.get("baseline", "")
        return self._details.run(*_application_query_run(request), baseline)

    def _preview(self, request: Request) -> Any:
        return self._details.preview(*_application_query_run(request), request.query_params["name"])

    def _media(self, request: Request) -> Any:
        query = request.query_params
        runs = query.getlist("run")[:_MOST_BESIDE]
        return self._stored.media(query["experiment"], query["fingerprint"], runs)

    def _console(self, request: Request) -> Any:
        return self._details.console(
            *_application_query_run(request), int(request.query_params.get("after", "0"))
        )

    def _patch(self, request: Request) -> Any:
        return self._details.patch(*_application_query_run(request))

    def _run_curves(self, request: Request) -> Any:
        return run_curves(self._stored, *_application_query_run(request), _application_curve_detail(request))

    def _single_curves(self, request: Request) -> Any:
        query = request.query_params
        return single_curves(
            self._stored,
            query["experiment"],
            query.getlist("fingerprint")[:_MOST_COMPARED],
            query.getlist("metric"),
            query.get("x", "step"),
            _application_curve_detail(request),
        )

    def _differences(self, request: Request) -> Any:
        query = request.query_params
        return differences_from(
            self._stored,
            query["experiment"],
            query["baseline"],
            _application_comparison(request),
            query["metric"],
            description=query.get("description", ""),
            where=query.getlist("where"),
            higher_better=query["higher"] == "1" if "higher" in query else None,
        )

    def _comparison(self, request: Request) -> Any:
        query = request.query_params
        metrics, higher = query.getlist("metric"), query.getlist("higher")
        if len(metrics) != len(higher):
            raise ValueError("each metric needs to be with whether a higher value is better")
        return differences_by_metric(
            self._stored,
            query["experiment"],
            query["baseline"],
            _application_comparison(request),
            {key: of == "1" for key, of in zip(metrics, higher, strict=True)},
            description=query.get("description", ""),
            where=query.getlist("where"),
        )

    def _code(self, request: Request) -> Any:
        query = request.query_params
        every = [query["baseline"], *_application_comparison(request)]
        return code_differences(self._stored, query["experiment"], every, query.get("description", ""))

    async def _artifact(self, request: Request) -> Response:
        try:
            name = request.query_params["name"]
            opened, media_type = await run_in_threadpool(
                self._details.artifact, *_application_query_run(request), name
            )
        except (KeyError, LegmError) as error:
            return _application_error(error)
        kind = media_type or "application/octet-stream"
        headers = {**_NO_STORE, "content-security-policy": "default-src 'none'; sandbox"}
        if not media_type:
            headers["content-disposition"] = "attachment"
        return OpenedFileResponse(opened, kind, headers)

    async def _marks(self, request: Request) -> Response:
        if self._read_only:
            return JSONResponse({"error": "the server was started with --read-only"}, 403)
        body = await request.body()
        try:
            if len(body) > _LARGEST_CHANGE:
                raise ValueError("the request is too large")
            asked = json.loads(body)
            where = (str(asked["experiment"]), str(asked["fingerprint"]))
            runs = [str(asked["run"])] if "run" in asked else None
            changed = await run_in_threadpool(
                change_run_marks,
                self._stored,
                *where,
                runs,
                description=str(asked.get("description", "")),
                add=[str(one) for one in asked.get("add", [])],
                remove=[str(one) for one in asked.get("remove", [])],
                note=None if asked.get("note") is None else str(asked["note"]),
            )
        except (KeyError, TypeError, ValueError, LegmError) as error:
            return _application_error(error)
        self._subscribers.put({}, {where[0]: self._stored.expire(where[0])})
        return JSONResponse(changed, headers=_NO_STORE)

    async def _events(self, request: Request) -> Response:
        del request
        subscriber = self._subscribers.add(asyncio.get_running_loop())
        self._running.wake()
        versions = await run_in_threadpool(self._stored.versions)
        first = subscriber_event_text("hello", {"instance": self._instance, "versions": versions})

        async def stream() -> AsyncIterator[str]:
            try:
                async for text in subscriber.events(first):
                    yield text
            finally:
                self._subscribers.remove(subscriber)

        return StreamingResponse(stream(), media_type="text/event-stream", headers=_NO_STORE)


async def _application_json(answer: Callable[[Request], Any], request: Request) -> Response:
    """What a function answers, made in another thread, since it reads files."""

    def encoded() -> bytes:
        return json.dumps(answer(request), allow_nan=False, separators=(",", ":")).encode()

    try:
        body = await run_in_threadpool(encoded)
    except (KeyError, ValueError, LegmError) as error:
        return _application_error(error)
    except asyncio.CancelledError:  # the server ends while it counts
        return JSONResponse({"error": "the server has ended"}, 503, headers=_NO_STORE)
    return Response(body, media_type="application/json", headers=_NO_STORE)


def _application_error(error: Exception) -> Response:
    """An error that the page shows."""
    text = f"the request needs {error}" if isinstance(error, KeyError) else str(error)
    return JSONResponse({"error": text}, 400, headers=_NO_STORE)


def _application_curve_detail(request: Request) -> CurveDetail:
    query = request.query_params
    return CurveDetail(
        buckets=min(max(int(query.get("buckets", "300")), 1), _MOST_BUCKETS),
        start=float(query.get("start", "-inf")),
        end=float(query.get("end", "inf")),
        smoothing=float(query.get("smoothing", "0")),
    )


def _application_comparison(request: Request) -> list[str]:
    others: list[str] = request.query_params.getlist("other")
    if len(others) > _MOST_COMPARED:
        raise ValueError(f"at most {_MOST_COMPARED} configurations are compared at once")
    return others


def _application_query_run(request: Request) -> tuple[str, str, str]:
    query = request.query_params
    return query["experiment"], query["fingerprint"], query["run"]


def _application_page_files() -> dict[str, bytes]:
    """By name, the files of the page: those that it shares with the report, and its own."""
    found = {"plotly.js": read_page_plotly_script().encode()}
    for folder in (files("legm.report") / "page", files("legm.ui") / "page"):
        found |= {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}
    found["live.html"] = _application_html(found).encode()
    return found


def _application_html(names: Iterable[str]) -> str:
    """The page, which names its modules, so that a browser loads them all at once."""
    modules = [name for name in sorted(names) if name.endswith(".js") and name not in _NO_MODULES]
    links = "\n".join(f'<link rel="modulepreload" href="page/{name}">' for name in modules)
    text = (files("legm.ui") / "page" / "live.html").read_text(encoding="utf-8")
    return text.replace("$modules", links).replace("$body", read_page_part("body.html"))
