"""mlflow's error, by its name."""

from __future__ import annotations

__all__ = ["MlflowException", "missing", "wrong"]


class MlflowException(Exception):
    """What all of mlflow's errors are.

    Args:
        message: what is wrong.
        error_code: mlflow's word for it.
    """

    def __init__(self, message: str, error_code: str = "INTERNAL_ERROR") -> None:
        super().__init__(message)
        self.message = message
        self.error_code = error_code


def wrong(message: str) -> MlflowException:
    """The error of a value that cannot be used."""
    return MlflowException(message, "INVALID_PARAMETER_VALUE")


def missing(message: str) -> MlflowException:
    """The error of something that is not there."""
    return MlflowException(message, "RESOURCE_DOES_NOT_EXIST")
