"""For authors of backends: the conformance kit, and the reference backend that it measures by."""

from __future__ import annotations

from legm.testing.conformance import BackendTests
from legm.testing.memory import MemoryBackend

__all__ = ["BackendTests", "MemoryBackend"]
