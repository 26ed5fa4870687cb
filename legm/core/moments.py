"""Times as users type them: a year, a month, a day, or a time of a day."""

from __future__ import annotations

import datetime
import re

__all__ = ["moment_span"]

_FORM = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2})"
    r"(?:[T ]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:\.\d{1,6})?))?"
    r"\s*(?P<zone>Z|[+-]\d{2}:?\d{2})?)?)?)?"
)


def moment_span(text: str) -> tuple[float, float]:
    """The span that a text names: a whole year, month, day, minute or second, in local time.

    Args:
        text: ``2026``, ``2026-01``, ``2026-01-31``, ``2026-01-31 18:30`` or ``2026-01-31T18:30:05``; the
            last two may end in a time zone, ``Z`` or ``+01:00``.

    Returns:
        its start and its end, which is not part of it, in seconds since 1970.

    Raises:
        ValueError: no calendar has it.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError("it has another form")
    year, month, day = (int(found[name] or 1) for name in ("year", "month", "day"))
    seconds = float(found["second"] or 0)
    try:
        start = datetime.datetime(
            *(year, month, day, int(found["hour"] or 0), int(found["minute"] or 0)),
            second=int(seconds),
            microsecond=round(seconds % 1 * 1e6) % 1_000_000,
            tzinfo=_moment_zone(found["zone"]),
        )
        if found["month"] is None:
            end = start.replace(year=year + 1)
        elif found["day"] is None:
            end = start.replace(year=year + month // 12, month=month % 12 + 1)
        elif found["hour"] is None:
            end = start + datetime.timedelta(days=1)
        else:
            end = start + datetime.timedelta(seconds=1 if found["second"] else 60)
        return start.timestamp(), end.timestamp()
    except (OverflowError, OSError) as cause:
        raise ValueError(str(cause)) from cause


def _moment_zone(text: str | None) -> datetime.tzinfo | None:
    if text is None:
        return None
    if text == "Z":
        return datetime.timezone.utc
    sign = -1 if text[0] == "-" else 1
    hours, minutes = int(text[1:3]), int(text[-2:])
    return datetime.timezone(sign * datetime.timedelta(hours=hours, minutes=minutes))
