"""One script made of the page's ES modules, since a page that is opened from a file cannot import any."""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["bundle_modules"]

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let)\b)", re.MULTILINE)


def bundle_modules(entry: str, read: Callable[[str], str]) -> str:
    """Join a module and those that it imports, each after what it imports, in one scope.

    Names are unique in all modules, and each is imported by its own name, so the scope is the modules' own.

    Args:
        entry: the name of the module that begins.
        read: gives the source of a module by its name.

    Returns:
        a script without imports and exports.
    """
    found: dict[str, str] = {}

    def add(name: str, importing: tuple[str, ...]) -> None:
        if name in found or name in importing:
            return
        source = read(name)
        for imported in _IMPORT.findall(source):
            add(imported, (*importing, name))
        found[name] = _EXPORT.sub("", _IMPORT.sub("", source))

    add(entry, ())
    return "\n".join(found.values())
