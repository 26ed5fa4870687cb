"""The versions of the installed distributions that a process has imported."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from legm.util.file_reading import read_file_start

__all__ = ["InstalledDistributions"]

_FOLDER = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+?)(?:-py[\d.]+)?\.(?:dist|egg)-info")
_VERSION = re.compile(r"^Version:\s*(\S+)", re.MULTILINE)
_NAME = re.compile(r"^Name:\s*(\S+)", re.MULTILINE)
_LARGEST = 20_000_000  # bytes of a list of files that are read
_START = 4096  # bytes at the beginning of the metadata that have name and version

_FILES = re.compile(rb'^"?([^/,"\r\n]+)(/?)(?:[^\n]*\n"?\1/)*', re.MULTILINE)
"""The files of one folder, as they follow each other in a list: a match for each of its thousands is slow."""


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
                found = _Distribution.in_folder(metadata)
                key = found and re.sub(r"[-_.]+", "-", found.name).lower()
                if found and key and key not in seen:  # the first one on the path is imported
                    seen.add(key)
                    for module in _distribution_modules(found):
                        self._of_module.setdefault(module, []).append(found)

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
                    name, version = one.stated_name_and_version()
                    found[name] = version
        return dict(sorted(found.items(), key=lambda pair: pair[0].lower()))


@dataclass(slots=True)
class _Distribution:
    """What is installed.

    Args:
        name: its name, in the form that its folder has.
        version: its version, as its folder has it.
        metadata: its folder.
    """

    name: str
    version: str
    metadata: str
    _stated: tuple[str, str] | None = None
    _below: dict[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def in_folder(cls, metadata: str) -> _Distribution | None:
        """What a folder of metadata is of; read only where its name does not tell."""
        named = _FOLDER.fullmatch(os.path.basename(metadata))  # noqa: PTH119 - for hundreds of them
        if named:
            return cls(named["name"], named["version"], metadata)
        stated = _distribution_name_and_version(metadata)
        return stated and cls(*stated, metadata, stated)

    def stated_name_and_version(self) -> tuple[str, str]:
        """As the metadata says, which is read once; the folder has the name in another form."""
        if self._stated is None:
            self._stated = _distribution_name_and_version(self.metadata) or (self.name, self.version)
        return self._stated

    def modules_below(self, top: str) -> frozenset[str]:
        """The modules that it installs below a top-level one, by the list of its files."""
        if top not in self._below:
            lines = _read_distribution_text(f"{self.metadata}/RECORD", _LARGEST).splitlines()
            parts = [line.partition(",")[0].split("/") for line in lines if line.startswith(top + "/")]
            self._below[top] = frozenset(one[1].partition(".")[0] for one in parts)
        return self._below[top]


def _distribution_metadata_folders(folder: str) -> list[str]:
    try:
        with os.scandir(folder or os.curdir) as entries:
            return sorted(one.path for one in entries if one.name.endswith((".dist-info", ".egg-info")))
    except OSError:  # a path that is not there, or an archive
        return []


def _distribution_name_and_version(metadata: str) -> tuple[str, str] | None:
    for path in (f"{metadata}/METADATA", f"{metadata}/PKG-INFO", metadata):
        head = _read_distribution_text(path, _START)
        if head:
            name, version = _NAME.search(head), _VERSION.search(head)
            return (name[1], version[1]) if name and version else None
    return None


def _distribution_modules(distribution: _Distribution) -> list[str]:
    listed = _read_distribution_text(f"{distribution.metadata}/top_level.txt", _LARGEST).split()
    names = [distribution.name]
    if not listed:
        record, has_folder = _read_distribution_bytes(f"{distribution.metadata}/RECORD", _LARGEST), False
        for found, slash in set(_FILES.findall(record)):
            top = found.decode("utf-8", "replace")
            if slash and top != ".." and not top.endswith((".dist-info", ".data", "__pycache__")):
                listed.append(top)
                has_folder = True
            elif not slash and top.endswith((".py", ".so", ".pyd")):
                listed.append(top.partition(".")[0])
        if not has_folder:
            names.append(distribution.stated_name_and_version()[0])
    # One that is installed for editing lists no files of its own, and its folder may have lower case only.
    modules = [*(one.partition("/")[0] for one in listed), *(re.sub(r"[-.]", "_", name) for name in names)]
    return list(dict.fromkeys(modules))


def _read_distribution_text(path: str, most: int) -> str:
    return _read_distribution_bytes(path, most).decode("utf-8", "replace")


def _read_distribution_bytes(path: str, most: int) -> bytes:
    """The first bytes of a file; nothing where it cannot be read, such as a folder."""
    try:
        return read_file_start(path, most)
    except OSError:
        return b""
