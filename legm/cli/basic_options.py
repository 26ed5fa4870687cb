"""Options of the commands that run a script, which import little: the script is to begin at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["FOLDER", "import_parameter_options", "json_option", "names_option", "script_options"]

F = TypeVar("F", bound=Callable[..., Any])


class _FolderOption(click.Path):
    """The path of a folder; an empty one, as of a variable that is not set, is not the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("the path is empty; . is the current folder", param, ctx)
        return super().convert(value, param, ctx)


FOLDER = _FolderOption(path_type=Path, file_okay=False)


def json_option(function: F) -> F:
    """``--json``: print JSON."""
    return click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="Print JSON; NaN and infinities are the strings nan, inf, -inf.",
    )(function)


def names_option(option: str, what: str) -> Callable[[F], F]:
    """An option with a name, which may be given several times."""
    return click.option(option, multiple=True, metavar="NAME", help=f"{what}; may be given several times.")


def import_parameter_options(function: F) -> F:
    """The options that override which parameters are compared."""
    for option, what in (
        ("--name-param", "A parameter that appears in the names of configurations"),
        ("--compare", "A parameter that is compared, whatever it looks like"),
        ("--ignore", "A parameter that is not compared"),
        ("--seed-param", "A parameter that is a seed, and therefore not compared"),
    ):
        function = names_option(option, what)(function)
    return function


def script_options(function: F) -> F:
    """The options of the commands that run a script, and the script's own command."""
    for decorate in (
        click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED),
        json_option,
        click.option(
            "--console/--no-console",
            default=None,
            help="Whether what COMMAND prints is kept with its runs; as LEGM_CONSOLE says, else it is.",
        ),
        import_parameter_options,
        click.option(
            "--experiment", metavar="NAME", help="The experiment of all runs, instead of the script's own."
        ),
        click.option(
            "--root",
            type=FOLDER,
            envvar="LEGM_ROOT",
            default=Path("legm-runs"),
            show_default=True,
            help="The root directory for the runs; also set by LEGM_ROOT.",
        ),
    ):
        function = decorate(function)
    return function
