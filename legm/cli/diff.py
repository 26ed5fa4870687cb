"""``legm diff``: what differs in two configurations, or in two runs with their code and machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from legm.cli.json_output import print_json
from legm.cli.options import backend_options, json_option, path_argument
from legm.cli.printing import print_table, say
from legm.cli.terminal_tables import Column
from legm.core.texts import readable_text

if TYPE_CHECKING:
    from legm.cli.locations import Location

__all__ = ["diff_command"]

At = Callable[[Path], "Location"]


@click.command("diff")
@path_argument("a")
@path_argument("b")
@backend_options
@json_option
def diff_command(a: Path, b: Path, *, at: At, as_json: bool) -> None:
    """Show the parameters in which configurations A and B differ; of two runs, what else differs too.

    Each is a folder, or ROOT/EXPERIMENT/NAME as for legm show, or a run: ROOT/RUN. Of runs,
    the code, the command, the machine and the versions are compared as well.
    """
    from legm.cli.run_locations import names_configuration, require_run_at_location, run_at_location

    runs = [None if names_configuration(at(path)) else run_at_location(at(path)) for path in (a, b)]
    if any(runs):
        from legm.cli.run_details import print_run_differences

        print_run_differences(*(require_run_at_location(at(path)) for path in (a, b)), as_json=as_json)
        return
    from legm.cli.locations import configuration_at_location, located_configuration
    from legm.core.display_names import display_names
    from legm.core.identity import configuration_differences

    one, other = (configuration_at_location(at(path))[1] for path in (a, b))
    both = [located_configuration(one), located_configuration(other)]
    found = configuration_differences(*both)
    if as_json:
        print_json(
            [
                {
                    "name": difference.name,
                    "a": difference.ours,
                    "b": difference.theirs,
                    "a_active": not difference.our_note,
                    "b_active": not difference.their_note,
                }
                for difference in found
            ]
        )
        return
    if not found:
        say("the same configuration")
        return
    labels = {each.fingerprint: member.label for each, member in zip(both, (one, other), strict=True)}
    titles = display_names(both, labels)
    print_table(
        [
            Column("parameter", fit="fold"),
            *(Column(titles[each.fingerprint], fit="fold") for each in both),
        ],
        [
            (d.name, d.our_note or readable_text(d.ours), d.their_note or readable_text(d.theirs))
            for d in found
        ],
    )
