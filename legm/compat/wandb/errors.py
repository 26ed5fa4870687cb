"""``wandb.errors``: the errors that wandb's calls raise."""

from __future__ import annotations

from typing import Any

from legm.compat.unknown_names import unknown_attribute

__all__ = ["CommError", "ConfigError", "Error", "UsageError"]


class Error(Exception):
    """The base class of wandb's errors."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message


class CommError(Error):
    """Something that was requested does not exist."""


class UsageError(Error):
    """A call is not valid."""


class ConfigError(Error):
    """A call would change a value of the config."""


def __getattr__(name: str) -> Any:
    return unknown_attribute("wandb.errors", name)
