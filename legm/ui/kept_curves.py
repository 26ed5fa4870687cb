"""The curves of a configuration whose runs are in memory, made once: a zoom only chooses other points."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from legm.records import Curve, RunResult
from legm.report.curve_detail import CurveDetail
from legm.report.curve_source import CurveSource
from legm.stats.downsampling import Line

if TYPE_CHECKING:
    from legm.records import FloatArray

__all__ = ["KeptCurves"]

_MOST_DRAWN = 24  # choices of points


class KeptCurves(CurveSource):
    """Of runs that have all ended."""

    def __init__(self) -> None:
        self._curves: dict[str, list[Curve]] = {}
        self._known: set[int] = set()
        self._drawn: OrderedDict[tuple[int, CurveDetail, int], tuple[Line, FloatArray | None]] = OrderedDict()

    def curves(self, description: str, runs: Sequence[RunResult]) -> list[Curve]:
        """The averaged curves of the runs with a description."""
        if description not in self._curves:
            self._curves[description] = super().curves(description, runs)
            self._known.update(map(id, self._curves[description]))  # they are kept, so no other has their id
        return self._curves[description]

    def downsampled(self, curve: Curve, detail: CurveDetail, buckets: int) -> tuple[Line, FloatArray | None]:
        """What is drawn of a curve."""
        if id(curve) not in self._known:
            return super().downsampled(curve, detail, buckets)
        key = (id(curve), detail, buckets)
        if key not in self._drawn:
            self._drawn[key] = super().downsampled(curve, detail, buckets)
        self._drawn.move_to_end(key)
        if len(self._drawn) > _MOST_DRAWN:
            self._drawn.popitem(last=False)
        return self._drawn[key]
