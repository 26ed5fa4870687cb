"""Arguments and options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from legm.cli.basic_options import FOLDER, json_option
from legm.cli.completion_values import (
    complete_aggregation,
    complete_backend,
    complete_condition,
    complete_metric,
    complete_path,
    complete_tag,
)
from legm.cli.option_values import backend_option_values

if TYPE_CHECKING:
    from legm.cli.locations import LocatedStore, Location
    from legm.core.selection import RunSelection

__all__ = [
    "FOLDER",
    "STATUS_NAMES",
    "aggregation_option",
    "backend_options",
    "curve_option",
    "description_option",
    "direction_option",
    "dry_run_option",
    "group_by_option",
    "json_option",
    "metric_argument",
    "one_per_seed_option",
    "path_argument",
    "selection_options",
    "status_option",
    "sure_option",
    "test_option",
    "top_option",
]

F = TypeVar("F", bound=Callable[..., Any])

STATUS_NAMES = ("running", "completed", "failed", "interrupted", "pruned")
"""The values of :class:`legm.records.Status`, which ``legm --help`` does not import."""
_UNFINISHED = tuple(name for name in STATUS_NAMES if name != "completed")


def path_argument(name: str, **more: Any) -> Callable[[F], F]:
    """A path to a root directory, an experiment or a configuration."""
    return click.argument(name, type=FOLDER, shell_complete=complete_path, **more)


def metric_argument(**more: Any) -> Callable[[F], F]:
    """The metric, or several."""
    return click.argument("metric", shell_complete=complete_metric, **more)


test_option = click.option("--test", is_flag=True, help="METRIC is a test metric, not a dev metric.")

direction_option = click.option(
    "--higher/--lower",
    "higher",
    default=None,
    help="Whether higher or lower values are better. By default the runs' best rules decide, else the "
    "metric's name.",
)

one_per_seed_option = click.option(
    "--one-per-seed",
    is_flag=True,
    help="Of several runs with equal seeds in a configuration, only the newest counts; by default all do.",
)

status_option = click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([*_UNFINISHED, "all"]),
    callback=lambda _ctx, _param, names: _UNFINISHED if "all" in names else tuple(dict.fromkeys(names)),
    help="Also show runs with this status, listed separately and never averaged; may be given several times.",
)


def _stored_description(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    """A description as it is stored, without credentials."""
    from legm.core.credentials import redact_text

    return given and redact_text(given)


description_option = click.option(
    "--description",
    metavar="TEXT",
    callback=_stored_description,
    help="Only runs with this description; by default those without one.",
)

top_option = click.option(
    "--top", type=click.IntRange(min=0), metavar="N", help="The best N configurations; 0 for all."
)


def _group_by_option(text: str | None) -> list[str]:
    names = [one.strip() for one in (text or "").split(",") if one.strip()]
    if text is not None and not names:
        raise click.BadParameter("the name of a parameter is missing")
    return names


group_by_option = click.option(
    "--group-by",
    metavar="NAME,...",
    callback=lambda _ctx, _param, text: _group_by_option(text),
    help="Show groups of configurations that have equal values of these parameters, by the mean over the "
    "configurations.",
)

curve_option = click.option(
    "--curve",
    is_flag=False,
    flag_value="",
    metavar="[METRIC]",
    shell_complete=complete_metric,
    help="Draw the curve of a dev metric in each row; without METRIC, of the one that is ranked, or that the "
    "runs chose their best step by.",
)

sure_option = click.option(
    "--yes", "is_sure", is_flag=True, help="Do not ask before more than one run is changed."
)

dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Print what the runs would have, and change nothing."
)

aggregation_option = click.option(
    "--aggregation",
    default="mean",
    show_default=True,
    metavar="METHOD",
    shell_complete=complete_aggregation,
    help="How runs are aggregated: mean, median, outlier_mean, confidence or confidence_0.9.",
)


def selection_options(function: F) -> F:
    """``--where`` and ``--tag``; the command gets ``selection``, a RunSelection."""

    @click.option(
        "--where",
        "conditions",
        multiple=True,
        metavar="CONDITION",
        callback=_parse_condition_options,
        shell_complete=complete_condition,
        help="Only configurations and runs that meet a condition: lr=0.1, 'lr<0.1', optimizer=adam,sgd, "
        "'seed<3 and not tag:broken', status:failed, …; may be given several times.",
    )
    @click.option(
        "--tag",
        "selected_tags",
        multiple=True,
        metavar="TAG",
        shell_complete=complete_tag,
        help="Only runs with this tag, or with one of several, separated by commas; may be given several "
        "times.",
    )
    @functools.wraps(function)
    def with_selection(
        *args: Any, conditions: RunSelection, selected_tags: tuple[str, ...], **kwargs: Any
    ) -> Any:
        return function(*args, selection=conditions.with_tags(selected_tags), **kwargs)

    return with_selection  # type: ignore[return-value]


def _parse_condition_options(
    _ctx: click.Context, _param: click.Parameter, texts: tuple[str, ...]
) -> RunSelection:
    from legm.core.selection import RunSelection
    from legm.errors import ParameterError

    try:
        found = RunSelection.parse(texts)
    except ParameterError as error:
        raise click.BadParameter(str(error)) from error
    if found.repeated_names:
        name = found.repeated_names[0]
        raise click.BadParameter(f"{name!r} was given twice: separate several values by commas")
    return found


def backend_options(function: F) -> F:
    """``--backend`` and ``--backend-option``; the command gets ``at``, which turns a path into a Location."""

    @click.option(
        "--backend",
        default="local",
        show_default=True,
        metavar="NAME",
        shell_complete=complete_backend,
        help="The backend that stores the runs.",
    )
    @click.option(
        "--backend-option",
        "options",
        multiple=True,
        metavar="NAME=VALUE",
        callback=backend_option_values,
        help="An option of the backend, such as tracking_uri; may be given several times.",
    )
    @functools.wraps(function)
    def with_location_options(*args: Any, backend: str, options: dict[str, Any], **kwargs: Any) -> Any:
        stores: dict[Path, LocatedStore] = {}

        def at(path: Path) -> Location:
            from legm.cli.locations import Location, existing_folder_at_location

            location = Location(path, backend, options, stores)
            return (
                location
                if location.folders is None
                else replace(location, path=existing_folder_at_location(path))
            )

        return function(*args, at=at, **kwargs)

    return with_location_options  # type: ignore[return-value]
