"""Uncommitted changes as one patch that ``git apply`` takes, without credentials and of limited size."""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from legm.core.credentials import redact_source
from legm.core.patch_reading import patch_file_name, unprefixed_patch_name

__all__ = [
    "LARGEST_FILE",
    "LARGEST_PATCH",
    "Patch",
    "in_patch_order",
    "is_source_code",
]

LARGEST_PATCH = 1_048_576
"""The most bytes of a patch that are kept."""
LARGEST_FILE = 262_144
"""The most bytes of one file's change, or of one untracked file, that are kept."""

_SOURCE_CODE = (
    *(".py", ".pyx", ".pxd", ".pyi", ".sh", ".c", ".cc", ".cpp", ".cu", ".cuh", ".h", ".hpp"),
    *(".jl", ".r", ".m", ".lua", ".rs", ".go", ".java", ".scala", ".js", ".ts"),
)
_KEPT_SECRETS = (
    *(".env", ".env.*", "*.pem", "*.key", "*.p12", "*.pfx", "id_rsa*", "id_ed25519*", "id_ecdsa*"),
    *(".netrc", ".npmrc", ".pypirc", ".git-credentials", "credentials*", "secrets*", "*.keystore"),
)
"""Names of files that hold nothing but secrets."""
_GROUP = 25  # lines that are searched at once for credentials, so that the training waits for none of it
_BINARY = re.compile(rb"^Binary files (.*) and (.*) differ$", re.MULTILINE)
_HUNK = re.compile(rb"^@@ ", re.MULTILINE)
_CREDENTIAL = "holds a credential"


def is_source_code(name: str) -> bool:
    """Whether a file's name says that it is a program."""
    return PurePosixPath(name).suffix.lower() in _SOURCE_CODE


@dataclass(slots=True)
class Patch:
    """A patch that is being made.

    Args:
        pieces: the change of each file in it.
        size: its bytes.
        left_out: by file, why its change is not in it.
        redacted: how many lines in it have a credential replaced.
        redact: gives a text without the credentials in it.
    """

    redact: Callable[[str], str] = redact_source

    pieces: list[bytes] = field(default_factory=list)
    size: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    redacted: int = 0
    _code: list[bytes] = field(default_factory=list)

    @property
    def content(self) -> bytes:
        """The patch; empty without a change in it."""
        return b"".join(self.pieces)

    @property
    def changes(self) -> str:
        """What distinguishes changes of the code from others: a hash; "" without a change of the code."""
        return hashlib.sha256(b"".join(self._code)).hexdigest()[:12] if self._code else ""

    def add_tracked(self, change: bytes) -> None:
        """Add what ``git diff`` says of one file."""
        head = change[: found.start()] if (found := _HUNK.search(change)) else change
        if head.count(b"\n") < 2:  # only its times have changed
            return
        name = patch_file_name(head)
        code = change
        if binary := _BINARY.search(head):
            self.left_out[unprefixed_patch_name(binary[2] if binary[2] != b"/dev/null" else binary[1])] = (
                "is binary"
            )
        elif len(change) > LARGEST_FILE:
            self.left_out[name] = f"its change has {len(change):,} bytes"
        else:
            redacted = _redacted_patch_change(head, change[len(head) :], self.redact)
            if redacted is None:
                self.left_out[name] = _CREDENTIAL
                code = head
            else:
                code = redacted[0]
                self._add(name, *redacted)
        if not name.endswith(".ipynb"):  # its outputs change with every run
            self._code.append(code)

    def add_untracked(self, top: Path, name: str, prefix: str = "") -> None:
        """Add a file that git does not know, if it is text.

        Args:
            top: the repository's folder.
            name: the file's path in it.
            prefix: stands before the path in the patch; for a repository in another one.
        """
        path, shown = top / name, prefix + name
        try:
            about = path.lstat()
            if not stat.S_ISREG(about.st_mode):
                self.left_out[shown] = "is not a file"
                return
            if about.st_size > LARGEST_FILE:
                self.left_out[shown] = f"has {about.st_size:,} bytes"
                content = f"{about.st_size}".encode()
            elif any(fnmatchcase(path.name.lower(), pattern) for pattern in _KEPT_SECRETS):
                self.left_out[shown] = "is named as one with credentials"
                return
            else:
                content = path.read_bytes()
                if b"\0" in content:
                    self.left_out[shown] = "is binary"
                else:
                    content = self._add_new_file(shown, content, about.st_mode)
        except OSError as error:
            self.left_out[shown] = f"cannot be read: {error.strerror or error}"
            return
        if is_source_code(name):
            self._code += [shown.encode("utf-8", "surrogateescape"), content]

    def note_change(self, what: str) -> None:
        """Note a change of the code that is not in the patch, such as another commit of a submodule."""
        self._code.append(what.encode("utf-8", "surrogateescape"))

    def _add_new_file(self, name: str, content: bytes, mode: int) -> bytes:
        lines = content.decode("utf-8", "surrogateescape").split("\n")
        redacted = _redacted_patch_lines(lines, self.redact)
        if redacted is None:
            self.left_out[name] = _CREDENTIAL
            return b""
        whole = "\n".join(redacted[0]).encode("utf-8", "surrogateescape")
        self._add(name, _new_file_patch(name, whole, mode), redacted[1])
        return whole

    def _add(self, name: str, change: bytes, redacted: int) -> None:
        if self.size + len(change) > LARGEST_PATCH:
            self.left_out[name] = f"the patch would have more than {LARGEST_PATCH:,} bytes"
            return
        self.pieces.append(change)
        self.size += len(change)
        self.redacted += redacted


# Credentials


def _redacted_patch_lines(lines: Sequence[str], redact: Callable[[str], str]) -> tuple[list[str], int] | None:
    """Lines without credentials and how many were changed; None where one goes over several lines."""
    redacted: list[str] = []
    for group in _patch_line_groups(lines):
        redacted += redact(group).split("\n")
    if len(redacted) != len(lines) or not _is_patch_clean(redacted, redact):
        return None
    return redacted, sum(a != b for a, b in zip(lines, redacted, strict=True))


def _is_patch_clean(lines: Sequence[str], redact: Callable[[str], str]) -> bool:
    return not any("PRIVATE KEY-----" in line for line in lines) and all(
        redact(group) == group for group in _patch_line_groups(lines, overlap=1)
    )


def _patch_line_groups(lines: Sequence[str], overlap: int = 0) -> Iterator[str]:
    for at in range(0, len(lines), _GROUP):
        yield "\n".join(lines[max(at - overlap, 0) : at + _GROUP])


def _redacted_patch_change(
    head: bytes, body: bytes, redact: Callable[[str], str]
) -> tuple[bytes, int] | None:
    """A file's change without credentials in what it adds; None where its surroundings hold one."""
    lines = body.decode("utf-8", "surrogateescape").split("\n")
    added = [at for at, line in enumerate(lines) if line.startswith("+")]
    redacted = _redacted_patch_lines([lines[at][1:] for at in added], redact)
    if redacted is None:
        return None
    for at, line in zip(added, redacted[0], strict=True):
        lines[at] = "+" + line
    for sign in "+-":  # the file after the change, and before it
        if not _is_patch_clean([line[1:] for line in lines if line[:1] in (sign, " ")], redact):
            return None
    return head + "\n".join(lines).encode("utf-8", "surrogateescape"), redacted[1]


# Files that git does not know


def _new_file_patch(name: str, content: bytes, mode: int) -> bytes:
    """What ``git diff`` would say of a new file."""
    after, before = _quoted_patch_name(f"b/{name}"), _quoted_patch_name(f"a/{name}")
    head = f"diff --git {before} {after}\nnew file mode {'100755' if mode & stat.S_IXUSR else '100644'}\n"
    if not content:
        return f"{head}index 0000000..e69de29\n".encode()
    lines = content.split(b"\n")
    ends = b""
    if lines[-1]:
        ends = b"\\ No newline at end of file\n"
    else:
        lines.pop()
    hunk = f"--- /dev/null\n+++ {after}\n@@ -0,0 +1,{len(lines)} @@\n"
    return (head + hunk).encode() + b"".join(b"+%b\n" % line for line in lines) + ends


def _quoted_patch_name(name: str) -> str:
    """A file's name as git writes it in a patch, where it has characters that need it."""
    raw = name.encode("utf-8", "surrogateescape")
    if all(32 <= byte < 127 and byte not in b'"\\' for byte in raw):
        return name
    short = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 34: '"', 92: "\\"}

    def shown(byte: int) -> str:
        if byte in short:
            return "\\" + short[byte]
        return chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"

    return '"' + "".join(map(shown, raw)) + '"'


def in_patch_order(names: Iterable[str]) -> list[str]:
    """Files that git does not know: programs first, since the patch may have no place for all."""
    return sorted(names, key=lambda name: (not is_source_code(name), name.count("/"), name))
