"""Collects where a run comes from, on a thread of its own: the training waits for none of it.

What costs nothing is known when the run begins: the command, the script, the scheduler's ids, the cell of a
notebook. The repository and the machine follow within a moment, and the versions of what was imported when
the run ends. A process asks git once, when its first run begins, since that is the code that it runs; in a
notebook, every time.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from legm.core.credentials import REDACTED, redact, redact_source
from legm.core.origins import CHANGES_FILE
from legm.errors import LegmError
from legm.provenance.notebook import is_interactive, read_notebook
from legm.provenance.scheduler import read_scheduler
from legm.records import Artifact, EnvironmentUpdate, Plain
from legm.runlog.user_files import UserFiles
from legm.util.background_pace import BackgroundPace
from legm.util.real_libraries import real_module_names

if TYPE_CHECKING:
    from legm.provenance.distributions import InstalledDistributions
    from legm.provenance.git import GitState
    from legm.runlog.recorder import Recorder

__all__ = ["SWITCH", "ProvenanceCollector", "collect_started_environment", "is_provenance_wanted"]

log = logging.getLogger(__name__)

SWITCH = "LEGM_PROVENANCE"
"""The environment variable that switches provenance off by 0."""

_PATIENCE = 3.0  # seconds that the end of a run waits for what is being collected
_LULL = 0.1  # seconds after which collecting begins, so that start() does not share the interpreter with it
_SHORTEST = 4  # characters of a credential that is replaced inside of other text


def is_provenance_wanted(given: bool) -> bool:
    """Whether to collect where runs come from: as the handler's user says, and the environment allows.

    Args:
        given: the handler's argument.
    """
    return bool(given) and os.environ.get(SWITCH, "").strip().lower() not in ("0", "false", "no", "off")


def _collected_script() -> Path | None:
    """The program's file, where the process runs one that is there."""
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    if path is None:
        notebook = read_notebook().get("path")
        path = notebook if notebook and os.path.isabs(notebook) else None  # noqa: PTH117
    try:
        return None if path is None else Path(path).resolve(strict=True)
    except OSError:
        return None


def _collected_working_folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - a text
    except OSError:  # it was deleted
        return ""


class _CollectedRedaction:
    """Replaces the user's credentials, and whatever has the form of one.

    Args:
        secrets: texts that are credentials.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self.secrets = sorted(set(secrets) - {""}, key=len, reverse=True)

    def text(self, text: str) -> str:
        """A text without credentials."""
        for secret in self.secrets:
            if len(secret) >= _SHORTEST:
                text = text.replace(secret, REDACTED)
        return redact_source(text)

    def argument(self, text: str) -> str:
        """An argument of a command, which may be short."""
        for secret in self.secrets:
            if text == secret or text.endswith("=" + secret):
                return text.removesuffix(secret) + REDACTED
        return self.text(text)

    def plain(self, value: Plain) -> Plain:
        """A plain value without credentials, whose texts are valid."""
        if isinstance(value, str):
            return self.text(value).encode("utf-8", "backslashreplace").decode()
        if isinstance(value, dict):
            return {name: self.plain(item) for name, item in value.items()}
        return [self.plain(item) for item in value] if isinstance(value, list) else value


def collect_started_environment(secrets: Iterable[str] = ()) -> dict[str, Plain]:
    """What is known when a run begins, without credentials.

    Args:
        secrets: texts that are credentials, beside what has the form of one.
    """
    redaction = _CollectedRedaction(secrets)
    script = _collected_script()
    known: dict[str, Plain] = {
        "script": None if script is None else str(script),
        "folder": _collected_working_folder(),
        "scheduler": read_scheduler(os.environ),
        "notebook": read_notebook(),
    }
    command = _redacted_collected_command(tuple(sys.orig_argv), tuple(redaction.secrets))
    found = {"command": list(command), **{name: redaction.plain(value) for name, value in known.items()}}
    return {name: value for name, value in found.items() if value}


@functools.lru_cache(maxsize=4)
def _redacted_collected_command(arguments: tuple[str, ...], secrets: tuple[str, ...]) -> tuple[Plain, ...]:
    """A command's arguments without credentials; a process has one, maybe a long one, for all its runs."""
    redaction = _CollectedRedaction(secrets)
    return tuple(redaction.plain(redaction.argument(one)) for one in redact("command", list(arguments)))


class _ProcessFacts:
    """What is the same for all runs of a process, collected once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.git: dict[tuple[Any, ...], GitState | None] = {}
        self.machine: dict[str, Plain] | None = None
        self.distributions: InstalledDistributions | None = None


_facts = _ProcessFacts()


def _forget_collected_facts() -> None:
    """Of a forked child the parent's thread is not a part, which may have been collecting."""
    global _facts  # noqa: PLW0603 - it is the process's
    _facts = _ProcessFacts()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_collected_facts)


class ProvenanceCollector:
    """Collects where one run comes from, and records it.

    Args:
        recorder: of the run; it raises a :class:`~legm.errors.LegmError` where the run has ended.
        files: of the run.
        leave_out: a folder whose files are none of the code: that of all runs.
        secrets: texts that are credentials, beside what has the form of one.
        is_resumed: whether another process began the run.
    """

    def __init__(
        self,
        recorder: Recorder,
        files: UserFiles,
        leave_out: Path,
        secrets: Iterable[str] = (),
        *,
        is_resumed: bool = False,
    ) -> None:
        self._recorder = recorder
        self._files = files
        self._leave_out = leave_out
        self._redaction = _CollectedRedaction(secrets)
        self._is_resumed = is_resumed
        self._lock = threading.RLock()  # guards what follows; the end of a run may interrupt itself
        self._found: dict[str, Plain] = {}
        self._recorded: dict[str, Plain] = {}
        self._changes: Artifact | None = None
        self._is_over = False
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._collect, name="legm-provenance", daemon=True)

    def start(self) -> None:
        """Begin to collect."""
        try:
            self._thread.start()
        except RuntimeError as error:  # the interpreter is shutting down
            log.info("where the run comes from is not recorded: %s", error)

    def note_error(self, error: BaseException) -> None:
        """Do nothing: an error says nothing of where the run comes from."""

    def end(self) -> list[Artifact | EnvironmentUpdate]:
        """Stop collecting, after waiting a little for git.

        Returns:
            what was found and is not recorded yet, with the versions of what the process has imported; none
            at a second call.
        """
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._hurry.set()
            self._thread.join(_PATIENCE)
        if self._thread.is_alive():
            log.info("the run ended before all was known of where it comes from")
        distributions = _facts.distributions
        imported = {} if distributions is None else distributions.imported(real_module_names())
        with self._lock:
            if self._is_over:
                return []
            self._is_over = True
            if imported:
                self._found["distributions"] = dict(imported)
            return self._unrecorded()

    # On the thread

    def _collect(self) -> None:
        self._hurry.wait(_LULL)
        if self._recorder.is_closed:  # its handler was dropped
            return
        try:
            self._collect_git()
            self._collect_rest()
        except LegmError as error:  # the run has ended, or its folder cannot be written
            log.info("where the run comes from is not recorded completely: %s", error)
        except Exception as error:  # noqa: BLE001 - training continues
            log.warning("where the run comes from is not recorded completely: %r", error)

    def _collect_git(self) -> None:
        from legm.provenance.git import read_git_head, read_git_state

        facts, script, folder = _facts, _collected_script(), Path(_collected_working_folder() or os.sep)
        key = (script, folder, self._leave_out, tuple(self._redaction.secrets))
        if key not in facts.git:
            head = read_git_head(script, folder)
            if head is not None:  # known at once, also by a run that is killed in its first second
                self._report({"git": head.as_environment()})
        with facts.lock:
            if key not in facts.git or is_interactive():
                facts.git[key] = read_git_state(
                    script, folder, self._leave_out, self._redaction.text, BackgroundPace(self._hurry).pause
                )
            state = facts.git[key]
        if state is None:
            return
        found, content = state.as_environment(), state.patch.content
        if content:
            found |= self._keep_changes(content)
        self._report({"git": found})

    def _keep_changes(self, content: bytes) -> dict[str, Plain]:
        """Keep the patch as a file of the run; returns what the environment says of it."""
        digest = hashlib.sha256(content).hexdigest()
        name = CHANGES_FILE
        if self._is_resumed:  # it has the changes of its first stretch
            name = CHANGES_FILE.replace(".", f"-{digest[:12]}.")
        with tempfile.TemporaryDirectory(prefix="legm-") as temporary:
            source = Path(temporary, name)
            source.write_bytes(content)
            try:
                kept = self._files.keep(source, name)
            except (LegmError, OSError) as error:
                log.warning("the uncommitted changes cannot be kept with the run: %s", error)
                return {"problem": f"the uncommitted changes could not be kept: {error}"}
        self._changes = Artifact(name, str(kept))
        return {"patch": {"file": name, "sha256": digest, "bytes": len(content)}}

    def _collect_rest(self) -> None:
        from legm.provenance.distributions import InstalledDistributions
        from legm.provenance.machine import read_machine

        facts = _facts
        with facts.lock:
            if facts.distributions is None:
                pause = BackgroundPace(self._hurry).pause
                facts.distributions = InstalledDistributions(list(sys.path), pause)
                facts.distributions.imported(real_module_names())  # so that the end of the run reads little
            if facts.machine is None:
                facts.machine = read_machine()
        self._report(facts.machine)

    def _report(self, found: dict[str, Plain]) -> None:
        with self._lock:
            if self._is_over:
                return
            self._found |= self._redaction.plain(found)
            for record in self._unrecorded():
                self._recorder.add_record(record)

    def _unrecorded(self) -> list[Artifact | EnvironmentUpdate]:
        """What was found since this was called last, as records."""
        new = {name: value for name, value in self._found.items() if self._recorded.get(name) != value}
        self._recorded |= new
        changes, self._changes = self._changes, None
        records: list[Artifact | EnvironmentUpdate] = [] if changes is None else [changes]
        return [*records, EnvironmentUpdate(new)] if new else records
