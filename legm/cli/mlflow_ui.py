"""``legm mlflow-ui``: starts MLflow's page on its store."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from legm.cli.options import json_option, path_argument
from legm.cli.serving import port_or_free_one, serve_until_ended

__all__ = ["mlflow_ui_command"]


@click.command("mlflow-ui")
@path_argument("root", default=Path())
@click.option("--port", default=5000, show_default=True, help="The port on 127.0.0.1; 0 for any free one.")
@click.option("--print", "only_print", is_flag=True, help="Print the command instead of running it.")
@json_option
def mlflow_ui_command(root: Path, *, port: int, only_print: bool, as_json: bool) -> None:
    """Start MLflow's page on the runs it stores in ROOT."""
    port = port_or_free_one(port)
    command = mlflow_server_command(root, port)
    # MLflow's jobs would need a second server.
    defaults = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    serve_until_ended("MLflow", command, port, defaults, only_print=only_print, as_json=as_json)


def mlflow_server_command(root: Path, port: int) -> list[str]:
    """The command that starts MLflow's page on the store in a root directory.

    Raises:
        StorageError: there is none.
        BackendError: MLflow is not installed.
    """
    from legm.backends.mlflow.names import ARTIFACTS_FOLDER, SQLITE_FILE, mlflow_sqlite_uri
    from legm.delivery.registry import make_backend
    from legm.errors import StorageError

    database = root / SQLITE_FILE
    if not database.is_file():
        raise StorageError(f"there is no MLflow store {database}: run something with backend='mlflow'")
    make_backend("mlflow", root, {})  # reports what is missing
    return [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--backend-store-uri", mlflow_sqlite_uri(database.resolve())),
        *("--default-artifact-root", (root.resolve() / ARTIFACTS_FOLDER).as_uri()),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
    ]
