"""``mlflow.exceptions``: the error that mlflow's calls raise."""

from __future__ import annotations

from typing import Any

from legm.compat.unknown_names import unknown_attribute

__all__ = ["MlflowException", "invalid_value_exception", "not_found_exception"]


class MlflowException(Exception):
    """The base class of mlflow's errors.

    Args:
        message: what is wrong.
        error_code: mlflow's code for the kind of error.
    """

    def __init__(self, message: str, error_code: str = "INTERNAL_ERROR") -> None:
        super().__init__(message)
        self.message = message
        self.error_code = error_code


def invalid_value_exception(message: str) -> MlflowException:
    """The error for an invalid value."""
    return MlflowException(message, "INVALID_PARAMETER_VALUE")


def not_found_exception(message: str) -> MlflowException:
    """The error for something that does not exist."""
    return MlflowException(message, "RESOURCE_DOES_NOT_EXIST")


def __getattr__(name: str) -> Any:
    return unknown_attribute("mlflow.exceptions", name)
