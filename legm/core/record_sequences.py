"""Sequences of records that are made from others, one record at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import overload

from legm.records import Record

__all__ = ["LazyRecords"]


class LazyRecords(Sequence[Record]):
    """Records that are made whenever they are looked at, so that they are not in memory all at once.

    Args:
        makers: by position, what makes a record, an equal one each time.
    """

    def __init__(self, makers: Iterable[Callable[[], Record]]) -> None:
        self._makers = tuple(makers)

    def __len__(self) -> int:
        return len(self._makers)

    def __iter__(self) -> Iterator[Record]:
        return (make() for make in self._makers)

    @overload
    def __getitem__(self, at: int) -> Record: ...
    @overload
    def __getitem__(self, at: slice) -> LazyRecords: ...
    def __getitem__(self, at: int | slice) -> Record | LazyRecords:
        return LazyRecords(self._makers[at]) if isinstance(at, slice) else self._makers[at]()

    def makers(self) -> Sequence[Callable[[], Record]]:
        """By position, what makes a record."""
        return self._makers

    @classmethod
    def chained(cls, first: Sequence[Record], more: Sequence[Record]) -> LazyRecords:
        """Records after others, none of which is made for it."""
        return cls((*_makers_of(first), *_makers_of(more)))


def _makers_of(records: Sequence[Record]) -> Iterable[Callable[[], Record]]:
    return records.makers() if isinstance(records, LazyRecords) else map(_already, records)


def _already(record: Record) -> Callable[[], Record]:
    return lambda: record
