"""What mlflow's calls return with ``synchronous=False``; here everything is set when they return."""

from __future__ import annotations

__all__ = ["RunOperations", "finished_operations"]


class RunOperations:
    """Calls that are complete."""

    def wait(self) -> None:
        """Return at once."""


def finished_operations(synchronous: bool | None) -> RunOperations | None:
    """What a call returns.

    Args:
        synchronous: what the script says; None for the default, which waits.
    """
    return RunOperations() if synchronous is False else None
