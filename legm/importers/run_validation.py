"""Validation of runs that claim to be legm's own: their ids and names become file names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath

from legm.core.naming import check_name
from legm.errors import LegmError, StorageError
from legm.records import Run

__all__ = ["require_valid_run"]

_MAX_NAME_BYTES = 200


def require_valid_run(run: Run) -> None:
    """Check that a run has the form of a legm run.

    Raises:
        StorageError: it does not.
    """
    configuration = run.configuration
    try:
        for name in (run.run_id, configuration.fingerprint, configuration.name or "none"):
            _require_valid_run_file(name)
        check_name("experiment", configuration.experiment, StorageError)
        if run.description:
            check_name("description", run.description, StorageError)
        mappings = (configuration.parameters, configuration.metadata, run.parameters, run.environment)
        if not all(isinstance(one, Mapping) for one in mappings) or not {*configuration.active} <= {
            *configuration.parameters
        }:
            raise StorageError("its parameters are not a mapping of names to values")
        if not isinstance(run.started, (int, float)):
            raise StorageError(f"its start {run.started!r} is not a time")
    except (LegmError, TypeError) as cause:
        raise StorageError(
            f"a run that claims to be legm's own, {str(run.run_id)[:60]!r}, is invalid: {cause}"
        ) from cause


def _require_valid_run_file(name: object) -> None:
    is_one = (
        isinstance(name, str)
        and name == PurePath(name).name
        and len(name.encode(errors="replace")) <= _MAX_NAME_BYTES
    )
    if not is_one or not isinstance(name, str) or name[0] == "." or "\\" in name or not name.isprintable():
        raise StorageError(f"{str(name)[:60]!r} is not a valid file name")
