"""``legm import``: runs of other trackers, and of other root directories."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from legm.cli.basic_options import import_parameter_options, json_option, names_option
from legm.cli.json_output import print_json
from legm.cli.option_values import name_value_pairs
from legm.cli.options import path_argument
from legm.cli.printing import say
from legm.core.value_texts import parse_value_text

if TYPE_CHECKING:
    from legm.importers.pipeline import Report

__all__ = ["import_command", "import_report_dict"]


@click.command("import")
@click.argument("source")
@path_argument("root")
@click.option("--dry-run", is_flag=True, help="Only report what would be done.")
@names_option("--experiment", "Only this experiment of the source")
@import_parameter_options
@click.option(
    "--absent",
    metavar="NAME[=VALUE]",
    multiple=True,
    help="The value that runs from before a parameter had; without one, accept what the report proposes.",
)
@names_option("--no-absent", "A parameter that has no absent value, and for which none is proposed again")
@click.option(
    "--identity",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The compared parameters as a file: read if it exists, written for review if it does not.",
)
@click.option(
    "--run-folders",
    type=click.IntRange(min=1),
    metavar="N",
    help="TensorBoard: the last N folders of a run's path name the run, those above its experiment.",
)
@click.option("--recheck", is_flag=True, help="Compare also runs that are unchanged since an earlier import.")
@click.option("--deleted", is_flag=True, help="Include runs deleted in the source but not yet purged.")
@json_option
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
    absent: tuple[str, ...],
    no_absent: tuple[str, ...],
    identity: Path | None,
    run_folders: int | None,
    recheck: bool,
    deleted: bool,
    as_json: bool,
) -> None:
    """Import the runs of another tracker, or root.

    SOURCE is an MLflow store (a SQLite file, an mlruns folder, a server's http://… address), a W&B store (a
    wandb folder, a .wandb file, wandb:ENTITY/PROJECT), a folder with TensorBoard event files, a folder of the
    original legm, or another root directory. It is only read; its runs are imported into the root directory
    ROOT. Which parameters are compared is inferred, for you to review. A second import adds what is new and
    continues an interrupted one. At the end both sides are read again and compared. The exit status is 1 if a
    run could not be read or is not equal.
    """
    from legm.importers.import_report import import_report_lines
    from legm.importers.pipeline import import_runs

    values = name_value_pairs(tuple(one for one in absent if "=" in one))
    report = import_runs(
        source,
        root,
        experiments=experiment,
        seed_params=seed_param,
        ignore=ignore,
        compare=compare,
        name_params=name_param,
        absent={name: parse_value_text(text) for name, text in values},
        accept_absent=[one for one in absent if "=" not in one],
        no_absent=no_absent,
        identity_file=identity,
        run_folders=run_folders,
        deleted=deleted,
        recheck=recheck,
        dry_run=dry_run,
    )
    if as_json:
        print_json(import_report_dict(report))
    else:
        for line in import_report_lines(report):
            say(line)
    if not report.is_complete:
        sys.exit(1)


def import_report_dict(report: Report) -> dict[str, Any]:
    """An import's report as plain values."""
    content = {**dataclasses.asdict(report), "runs": report.runs, "is_complete": report.is_complete}
    return {**content, "identity_file": report.identity_file and str(report.identity_file)}
