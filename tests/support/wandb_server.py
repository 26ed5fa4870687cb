"""A stand-in for a W&B server, so that tests can run the real SDK without an account.

It is not W&B's server. It was written from watching what wandb 0.31.0 sends to WANDB_BASE_URL and from what
that version's own code does with the answers; what W&B's server does beyond that is unknown here. It keeps
runs in memory and answers

- the GraphQL operations in ``Answers``: an operation that is not there gets status 400 and stands in
  ``server.unknown``, which a test should find empty;
- the posts of ``file_stream``, with history, summary, events and console output by line offset;
- uploads and downloads of a run's files and of artifacts' files.

A run that is silent for ``crash_after`` seconds counts as crashed. Outages are switched at any moment:
``refuse``, ``fail``, ``slow`` and ``hang`` begin one, ``come_back`` and ``heal`` end it.
"""

# ruff: noqa: N802, N815 - methods are named like the operations and requests that they answer

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import itertools
import json
import math
import os
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest

KEY = "0" * 40
ENTITY = "legm-tests"
CHUNKED = ("wandb-history.jsonl", "wandb-events.jsonl", "output.log")


def now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Run:
    """One run as the server holds it; ``name`` is the run's id in the SDK's words."""

    entity: str
    project: str
    name: str
    serial: int
    display_name: str = ""
    group: str | None = None
    job_type: str | None = None
    notes: str | None = None
    description: str | None = None
    commit: str | None = None
    tags: list[str] = field(default_factory=list)
    state: str = "running"
    exit_code: int | None = None
    created_at: str = field(default_factory=now)
    heard_at: str = field(default_factory=now)
    heard: float = field(default_factory=time.monotonic)
    raw_config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in CHUNKED})
    files: dict[str, bytes] = field(default_factory=dict)
    artifacts: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def storage_id(self) -> str:
        return base64.b64encode(f"Run:v1:{self.name}:{self.project}:{self.entity}".encode()).decode()

    @property
    def config(self) -> dict[str, Any]:
        return {key: item["value"] for key, item in self.raw_config.items() if key != "_wandb"}

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines["wandb-events.jsonl"]]

    @property
    def output(self) -> list[str]:
        return self.lines["output.log"]

    def hears(self) -> None:
        self.heard, self.heard_at = time.monotonic(), now()


class Refusal(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Outage:
    """What goes wrong with requests whose kind contains ``only``."""

    only: str = ""
    status: int = 0
    applied: bool = False
    seconds: float = 0.0
    silent: bool = False
    over: threading.Event = field(default_factory=threading.Event)


class WandbServer:
    """The server's state, its switches and its listening socket."""

    def __init__(self, *, crash_after: float = 300.0) -> None:
        self.runs: dict[tuple[str, str, str], Run] = {}
        self.deleted: set[tuple[str, str, str]] = set()  # W&B never takes the id of a deleted run again
        self.projects: dict[tuple[str, str], str] = {}  # when it was made
        self.blobs: dict[str, bytes] = {}  # files of artifacts by the path of their address
        self.requests: Counter[str] = Counter()  # by kind, and GraphQL's by operation besides
        self.unknown: list[str] = []
        self.received: list[bytes] | None = None  # the bodies of all requests, once a test sets it to a list
        self.crash_after = crash_after
        self.tells_count = (
            True  # whether UpsertBucket says how many rows a run has: the SDK writes after them
        )
        self.words = False  # whether numbers that are not finite are read back as words, such as "NaN"
        self.lock = threading.RLock()
        self.serial = itertools.count(1)
        self.connections: set[socket.socket] = set()
        self.outage = Outage()
        self.anchor = bound(0)  # does not listen: keeps the port while connections are refused
        self.port: int = self.anchor.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.listener: Listener | None = Listener(self)

    def run(self, name: str) -> Run:
        """The only run of this id in any project."""
        (found,) = (run for key, run in self.runs.items() if key[2] == name)
        return found

    # Outages

    def refuse(self) -> None:
        """Refuses connections and cuts the open ones; a request that was read may still be carried out."""
        if self.listener is not None:
            self.listener.shutdown()
            self.listener.server_close()
            self.listener = None
            self.cut()

    def come_back(self) -> None:
        if self.listener is None:
            self.listener = Listener(self)

    def fail(self, status: int = 500, *, only: str = "", applied: bool = False) -> None:
        """Answers with ``status``; with ``applied`` it does first what it was asked."""
        self._switch(Outage(only, status=status, applied=applied))

    def slow(self, seconds: float, *, only: str = "") -> None:
        self._switch(Outage(only, seconds=seconds))

    def hang(self, *, only: str = "") -> None:
        """Reads requests and never answers them: at the outage's end their connections are cut."""
        self._switch(Outage(only, silent=True))

    def heal(self) -> None:
        self.come_back()
        self._switch(Outage())

    def stop(self) -> None:
        self.refuse()
        self._switch(Outage())
        self.anchor.close()

    def cut(self) -> None:
        with self.lock:
            for connection in self.connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _switch(self, outage: Outage) -> None:
        before, self.outage = self.outage, outage
        before.over.set()

    # What requests do

    def dumps(self, value: Any) -> str:
        return json.dumps(words(value) if self.words else value)

    def file_stream(self, run: Run, body: dict[str, Any]) -> dict[str, Any]:
        for name, chunk in body.get("files", {}).items():
            content, offset = chunk["content"], chunk["offset"]
            if name == "wandb-summary.json":
                run.summary = json.loads(content[-1])
            elif name in run.lines:
                lines = run.lines[name]
                if offset > len(lines) and name != "output.log":
                    self.unknown.append(f"{name} of {run.name} has {len(lines)} lines and got line {offset}")
                lines.extend([""] * (offset - len(lines)))
                lines[offset : offset + len(content)] = content
                if name == CHUNKED[0]:
                    run.history.extend({} for _ in range(offset - len(run.history)))
                    run.history[offset : offset + len(content)] = map(json.loads, content)
            else:
                self.unknown.append(f"file_stream {name}")
        if body.get("complete"):
            run.exit_code = body.get("exitcode")
            run.state = "failed" if run.exit_code else "finished"
        else:
            run.state = "running"
        run.hears()
        return {"exitcode": None, "limits": {}}

    def graphql(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        for run in self.runs.values():
            if run.state == "running" and time.monotonic() - run.heard > self.crash_after:
                run.state = "crashed"
        found = re.search(r"\b(?:query|mutation)\s+(\w+)", query)
        operation = found[1] if found else "without a name"
        self.requests[operation] += 1
        answer: Callable[[str, dict[str, Any]], dict[str, Any]] | None
        answer = getattr(Answers(self), operation, None)
        if answer is None:
            self.unknown.append(operation)
            raise Refusal(400, f"the stand-in does not know the operation {operation}")
        return answer(query, variables)


class Answers:
    """The GraphQL operations, each a method that has its name.

    They answer with more fields than were asked for where the SDK does not mind.
    """

    def __init__(self, server: WandbServer) -> None:
        self.server = server

    # The account

    def Viewer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        teams = {"edges": [{"node": {"name": ENTITY}}]}
        names = {"id": "VXNlcjox", "entity": ENTITY, "username": ENTITY, "name": ENTITY, "flags": "{}"}
        return {"viewer": {**names, "email": "tests@localhost", "admin": False, "teams": teams}}

    GetViewer = GetDefaultEntity = Viewer

    def ServerFeaturesQuery(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        return {"serverInfo": {"features": []}}

    def OrganizationCoreWeaveOrganizationID(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        return {"entity": {"organization": {"coreWeaveOrganizationId": None}}}

    # Projects

    def GetProjects(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        entity = variables.get("entity") or ENTITY
        nodes = [project_node(*key, made) for key, made in self.server.projects.items() if key[0] == entity]
        return {"models": page(nodes, variables.get("cursor"), variables["perPage"])}

    def GetProject(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        key = variables["entity"], variables["name"]
        made = self.server.projects.get(key)
        return {"project": project_node(*key, made) if made else None}

    # Runs that are written

    def UpsertBucket(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        server = self.server
        by_id = [run for run in server.runs.values() if run.storage_id == variables.get("id")]
        inserted = False
        if variables.get("name") and not by_id:
            entity, project = variables.get("entity") or ENTITY, variables.get("project") or "uncategorized"
            server.projects.setdefault((entity, project), now())
            key = entity, project, variables["name"]
            inserted = key not in server.runs
            if key in server.deleted:
                raise Refusal(409, f"run {'/'.join(key)} was previously created and deleted")
            if inserted:
                server.runs[key] = Run(*key, serial=next(server.serial), display_name=key[2])
            run = server.runs[key]
            run.state = variables.get("state") or "running"
            run.hears()
        elif by_id:
            run = by_id[0]
        else:
            raise Refusal(404, "no run has this id")
        words = {"groupName": "group", "jobType": "job_type", "displayName": "display_name"}
        words |= {
            "display_name": "display_name",
            "notes": "notes",
            "tags": "tags",
            "description": "description",
        }
        for variable, attribute in words.items():
            if variables.get(variable) is not None:
                setattr(run, attribute, variables[variable])
        if variables.get("config") is not None:
            run.raw_config = json.loads(variables["config"])
        if variables.get("summaryMetrics") is not None:
            run.summary = json.loads(variables["summaryMetrics"])
        entity_node = {"id": "RW50aXR5", "name": run.entity}
        bucket = {
            **run_node(server, run),
            "historyLineCount": len(run.history) if server.tells_count else None,
            "project": {"id": "UHJvamVjdA==", "name": run.project, "entity": entity_node},
        }
        return {"upsertBucket": {"bucket": bucket, "inserted": inserted}}

    def RunResumeStatus(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        entity = variables.get("entity") or ENTITY
        run = self.server.runs.get((entity, variables["project"], variables["name"]))
        if (entity, variables["project"]) not in self.server.projects:
            return {"model": None}
        bucket = None
        if run is not None:
            bucket = run_node(self.server, run)
            counts = (("history", CHUNKED[0]), ("events", CHUNKED[1]), ("log", CHUNKED[2]))
            bucket |= {f"{word}LineCount": len(run.lines[name]) for word, name in counts}
            bucket |= {f"{word}Tail": json.dumps(run.lines[name][-1:]) for word, name in counts[:2]}
            bucket["wandbConfig"] = json.dumps(
                {"t": run.raw_config.get("_wandb", {}).get("value", {}).get("t")}
            )
        model = {
            "id": "UHJvamVjdA==",
            "name": variables["project"],
            "entity": {"id": "RW50aXR5", "name": entity},
        }
        return {"model": {**model, "bucket": bucket}}

    def CreateRunFiles(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        key = variables["entity"] or ENTITY, variables["project"], variables["run"]
        run = self.server.runs.get(key)
        if run is None:
            raise Refusal(404, "no such run")
        files = [{"name": name, "uploadUrl": file_url(self.server, run, name)} for name in variables["files"]]
        return {"createRunFiles": {"runID": run.storage_id, "uploadHeaders": [], "files": files}}

    def DeleteRun(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        for key, run in list(self.server.runs.items()):
            if run.storage_id == variables["id"]:
                del self.server.runs[key]
                self.server.deleted.add(key)
                return {"deleteRun": {"clientMutationId": None}}
        raise Refusal(404, "no run has this id")

    def deleteFiles(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        for run in self.server.runs.values():
            for name in [name for name in run.files if file_id(run, name) in variables["files"]]:
                del run.files[name]
        return {"deleteFiles": {"success": True}}

    # Runs that are read

    def Runs(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        key = variables["entity"], variables["project"]
        if key not in self.server.projects:
            return {"project": None}
        wanted = json.loads(variables.get("filters") or "{}")
        try:
            runs = [run for run in self.server.runs.values() if run_key(run) == key and matches(run, wanted)]
            order = variables.get("order") or "+created_at"
            runs.sort(key=lambda run: sort_key(run, order.lstrip("+-")), reverse=order.startswith("-"))
        except LookupError as problem:
            self.server.unknown.append(f"Runs: {problem}")
            raise Refusal(400, f"the stand-in does not know {problem}") from None
        nodes = [run_node(self.server, run, query) for run in runs]
        connection = page(nodes, variables.get("cursor"), variables["perPage"])
        return {"project": {"internalId": "1", "runCount": len(runs), "readOnly": False, "runs": connection}}

    def Run(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        return self._read(variables, lambda run: run_node(self.server, run, query))

    def RunState(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        return self._read(variables, lambda run: run_node(self.server, run, query))

    def RunHistoryKeys(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        return self._read(variables, lambda run: {"historyKeys": history_keys(run)})

    def RunParquetHistory(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        def answer(run: Run) -> dict[str, Any]:
            live = [{"_step": row["_step"]} for row in run.history if row]
            return {"parquetHistory": {"parquetUrls": [], "liveData": live}}

        return self._read(variables, answer)

    def HistoryPage(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        def answer(run: Run) -> dict[str, Any]:
            steps = range(int(variables["minStep"]), int(variables["maxStep"]))
            rows = sorted(
                (row for row in run.history if row.get("_step") in steps), key=lambda row: row["_step"]
            )
            return {"history": [self.server.dumps(row) for row in rows[: variables["pageSize"]]]}

        return self._read(variables, answer)

    def SampledHistoryPage(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        return self._read(
            variables, lambda run: {"sampledHistory": [sampled(run, json.loads(variables["spec"]))]}
        )

    def RunSampledHistory(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        specs = [json.loads(spec) for spec in variables["specs"]]
        return self._read(variables, lambda run: {"sampledHistory": [sampled(run, spec) for spec in specs]})

    def RunFullHistory(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        def answer(run: Run) -> dict[str, Any]:
            count = variables["samples"]
            node = next(name for name in ("history", "events") if f"{name}(samples: $samples)" in query)
            rows = run.history if node == "history" else run.events
            return {node: [self.server.dumps(row) for row in thinned(rows, count)]}

        return self._read(variables, answer)

    def RunFiles(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        def answer(run: Run) -> dict[str, Any]:
            pattern = re.escape(variables.get("pattern") or "%").replace("%", ".*").replace("_", ".")
            names = variables.get("fileNames") or [n for n in sorted(run.files) if re.fullmatch(pattern, n)]
            nodes = [file_node(self.server, run, name) for name in names]
            limit = variables.get("fileLimit") or 50
            return {"fileCount": len(run.files), "files": page(nodes, variables.get("fileCursor"), limit)}

        return self._read(variables, answer)

    def _read(self, variables: dict[str, Any], answer: Callable[[Run], dict[str, Any]]) -> dict[str, Any]:
        key = variables["entity"], variables["project"]
        if key not in self.server.projects:
            return {"project": None}
        name = variables.get("name") or variables.get("run") or variables.get("runName")
        run = self.server.runs.get((*key, str(name)))
        return {"project": {"internalId": "1", "run": answer(run) if run else None}}

    # Artifacts: tables that are logged are such

    def ArtifactType(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        return {"project": {"artifact": None}}

    def CreateArtifact(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        given = variables["input"]
        name = given["artifactCollectionName"]
        key = given["entityName"], given["projectName"], given["runName"]
        artifact = {
            "name": name,
            "type": given["artifactTypeName"],
            "digest": given["digest"],
            "state": "PENDING",
            "description": given.get("description"),
            "metadata": given.get("metadata"),
            "client_id": given.get("clientID"),
        }
        versions = self.server.runs[key].artifacts
        artifact["version"] = sum(one["name"] == name for one in versions.values())
        made_id = artifact_id(*key, f"{name}:v{artifact['version']}")
        versions[made_id] = artifact
        sequence = {"latestArtifact": None}
        made = {"id": made_id, "state": "PENDING", "artifactSequence": sequence}
        return {"createArtifact": {"artifact": made}}

    def CreateArtifactManifest(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        path = f"/storage/artifacts/{variables['artifactID']}/{quote(variables['name'])}"
        file = {"id": path, "uploadUrl": self.server.url + path, "uploadHeaders": []}
        return {"createArtifactManifest": {"artifactManifest": {"id": variables["artifactID"], "file": file}}}

    def UpdateArtifactManifest(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        made = {**variables, "artifactID": variables["artifactManifestID"], "name": "wandb_manifest.json"}
        answer = self.CreateArtifactManifest(query, made)
        return {"updateArtifactManifest": answer["createArtifactManifest"]}

    def CreateArtifactFiles(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        edges = []
        for file in variables["input"]["artifactFiles"]:
            path = f"artifacts/{file['artifactID']}/{quote(file['name'])}"
            node = {
                "storagePath": path,
                "uploadUrl": f"{self.server.url}/storage/{path}",
                "uploadHeaders": [],
            }
            artifact = {"id": file["artifactID"]}
            edges.append({"node": {**node, "uploadMultipartUrls": None, "artifact": artifact}})
        return {"createArtifactFiles": {"files": {"edges": edges}}}

    def CommitArtifact(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        for run in self.server.runs.values():
            if variables["artifactID"] in run.artifacts:
                artifact = run.artifacts[variables["artifactID"]]
                artifact["state"] = "COMMITTED"
                return {
                    "commitArtifact": {
                        "artifact": {"id": variables["artifactID"], "digest": artifact["digest"]}
                    }
                }
        raise Refusal(404, "no such artifact")

    def RunOutputArtifacts(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        def answer(run: Run) -> dict[str, Any]:
            nodes = [artifact_node(run, key) for key in run.artifacts]
            connection = page(nodes, variables.get("cursor"), variables["perPage"])
            return {"artifacts": {"totalCount": len(nodes), **connection}}

        return self._read(variables, answer)

    def ClientIDMapping(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        found = [
            key
            for run in self.server.runs.values()
            for key, one in run.artifacts.items()
            if one["client_id"] == variables["clientID"]
        ]
        return {"clientIDMapping": {"serverID": found[0]} if found else None}

    def FetchArtifactManifest(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        url = f"{self.server.url}/storage/artifacts/{variables['id']}/wandb_manifest.json"
        return {"artifact": {"currentManifest": {"file": {"directUrl": url}}}}


# The pieces of answers


def page(nodes: list[dict[str, Any]], cursor: str | None, count: int) -> dict[str, Any]:
    start = int(cursor or 0)
    edges = [
        {"node": node, "cursor": str(start + n)} for n, node in enumerate(nodes[start : start + count], 1)
    ]
    end = edges[-1]["cursor"] if edges else None
    more = start + count < len(nodes)
    return {"edges": edges, "pageInfo": {"__typename": "PageInfo", "endCursor": end, "hasNextPage": more}}


def project_node(entity: str, name: str, made: str) -> dict[str, Any]:
    node = {"__typename": "Project", "id": "UHJvamVjdA==", "name": name, "entityName": entity}
    return {**node, "createdAt": made, "isBenchmark": False, "user": None}


def run_key(run: Run) -> tuple[str, str]:
    return run.entity, run.project


def run_node(server: WandbServer, run: Run, query: str = "summaryMetrics") -> dict[str, Any]:
    """One run; with what is large only where the query asks for it, since the SDK looks at what is there."""
    node = {
        "id": run.storage_id,
        "name": run.name,
        "projectId": "1",
        "displayName": run.display_name,
        "description": run.description,
        "notes": run.notes,
        "tags": run.tags,
        "group": run.group,
        "jobType": run.job_type,
        "state": run.state,
        "createdAt": run.created_at,
        "heartbeatAt": run.heard_at,
        "historyLineCount": len(run.lines[CHUNKED[0]]),
        "sweepName": None,
        "commit": run.commit,
        "readOnly": False,
        "user": {"name": ENTITY, "username": ENTITY},
    }
    if "summaryMetrics" in query:
        node |= {"config": json.dumps(run.raw_config), "summaryMetrics": server.dumps(run.summary)}
        node["systemMetrics"] = server.dumps({key: one for row in run.events for key, one in row.items()})
    if "historyKeys" in query:
        node["historyKeys"] = history_keys(run)
    return node


def words(value: Any) -> Any:
    """The value with words for the numbers that are not finite."""
    if isinstance(value, dict):
        return {key: words(item) for key, item in value.items()}
    if isinstance(value, list):
        return [words(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def history_keys(run: Run) -> dict[str, Any]:
    rows = [row for row in run.history if row]
    names = {name for row in rows for name in row}
    return {
        "sets": [],
        "keys": {name: {} for name in names},
        "lastStep": max([row["_step"] for row in rows] or [-1]),
    }


def sampled(run: Run, spec: dict[str, Any]) -> list[dict[str, Any]]:
    rows = [row for row in run.history if all(key in row for key in spec["keys"])]
    rows = [row for row in rows if spec.get("minStep", 0) <= row["_step"] < spec.get("maxStep", float("inf"))]
    return [words({key: row[key] for key in spec["keys"]}) for row in thinned(rows, spec.get("samples"))]


def thinned(items: list[Any], count: int | None) -> list[Any]:
    if count is None or len(items) <= count:
        return items
    return [items[n * len(items) // count] for n in range(count)]


def file_url(server: WandbServer, run: Run, name: str) -> str:
    return (
        f"{server.url}/storage/runs/{quote(run.entity)}/{quote(run.project)}/{quote(run.name)}/{quote(name)}"
    )


def file_id(run: Run, name: str) -> str:
    return base64.b64encode(f"File:{run.entity}/{run.project}/{run.name}/{name}".encode()).decode()


def artifact_id(entity: str, project: str, run: str, name: str) -> str:
    return base64.urlsafe_b64encode(f"{entity}/{project}/{run}/{name}".encode()).decode().rstrip("=")


def artifact_node(run: Run, key: str) -> dict[str, Any]:
    """One artifact that a run logged; here each that was logged is another version."""
    kept = run.artifacts[key]
    project = {"id": "UHJvamVjdA==", "internalId": "1", "name": run.project, "entity": {"name": run.entity}}
    node = {"id": key, "digest": kept["digest"], "state": kept["state"], "versionIndex": kept["version"]}
    node["artifactSequence"] = {"__typename": "ArtifactSequence", "name": kept["name"], "project": project}
    node |= {"artifactType": {"name": kept["type"]}, "createdAt": run.created_at, "updatedAt": None}
    node |= {name: kept[name] for name in ("description", "metadata")}
    node |= dict.fromkeys(("historyStep", "commitHash"))
    return {**node, "ttlDurationSeconds": -1, "ttlIsInherited": False, "tags": [], "size": 0, "fileCount": 0}


def file_node(server: WandbServer, run: Run, name: str) -> dict[str, Any]:
    """One file; of a name that has no file an empty one without a time, which the SDK's code counts on."""
    content, url = run.files.get(name), file_url(server, run, name)
    md5 = base64.b64encode(hashlib.md5(content or b"").digest()).decode()
    node = {"id": file_id(run, name), "name": name, "url": url, "directUrl": url, "mimetype": ""}
    there = content is not None
    return {
        **node,
        "sizeBytes": str(len(content or b"")),
        "updatedAt": run.heard_at if there else None,
        "md5": md5 if there else None,
    }


# Filters and orders in the manner of MongoDB, as wandb.Api().runs takes them


def values_of(run: Run, name: str) -> list[Any]:
    """What a filter's field may equal: several for a list."""
    if name.startswith("config."):
        value = run.config.get(name[len("config.") :].removesuffix(".value"))
    elif name.startswith("summary_metrics."):
        value = run.summary.get(name[len("summary_metrics.") :])
    else:
        fields = {"displayName": run.display_name, "display_name": run.display_name, "name": run.name}
        fields |= {"group": run.group, "jobType": run.job_type, "state": run.state, "tags": run.tags}
        fields |= {"createdAt": run.created_at, "created_at": run.created_at}
        fields |= {"heartbeatAt": run.heard_at, "heartbeat_at": run.heard_at}
        if name not in fields:
            raise LookupError(f"the field {name}")
        value = fields[name]
    return [*value, value] if isinstance(value, list) else [value]


COMPARISONS: dict[str, Callable[[list[Any], Any], bool]] = {
    "$eq": lambda values, wanted: any(same(value, wanted) for value in values),
    "$ne": lambda values, wanted: not any(same(value, wanted) for value in values),
    "$in": lambda values, wanted: any(same(value, item) for value in values for item in wanted),
    "$nin": lambda values, wanted: not any(same(value, item) for value in values for item in wanted),
    "$exists": lambda values, wanted: (values != [None]) == wanted,
    "$regex": lambda values, wanted: any(isinstance(v, str) and bool(re.search(wanted, v)) for v in values),
    "$gt": lambda values, wanted: any(comparable(v, wanted) and v > wanted for v in values),
    "$gte": lambda values, wanted: any(comparable(v, wanted) and v >= wanted for v in values),
    "$lt": lambda values, wanted: any(comparable(v, wanted) and v < wanted for v in values),
    "$lte": lambda values, wanted: any(comparable(v, wanted) and v <= wanted for v in values),
}


def same(value: Any, wanted: Any) -> bool:
    return isinstance(value, bool) == isinstance(wanted, bool) and value == wanted


def comparable(value: Any, wanted: Any) -> bool:
    return isinstance(value, str) == isinstance(wanted, str) and isinstance(value, (str, int, float))


def matches(run: Run, wanted: dict[str, Any]) -> bool:
    for name, condition in wanted.items():
        if name == "$and":
            fits = all(matches(run, part) for part in condition)
        elif name == "$or":
            fits = any(matches(run, part) for part in condition)
        elif name.startswith("$"):
            raise LookupError(f"the operator {name}")
        elif isinstance(condition, dict) and any(key.startswith("$") for key in condition):
            unknown = set(condition) - set(COMPARISONS)
            if unknown:
                raise LookupError(f"the operator {min(unknown)}")
            fits = all(COMPARISONS[key](values_of(run, name), item) for key, item in condition.items())
        else:
            fits = COMPARISONS["$eq"](values_of(run, name), condition)
        if not fits:
            return False
    return True


def sort_key(run: Run, order: str) -> tuple[Any, ...]:
    value = values_of(run, order)[-1]
    return value is not None, isinstance(value, str), value or 0, run.serial


# HTTP


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener

    def handle_one_request(self) -> None:
        with contextlib.suppress(OSError):  # the connection was cut
            super().handle_one_request()
            return
        self.close_connection = True

    def log_message(self, format: str, *arguments: Any) -> None:
        """Keeps quiet: ``server.requests`` counts."""

    def answer(self) -> None:
        owner = self.server.owner
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        kinds = ("graphql", "file_stream", "storage", "artifactsV2")
        kind = next((kind for kind in kinds if f"/{kind}" in self.path), "other")
        with owner.lock:
            owner.requests[kind] += 1
            if owner.received is not None:
                owner.received.append(self.path.encode() + body)
            outage = owner.outage if owner.outage.only in kind else Outage()
        if outage.silent:
            outage.over.wait()
            self.close_connection = True
            return
        if outage.seconds:
            outage.over.wait(outage.seconds)
        status, reply = outage.status or 200, b'{"errors": [{"message": "an outage of the stand-in"}]}'
        if not outage.status or outage.applied:
            with owner.lock:
                try:
                    done = self.carry_out(kind, body)
                except Refusal as refusal:
                    status, done = (
                        refusal.status,
                        json.dumps({"errors": [{"message": str(refusal)}]}).encode(),
                    )
            reply = reply if outage.status else done
        self.send_response(status)
        self.send_header("Content-Length", str(len(reply)))
        self.send_header(
            "Content-Type", "application/json" if kind != "storage" else "application/octet-stream"
        )
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply)

    do_GET = do_POST = do_PUT = do_HEAD = answer

    def carry_out(self, kind: str, body: bytes) -> bytes:
        owner = self.server.owner
        path = self.path.partition("?")[0]
        if kind == "storage":
            return self.store(path, body)
        user = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        if user != f"api:{KEY}":
            raise Refusal(401, "user is not logged in")
        if kind == "graphql":
            asked = json.loads(body)
            data = owner.graphql(asked["query"], asked.get("variables") or {})
            return json.dumps({"data": data}).encode()
        if kind == "file_stream":
            entity, project, name = (unquote(part) for part in path.split("/")[2:5])
            run = owner.runs.get((entity, project, name))
            if run is None:
                raise Refusal(404, "no such run")
            return json.dumps(owner.file_stream(run, json.loads(body))).encode()
        if kind == "artifactsV2":
            digest = path.split("/")[-2]
            for blob in owner.blobs.values():
                if hashlib.md5(blob).hexdigest() == digest:
                    return blob
            raise Refusal(404, "no such file")
        owner.unknown.append(f"{self.command} {path}")
        raise Refusal(400, "the stand-in does not know this address")

    def store(self, path: str, body: bytes) -> bytes:
        """Takes or gives the bytes of one file."""
        owner = self.server.owner
        first, *names = [unquote(part) for part in path.removeprefix("/storage/").split("/")]
        files, name = owner.blobs, path
        if first == "runs":
            run = owner.runs.get((names[0], names[1], names[2]))
            if run is None:
                raise Refusal(404, "no such run")
            files, name = run.files, "/".join(names[3:])
        if self.command == "PUT":
            files[name] = body
            return b""
        if name not in files:
            raise Refusal(404, "no such file")
        return files[name]


def bound(port: int) -> socket.socket:
    """A socket that shares its port with the others that were made here."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind(("127.0.0.1", port))
    return made


class Listener(ThreadingHTTPServer):
    """Takes connections on the port of its server."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, owner: WandbServer) -> None:
        super().__init__(("127.0.0.1", owner.port), Handler, bind_and_activate=False)
        self.owner = owner
        self.socket.close()
        self.socket = bound(owner.port)
        self.server_activate()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self.owner.lock:
            self.owner.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self.owner.lock:
            self.owner.connections.discard(request)
        super().shutdown_request(request)


# For tests


def environment(server: WandbServer, home: Path) -> dict[str, str]:
    """What a process that runs the SDK needs: nothing of the user's, everything below ``home``."""
    home.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    folders = {name: str(home) for name in ("HOME", "WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR")}
    quiet = {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
    account = {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY}
    direct = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    return {**kept, **folders, "WANDB_DATA_DIR": str(home), **quiet, **account, **direct}


@pytest.fixture
def wandb_server() -> Iterator[WandbServer]:
    with serving() as server:
        yield server
    assert not server.unknown


@contextlib.contextmanager
def serving() -> Iterator[WandbServer]:
    server = WandbServer()
    try:
        yield server
    finally:
        server.stop()
