"""``legm sweep``: runs a script with parameters that Optuna chooses."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from legm.cli.basic_options import json_option

__all__ = ["sweep_command"]


@click.command("sweep")
@click.argument("config", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    metavar="N",
    help="After the trials, run the best configurations with further seeds, until each has N completed runs.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="K",
    help="How many of the best configurations get further seeds.",
)
@json_option
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def sweep_command(
    config: Path, *, seeds: int | None, top: int, as_json: bool, command: tuple[str, ...]
) -> None:
    """Run a script with parameters that Optuna chooses, and record its runs.

    legm sweep config.yaml -- python train.py {args}. CONFIG says which parameters are varied, by which metric
    and how: a grid, at random, or by Optuna's TPE; with median pruning, a script is stopped where it is worse
    than the others. Call it again to continue, also after a kill, and at once in several terminals or on
    several machines: they share the trials. What --json prints is the last line of the standard output.
    """
    from legm.sweeps.agent import SweepAgent, SweepStopped
    from legm.sweeps.sweep_config import read_sweep_config

    sweep = read_sweep_config(config)
    agent = SweepAgent(sweep, command, seeds or 0, top, lambda line: click.echo(f"legm: {line}", err=True))
    status = 0
    try:
        agent.work()
    except SweepStopped as stopped:
        status = stopped.status
        click.echo(f"legm: {stopped}", err=True)
    counts, best = agent.study.counts(), agent.study.best()
    if as_json:
        number, value, parameters = best or (None, None, None)
        found = best and {"trial": number, "value": value, "parameters": parameters}
        click.echo(json.dumps({"trials": counts, "best": found}))
    else:
        click.echo(_sweep_summary(sweep.metric, counts, best), err=True)
    sys.exit(status)


def _sweep_summary(
    metric: str, counts: Mapping[str, int], best: tuple[int, float, Mapping[str, Any]] | None
) -> str:
    trials = ", ".join(f"{number} {name}" for name, number in counts.items()) or "none"
    found = f"; best {metric}: {best[1]:.6g} of trial {best[0]}" if best else ""
    return f"legm: trials: {trials}{found}"
