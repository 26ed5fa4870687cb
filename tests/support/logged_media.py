"""What was logged as pictures and tables, as any program reads it: pixels, and columns."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import legm
from legm.media.tables import media_table_columns

__all__ = ["logged_pictures", "logged_table"]


def logged_pictures(root: Path, name: str) -> list[tuple[int, str, Any]]:
    """The step, the caption and the pixels of each picture of a name, in the order in which they came."""
    project = legm.open(root)
    table = project.media(name)
    rows = zip(table["step"].tolist(), table["caption"].tolist(), table["digest"], strict=True)
    return [
        (step, caption, np.asarray(Image.open(io.BytesIO(project.media_content(digest)))))
        for step, caption, digest in rows
    ]


def logged_table(root: Path, name: str) -> dict[str, list[Any]]:
    """The columns of the one table of a name."""
    project = legm.open(root)
    (digest,) = project.media(name)["digest"]
    return dict(media_table_columns(project.media_content(digest)))
