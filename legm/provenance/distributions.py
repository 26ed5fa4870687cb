"""The versions of the installed distributions that a process has imported."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["InstalledDistributions"]

_FOLDER = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+?)(?:-py[\d.]+)?\.(?:dist|egg)-info")
_VERSION = re.compile(r"^Version:\s*(\S+)", re.MULTILINE)
_NAME = re.compile(r"^Name:\s*(\S+)", re.MULTILINE)
_LARGEST = 20_000_000


class InstalledDistributions:
    """Which distribution each module belongs to; importing nothing, and reading little.

    Args:
        path: the folders that modules are imported from, such as ``sys.path``.
        pause: is called after each piece of work, so that other threads may run.
    """

    def __init__(self, path: Iterable[str], pause: Callable[[], None] = lambda: None) -> None:
        self._of_module: dict[str, list[_Distribution]] = {}
        """By name of a top-level module; several where they share it, as those of Google do."""
        seen: set[str] = set()
        for folder in dict.fromkeys(path):
            for metadata in _distribution_metadata_folders(folder):
                pause()
                found = _distribution_name_and_version(metadata)
                key = found and re.sub(r"[-_.]+", "-", found[0]).lower()
                if found and key and key not in seen:  # the first one on the path is imported
                    seen.add(key)
                    for module in _distribution_modules(metadata, found[0]):
                        self._of_module.setdefault(module, []).append(_Distribution(*found, metadata))

    def imported(self, modules: Iterable[str]) -> dict[str, str]:
        """The versions by distribution, of those that modules are of.

        Args:
            modules: full names, such as the keys of ``sys.modules``.
        """
        below: dict[str, set[str]] = {}
        for name in modules:
            top, _, rest = name.partition(".")
            below.setdefault(top, set()).add(rest.partition(".")[0])
        found = {}
        for top in below.keys() & self._of_module.keys() - sys.stdlib_module_names:
            of_module = self._of_module[top]
            for one in of_module:
                if len(of_module) == 1 or not below[top].isdisjoint(one.modules_below(top)):
                    found[one.name] = one.version
        return dict(sorted(found.items(), key=lambda pair: pair[0].lower()))


@dataclass(slots=True)
class _Distribution:
    name: str
    version: str
    metadata: Path
    _below: dict[str, frozenset[str]] = field(default_factory=dict)

    def modules_below(self, top: str) -> frozenset[str]:
        """The modules that it installs below a top-level one, by the list of its files."""
        if top not in self._below:
            lines = _read_distribution_start(self.metadata / "RECORD", _LARGEST).splitlines()
            parts = [line.partition(",")[0].split("/") for line in lines if line.startswith(top + "/")]
            self._below[top] = frozenset(one[1].partition(".")[0] for one in parts)
        return self._below[top]


def _distribution_metadata_folders(folder: str) -> list[Path]:
    try:
        with os.scandir(folder or os.curdir) as entries:
            return sorted(Path(one.path) for one in entries if one.name.endswith((".dist-info", ".egg-info")))
    except OSError:  # a path that is not there, or an archive
        return []


def _distribution_name_and_version(metadata: Path) -> tuple[str, str] | None:
    """As the metadata says; the folder's name has the version, but the name in another form."""
    head = (
        _read_distribution_start(metadata / "METADATA")
        or _read_distribution_start(metadata / "PKG-INFO")
        or _read_distribution_start(metadata)
    )
    name, version = _NAME.search(head), _VERSION.search(head)
    if name and version:
        return name[1], version[1]
    named = _FOLDER.fullmatch(metadata.name)
    return (named["name"], named["version"]) if named else None


def _distribution_modules(metadata: Path, name: str) -> list[str]:
    listed = _read_distribution_start(metadata / "top_level.txt", _LARGEST).split()
    if not listed:
        for line in _read_distribution_start(metadata / "RECORD", _LARGEST).splitlines():
            path = line.partition(",")[0].strip('"')
            top, _, inside = path.partition("/")
            if inside and top != ".." and not top.endswith((".dist-info", ".data", "__pycache__")):
                listed.append(top)
            elif not inside and top.endswith((".py", ".so", ".pyd")):
                listed.append(top.partition(".")[0])
    listed.append(re.sub(r"[-.]", "_", name))  # one that is installed for editing lists no files
    return list(dict.fromkeys(one.partition("/")[0] for one in listed))


def _read_distribution_start(path: Path, size: int = 4096) -> str:
    try:
        with path.open("rb") as file:
            return file.read(size).decode("utf-8", "replace")
    except OSError:
        return ""
