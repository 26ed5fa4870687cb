"""The command line: ``legm``, the same as ``python -m legm``.

Each command is in a module of its group, which is imported when the command is asked for; what a command
needs beside click is imported when it runs.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import click

from legm.errors import LegmError

__all__ = ["main"]

_MODULES = {
    "ls": "looking",
    "best": "ranking",
    "compare": "comparing",
    "table": "tabling",
    "plot": "drawing",
    "report": "reporting",
    "show": "looking",
    "diff": "looking",
    "recover": "keeping",
    "sync": "keeping",
    "capture": "capturing",
    "import": "importing",
    "export": "exporting",
    "tensorboard": "serving",
    "mlflow-ui": "serving",
    "backends": "installing",
    "completion": "installing",
}
"""By command, the module that has it, under its name with ``_`` for ``-`` and ``_command`` behind it."""


class _Commands(Mapping[str, click.Command]):
    """The commands by name, each imported when it is asked for."""

    def __getitem__(self, name: str) -> click.Command:
        module = importlib.import_module(f"legm.cli.{_MODULES[name]}")
        command: click.Command = getattr(module, f"{name.replace('-', '_')}_command")
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


class _Group(click.Group):
    """Tells legm's own errors as messages, not as tracebacks."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LegmError as error:
            raise click.ClickException(str(error)) from error

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.commands)  # in the order of their use


@click.group(
    cls=_Group,
    commands=_Commands(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="legm", prog_name="legm")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Look at experiments: which configuration is best, and what became of its runs."""
    import gc
    import logging

    gc.set_threshold(100_000, 50, 50)  # a look at many configurations makes much, and nothing in circles
    if os.environ.get("NO_COLOR"):
        ctx.color = False
    for stream in (sys.stdout, sys.stderr):  # a name that the terminal cannot show is no reason to stop
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.ERROR, format="legm: %(message)s")
