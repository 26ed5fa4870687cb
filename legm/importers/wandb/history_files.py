"""Media of a W&B run that have no file: the histograms in its history."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Iterator
from functools import partial

from legm.importers.external_run import ExternalFile, ExternalMedium

__all__ = ["histogram_files"]


def histogram_files(histograms: Iterable[tuple[ExternalMedium, bytes]]) -> Iterator[ExternalFile]:
    """Files with the contents of histograms, which take little memory until they are opened.

    Args:
        histograms: what each is, and its content.
    """
    for medium, content in histograms:
        name = f"media/histograms/{medium.name}_{medium.step}.histogram.json"
        yield ExternalFile(name, partial(_open_packed_histograms, zlib.compress(content, 1)), medium)


def _open_packed_histograms(packed: bytes) -> io.BytesIO:
    return io.BytesIO(zlib.decompress(packed))
