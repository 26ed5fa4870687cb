"""The command line: ``legm``, the same as ``python -m legm``.

Each command is in the module of its name, which is imported when the command is asked for; what a command
needs besides click is imported when it runs.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from legm.errors import LegmError

if TYPE_CHECKING:
    import logging

__all__ = ["main"]

_COMMANDS = (
    "ls",
    "best",
    "compare",
    "table",
    "sql",
    "plot",
    "report",
    "show",
    "logs",
    "watch",
    "ui",
    "tag",
    "note",
    "diff",
    "amend",
    "mv",
    "rm",
    "restore",
    "trash",
    "merge",
    "recover",
    "upgrade",
    "resume",
    "sync",
    "run",
    "sweep",
    "capture",
    "import",
    "export",
    "tensorboard",
    "mlflow-ui",
    "backends",
    "completion",
)
"""In the order of ``legm --help``; each is in the module of its name."""


_REPEATED_WITHIN = 10.0  # seconds
_MAX_PRINTED = 1000  # messages that are known as printed
_SHOWN_PATH = 200  # characters of a path in an error
_WITHOUT_MATRICES = ("ls", "best", "compare", "table")
"""Commands that only count and average: NumPy need not start threads for its linear algebra."""


class _Commands(Mapping[str, click.Command]):
    """The commands by name, each imported when it is asked for."""

    def __getitem__(self, name: str) -> click.Command:
        if name not in _COMMANDS:
            raise KeyError(name)
        title = name.replace("-", "_")
        module = importlib.import_module(f"legm.cli.{'import_' if name == 'import' else title}")
        command: click.Command = getattr(module, f"{title}_command")
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(_COMMANDS)

    def __len__(self) -> int:
        return len(_COMMANDS)


class _CommandGroup(click.Group):
    """Reports legm's own errors as messages, without tracebacks."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LegmError as error:
            from legm.core.texts import escape_unprintable_text

            raise click.ClickException(escape_unprintable_text(str(error), kept="\n\t\xa0")) from error
        except OSError as error:
            if error.filename is None:  # such as a closed pipe
                raise
            name = os.fspath(error.filename)
            name = name if len(name) <= _SHOWN_PATH else f"{name[:_SHOWN_PATH]}…"
            raise click.ClickException(f"{name!r} cannot be used: {error.strerror}") from error

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.commands)  # in the order of their use


@click.group(
    cls=_CommandGroup,
    commands=_Commands(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="legm", prog_name="legm")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Inspect experiments: which configurations and runs there are, and which are best."""
    import gc
    import logging

    gc.set_threshold(100_000, 50, 50)  # reading many configurations allocates much, and no cycles
    if ctx.invoked_subcommand in _WITHOUT_MATRICES:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if os.environ.get("NO_COLOR"):
        ctx.color = False
    for stream in (sys.stdout, sys.stderr):  # characters that it cannot encode are escaped
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    printed = logging.StreamHandler()
    printed.addFilter(_is_not_repeated())
    logging.basicConfig(level=logging.ERROR, format="legm: %(message)s", handlers=[printed])


def _is_not_repeated() -> Callable[[logging.LogRecord], bool]:
    """Whether a message was not printed within the last seconds, as where several parts read one file."""
    printed: dict[str, float] = {}

    def is_not_repeated(record: logging.LogRecord) -> bool:
        text = f"{record.msg} {record.args}"
        is_repeated = record.created - printed.get(text, 0.0) < _REPEATED_WITHIN
        if len(printed) > _MAX_PRINTED:
            printed.clear()
        printed[text] = record.created
        return not is_repeated

    return is_not_repeated
