"""Sequences of records that are made from others, one record at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from legm.records import Points, Record

__all__ = ["LazyRecords", "NumbersMaker", "records_without_numbers", "value_count_of_records"]


@dataclass(frozen=True, slots=True)
class NumbersMaker:
    """Makes a record of numbers, which takes time.

    Args:
        make: what makes it.
        count: the number of values that it has.
    """

    make: Callable[[], Points]
    count: int

    def __call__(self) -> Points:
        """The record."""
        return self.make()


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
        return cls((*_makers_of_records(first), *_makers_of_records(more)))


def _makers_of_records(records: Sequence[Record]) -> Iterable[Callable[[], Record]]:
    return records.makers() if isinstance(records, LazyRecords) else map(_record_already_made, records)


def _record_already_made(record: Record) -> Callable[[], Record]:
    return lambda: record


def records_without_numbers(records: Iterable[Record]) -> Iterator[Record]:
    """The records, with empty ones in the place of numbers that would have to be read first."""
    if not isinstance(records, LazyRecords):
        yield from records
        return
    import numpy as np

    whole, real = np.zeros(0, np.int64), np.zeros(0, np.float64)
    empty = Points((), np.zeros(0, np.uint32), whole, real, real)
    for make in records.makers():
        yield empty if isinstance(make, NumbersMaker) else make()


def value_count_of_records(records: Iterable[Record]) -> int:
    """The number of values in the records."""
    if isinstance(records, LazyRecords):
        return sum(
            make.count if isinstance(make, NumbersMaker) else value_count_of_records([make()])
            for make in records.makers()
        )
    return sum(len(record) for record in records if isinstance(record, Points))
