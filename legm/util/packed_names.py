"""Many names in little memory: a text takes four times its letters, and these take little more than those."""

from __future__ import annotations

import heapq
import itertools
import re
from array import array
from collections.abc import Iterable, Iterator

__all__ = ["PackedNames"]

_SORTED_AT_ONCE = 1000


class PackedNames:
    """Names of files, in their order, of which each is a text only while somebody looks at it.

    Args:
        names: the names, or paths; without NUL, as everywhere in a file system.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._packed = bytearray()
        self._number = 0
        self._starts: array[int] | None = None
        for name in names:
            self._packed += name.encode(errors="surrogateescape") + b"\0"
            self._number += 1

    @classmethod
    def sorted(cls, names: Iterable[str]) -> PackedNames:
        """Names by their order as texts, of which at most a thousand are in memory at once."""
        iterator, runs = iter(names), list[PackedNames]()
        while run := sorted(itertools.islice(iterator, _SORTED_AT_ONCE)):
            runs.append(cls(run))
        return runs[0] if len(runs) == 1 else cls(heapq.merge(*runs))

    def position(self, name: str) -> int:
        """Where a name is among names that are sorted; -1 where it is not among them."""
        if self._starts is None:
            ends = (match.end() for match in re.finditer(rb"\0", self._packed))
            self._starts = array("Q", itertools.chain((0,), ends))
        low, high = 0, self._number
        while low < high:
            middle = (low + high) // 2
            found = self._packed[self._starts[middle] : self._starts[middle + 1] - 1]
            other = found.decode(errors="surrogateescape")
            if other == name:
                return middle
            low, high = (middle + 1, high) if other < name else (low, middle)
        return -1

    def __len__(self) -> int:
        return self._number

    def __iter__(self) -> Iterator[str]:
        start, packed = 0, self._packed
        while (end := packed.find(b"\0", start)) >= 0:
            yield packed[start:end].decode(errors="surrogateescape")
            start = end + 1
