"""The conformance tests for backends: subclass :class:`BackendTests`, and run pytest.

The tests use a backend only through its hooks, as legm does; what the store itself contains they check with
:meth:`BackendTests.stored_points` and :meth:`BackendTests.holds`. They need pytest only for discovery and the
temporary folder.
"""

from __future__ import annotations

from legm.testing.capabilities import CapabilityTests
from legm.testing.failures import FailureTests
from legm.testing.media import MediaTests
from legm.testing.resuming import ResumingTests
from legm.testing.round_trip import RoundTripTests
from legm.testing.runs import RunTests

__all__ = ["BackendTests"]


class BackendTests(CapabilityTests, FailureTests, MediaTests, ResumingTests, RunTests, RoundTripTests):
    """The conformance tests; a subclass says how to construct the backend.

    The subclass must be at the top level of a module, since another process constructs it too. Its name must
    start with ``Test``, so that pytest finds it.
    """
