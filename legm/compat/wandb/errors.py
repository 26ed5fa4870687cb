"""wandb's errors, by their names."""

from __future__ import annotations

__all__ = ["CommError", "ConfigError", "Error", "UsageError"]


class Error(Exception):
    """What all of wandb's errors are."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message


class CommError(Error):
    """Something that was asked for is not there."""


class UsageError(Error):
    """A call cannot be meant so."""


class ConfigError(Error):
    """A value of the config would be changed."""
