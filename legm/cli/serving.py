"""``legm tensorboard``, ``legm mlflow-ui``: pages of other programs on the runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from legm.cli.options import path_argument
from legm.cli.output import say

__all__ = ["mlflow_ui_command", "tensorboard_command"]


@click.command("tensorboard")
@path_argument("root", default=Path())
@click.option("--port", default=6006, show_default=True, help="The port on 127.0.0.1.")
@click.option("--print", "only_print", is_flag=True, help="Print the command instead of running it.")
def tensorboard_command(root: Path, *, port: int, only_print: bool) -> None:
    """Open TensorBoard on the runs.

    ROOT is a root directory, an experiment or a configuration; runs appear while they train.
    """
    from legm.cli.sources import require_folder

    require_folder(root)
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(root)]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    _serve("TensorBoard", command, port, only_print=only_print)


@click.command("mlflow-ui")
@path_argument("root", default=Path())
@click.option("--port", default=5000, show_default=True, help="The port on 127.0.0.1.")
@click.option("--print", "only_print", is_flag=True, help="Print the command instead of running it.")
def mlflow_ui_command(root: Path, *, port: int, only_print: bool) -> None:
    """Open MLflow's page on the runs that it keeps in ROOT."""
    from legm.overview import mlflow_ui_command

    command = mlflow_ui_command(root, port)
    # MLflow's jobs would need a second server.
    _serve("MLflow", command, port, {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}, only_print=only_print)


def _serve(
    title: str,
    command: Sequence[str],
    port: int,
    defaults: Mapping[str, str] | None = None,
    *,
    only_print: bool,
) -> None:
    """Run a server until it ends, or until Ctrl-C, which is no error."""
    import os
    import shlex

    if only_print:
        say(shlex.join(command))
        return
    say(f"{title}'s page will be at http://127.0.0.1:{port} (Ctrl-C ends it)")
    server = subprocess.Popen(command, env={**(defaults or {}), **os.environ})  # noqa: S603 - our own command
    try:
        status = server.wait()
    except KeyboardInterrupt:
        server.terminate()
        server.wait()
        status = 0
    sys.exit(status)
