"""The pictures that ``mlflow.log_image(image, key=, step=)`` stored among a run's artifacts.

Their names say the key, the step and the time: ``images/<key>+step+<step>+timestamp+<ms>+<uuid>.png``. Older
versions of MLflow have ``%`` between the parts, and ``#`` for a slash in the key where newer ones have ``~``.
Beside each is a smaller copy, ``…+compressed.webp``, for MLflow's page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from legm.importers.external_run import ExternalFile, ExternalMedium
from legm.records import MediaKind

__all__ = ["with_stepped_images"]

_NAME = re.compile(
    r"images/(?P<key>[^/]+)(?P<mark>[+%])step(?P=mark)(?P<step>-?\d{1,18})(?P=mark)timestamp(?P=mark)"
    r"(?P<time>\d{1,18})(?P=mark)[0-9a-fA-F-]+(?P<rest>(?P=mark)compressed\.webp|\.png)",
    re.ASCII,
)


def with_stepped_images(files: Iterable[ExternalFile]) -> Iterator[ExternalFile]:
    """The artifacts of a run, of which stepped pictures are media; their smaller copies are left out.

    Args:
        files: the artifacts.
    """
    pictures = []
    for file in files:
        found = _NAME.fullmatch(file.name)
        if found is None:
            yield file
        elif found["rest"] == ".png":
            name = re.sub("[#~]", "/", found["key"])
            step, time = int(found["step"]), int(found["time"]) / 1000
            pictures.append(replace(file, medium=ExternalMedium(name, MediaKind.IMAGE, step, time)))
    yield from sorted(pictures, key=_stepped_image_order)


def _stepped_image_order(file: ExternalFile) -> tuple[float, str, int, str]:
    medium = file.medium
    assert medium is not None  # noqa: S101
    return medium.time, medium.name, medium.step, file.name
