"""The properties that the conformance kit tries."""

from __future__ import annotations

from legm.testing import BackendTests

PROPERTIES = sorted(name for name in dir(BackendTests) if name.startswith("test_"))
