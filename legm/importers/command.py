"""``legm import``."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["import_command"]


F = TypeVar("F", bound=Callable[..., Any])


def _names(option: str, what: str) -> Callable[[F], F]:
    return click.option(option, multiple=True, metavar="NAME", help=f"{what}; may be given several times.")


@click.command("import")
@click.argument("source")
@click.argument("root", type=click.Path(path_type=Path, file_okay=False))
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@_names("--experiment", "Only this experiment of the source")
@_names("--seed-param", "A parameter that is a seed, and so not compared")
@_names("--ignore", "A parameter that is not compared")
@_names("--compare", "A parameter that is compared, whatever it looks like")
@_names("--name-param", "A parameter that is in the names of configurations")
@click.option(
    "--identity",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="What is compared, as a file: read where it exists, and written for review where it does not.",
)
@click.option("--deleted", is_flag=True, help="Also what is deleted in the source, and not gone yet.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def import_command(
    source: str,
    root: Path,
    *,
    dry_run: bool,
    experiment: tuple[str, ...],
    seed_param: tuple[str, ...],
    ignore: tuple[str, ...],
    compare: tuple[str, ...],
    name_param: tuple[str, ...],
    identity: Path | None,
    deleted: bool,
    as_json: bool,
) -> None:
    """Bring the runs of another tracker into the root directory ROOT.

    SOURCE is a SQLite file, an mlruns folder or the http://… address of a server of MLflow's, or another
    root directory of legm. It is only read. Which parameters are compared is inferred, for review.
    A second import adds what is new, and one that was interrupted goes on. At the end both sides are
    read again and compared; the exit status is 1 where a run could not be read or is not equal.
    """
    import gc

    from legm.importers.importing import import_runs
    from legm.importers.telling import lines

    gc.set_threshold(100_000, 50, 50)  # rows of numbers are many objects, and none in circles
    report = import_runs(
        source,
        root,
        experiments=experiment,
        seed_params=seed_param,
        ignore=ignore,
        compare=compare,
        name_params=name_param,
        identity_file=identity,
        deleted=deleted,
        dry_run=dry_run,
    )
    if as_json:
        content = {**dataclasses.asdict(report), "runs": report.runs, "is_whole": report.is_whole}
        click.echo(json.dumps(content, indent=2, default=str))
    else:
        for line in lines(report):
            click.echo(line)
    if not report.is_whole:
        sys.exit(1)
