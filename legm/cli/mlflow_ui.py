"""``legm mlflow-ui``: MLflow's page on the runs that it keeps."""

from __future__ import annotations

from pathlib import Path

import click

from legm.cli.options import path_argument
from legm.cli.serving import serve

__all__ = ["mlflow_ui_command"]


@click.command("mlflow-ui")
@path_argument("root", default=Path())
@click.option("--port", default=5000, show_default=True, help="The port on 127.0.0.1.")
@click.option("--print", "only_print", is_flag=True, help="Print the command instead of running it.")
def mlflow_ui_command(root: Path, *, port: int, only_print: bool) -> None:
    """Open MLflow's page on the runs that it keeps in ROOT."""
    from legm.analysis.overview import mlflow_ui_command

    command = mlflow_ui_command(root, port)
    # MLflow's jobs would need a second server.
    serve("MLflow", command, port, {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}, only_print=only_print)
