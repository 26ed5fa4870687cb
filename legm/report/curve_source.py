"""Makes the curves of a row of the leaderboard, and chooses the points of them that are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from legm.records import Curve, RunResult
from legm.report.curve_detail import CurveDetail
from legm.stats.aggregate import aggregate_curves
from legm.stats.downsampling import Line

if TYPE_CHECKING:
    from legm.records import FloatArray

__all__ = ["CurveSource"]


class CurveSource:
    """Makes everything anew; another one may keep what it has made."""

    def curves(self, description: str, runs: Sequence[RunResult]) -> list[Curve]:
        """The averaged curves of a configuration's runs.

        Args:
            description: that of the runs.
            runs: those that count.
        """
        del description
        return aggregate_curves(runs)

    def downsampled(self, curve: Curve, detail: CurveDetail, buckets: int) -> tuple[Line, FloatArray | None]:
        """What is drawn of a curve; see :meth:`legm.report.curve_detail.CurveDetail.downsampled`.

        Args:
            curve: the curve.
            detail: how much of it.
            buckets: of the part that is in view.
        """
        return detail.downsampled(curve, buckets)
