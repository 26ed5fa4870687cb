"""Where an external run comes from, under the names that a run's environment has for it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from legm.core.credentials import redact, redact_url_user
from legm.errors import LegmError
from legm.importers.external_run import ExternalFile
from legm.records import Plain

__all__ = ["external_origin", "origin_in_files"]

_REQUIREMENT = re.compile(r"([A-Za-z0-9][\w.-]*)==([\w.+!-]+)")
_LARGEST = 16 << 20  # bytes


def external_origin(
    *,
    script: Any = "",
    arguments: Sequence[Any] | None = None,
    commit: Any = "",
    branch: Any = "",
    remote: Any = "",
    others: Mapping[str, Any] | None = None,
) -> dict[str, Plain]:
    """The facts as a run's environment has them, without credentials; what is no text or empty is left out.

    Args:
        script: the program's file.
        arguments: its arguments; None where they are unknown.
        commit: of git.
        branch: of git.
        remote: the address that the repository is exchanged with.
        others: further facts by the names of the environment.
    """
    texts = {"commit": commit, "branch": branch, "remote": remote}
    git = {name: value for name, value in texts.items() if isinstance(value, str) and value}
    if "remote" in git:
        git["remote"] = redact_url_user(git["remote"])
    found: dict[str, Plain] = {**(others or {}), "script": script, "git": git}
    if arguments is not None and script:
        found["command"] = redact("command", ["python", str(script), *map(str, arguments)])
    kept: dict[str, Plain] = redact("", {name: v for name, v in found.items() if v not in ("", {}, None)})
    return kept


def origin_in_files(
    files: Callable[[], Iterable[ExternalFile]], known: Mapping[str, Plain]
) -> dict[str, Plain]:
    """The facts with those that are in W&B's own files of a run: its changes, and its requirements.

    Args:
        files: of the run.
        known: what is known without them.
    """
    found = dict(known)
    try:
        for file in files():
            name = PurePosixPath(file.name)
            if name.name not in {"diff.patch", "requirements.txt"} or len(name.parts) > 2:
                continue
            with file.open() as opened:
                content = opened.read(_LARGEST)
            if name.name == "requirements.txt":
                lines = content.decode("utf-8", "replace").splitlines()
                pins = [pin for line in lines if (pin := _REQUIREMENT.fullmatch(line.strip()))]
                found["distributions"] = {pin[1]: pin[2] for pin in pins}
            elif content:
                digest = hashlib.sha256(content).hexdigest()
                patch = {"file": file.name, "sha256": digest, "bytes": len(content)}
                git = dict(found.get("git") or {})
                found["git"] = {**git, "dirty": True, "changes": digest[:12], "patch": patch}
    except (LegmError, OSError):  # the import of the files themselves says so
        return found
    return {name: value for name, value in found.items() if value}
