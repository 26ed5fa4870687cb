"""Another root directory of legm's: its runs come as they were, from their run logs where these are there."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from legm import runlog
from legm.errors import LegmError, StorageError
from legm.importers.arrival import artifact_path
from legm.importers.foreign import ForeignFile, ForeignRun
from legm.importers.notes import Notes
from legm.importers.results import records_of
from legm.records import Artifact, BestRule, Display, Points, Query, RunResult, Series, Status
from legm.registry import make_backend
from legm.relay import Relay

if TYPE_CHECKING:
    from legm.records import FloatArray, IntArray

__all__ = ["RootSource"]

class RootSource:
    def __init__(self, path, *, deleted=False): ...
    @staticmethod
    def recognise(path):
        return None
