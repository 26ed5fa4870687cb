"""Shell completion: paths, metrics, parameters, backends.

An error offers nothing and prints nothing, since the user is in the middle of typing a line.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from legm.cli.locations import LocatedExperiment, Location
    from legm.records import ConfigurationStatus

__all__ = [
    "complete_aggregation",
    "complete_backend",
    "complete_compared",
    "complete_condition",
    "complete_metric",
    "complete_path",
    "complete_report_metric",
    "complete_tag",
]

Completer: TypeAlias = "Callable[[click.Context, click.Parameter, str], list[CompletionItem]]"


def _completing_quietly(complete: Callable[[click.Context, str], Iterable[str]]) -> Completer:
    """Offers the completions that start with what was typed."""

    @functools.wraps(complete)
    def complete_quietly(
        ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        logging.disable()
        try:
            offered = list(complete(ctx, incomplete))
        except Exception:  # noqa: BLE001 - see above
            return []
        finally:
            logging.disable(logging.NOTSET)
        return [CompletionItem(one) for one in offered if one.startswith(incomplete)]

    return complete_quietly


def complete_path(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Root directories, experiments in them, configurations of these.

    Folders are left to the shell, unless its script asks for them here.
    """
    from click.shell_completion import CompletionItem

    if os.environ.get("_LEGM_COMPLETE") != "bash_complete" and _completes_folders(ctx):
        return [CompletionItem(incomplete, type="dir")]
    return _complete_path(ctx, param, incomplete)


def _completes_folders(ctx: click.Context) -> bool:
    """Whether the backend that was named reads paths as folders."""
    try:
        return _completed_location(ctx, Path()).folders is not None
    except Exception:  # noqa: BLE001 - see above
        return False


@_completing_quietly
def _complete_path(ctx: click.Context, incomplete: str) -> Iterable[str]:
    head, slash, _ = incomplete.rpartition("/")
    before = Path(head or slash or ".")
    location = _completed_location(ctx, before)
    names = _complete_in_backend(location) if location.folders is None else _complete_folders(before)
    return [f"{head}{slash}{name}" for name in names]


def _complete_folders(before: Path) -> Iterable[str]:
    """The folders in a folder that are configurations, or may lead to some."""
    from legm.runlog.configuration_folders import configuration_paths, is_configuration_folder, subfolders

    if is_configuration_folder(str(before)):
        return ()
    return list(configuration_paths(before)) or [f"{one}/" for one in subfolders(before)]


def _complete_in_backend(location: Location) -> Iterable[str]:
    """The experiments that a backend has, or the configurations of one."""
    from legm.cli.locations import experiments_at
    from legm.core.naming import safe_name

    if location.path.is_dir() and (known := location.store().client.experiments()):
        return [f"{safe_name(name)}/" for name in known]
    if location.path.name and (named := list(experiments_at(location))):
        return list(named[0].labels().values())
    return _complete_folders(location.path)


@_completing_quietly
def complete_metric(ctx: click.Context, _incomplete: str) -> Iterable[str]:
    """The metrics of the experiment that was named before."""
    from legm.cli.selection import selectable_metrics

    dev, test = selectable_metrics(_completed_experiment(ctx).counts())
    return sorted(test if ctx.params.get("test") else dev)


@_completing_quietly
def complete_report_metric(ctx: click.Context, _incomplete: str) -> Iterable[str]:
    """The metrics of all experiments that a report shows."""
    from legm.cli.locations import experiments_at
    from legm.cli.selection import selectable_metrics

    path = Path(next(iter(ctx.args), None) or ctx.params.get("path") or ".")
    every = [selectable_metrics(one.counts()) for one in experiments_at(_completed_location(ctx, path))]
    return sorted({name for dev, test in every for name in (test if ctx.params.get("test") else dev)})


@_completing_quietly
def complete_compared(ctx: click.Context, incomplete: str) -> Iterable[str]:
    """Configurations; after two of them, the metrics too."""
    given = (*(ctx.params.get("paths") or ()), *filter(None, [ctx.params.get("metric")]))
    paths = [item.value for item in _complete_path(ctx, ctx.command.params[0], incomplete)]
    if len(given) < 2:
        return paths
    from legm.cli.locations import configuration_at_location
    from legm.cli.selection import selectable_metrics

    _, one = configuration_at_location(_completed_location(ctx, Path(given[0])))
    return [*sorted(selectable_metrics(one.counts)[bool(ctx.params.get("test"))]), *paths]


@_completing_quietly
def complete_condition(ctx: click.Context, incomplete: str) -> Iterable[str]:
    """The experiments' parameters with ``=``; after an operator, and each comma behind it, their values."""
    from legm.core.selection_completion import selection_completions
    from legm.core.texts import readable_text
    from legm.records import Status

    found: dict[str, set[str]] = {}
    descriptions: set[str] = set()
    members = _completed_members(ctx)
    for member in members:
        descriptions.update(counts.description for counts in member.counts if counts.description)
        configuration = member.configuration
        if configuration is not None:
            for name in configuration.active:
                value = configuration.parameters[name]
                found.setdefault(name, set()).add(value if isinstance(value, str) else readable_text(value))
    fields = {
        "status": [one.value for one in Status],
        "tag": _completed_tags(members),
        "description": sorted(descriptions),
    }
    return selection_completions(incomplete, {name: sorted(own) for name, own in found.items()}, fields)


@_completing_quietly
def complete_tag(ctx: click.Context, _incomplete: str) -> Iterable[str]:
    """The tags of the runs of what was named before."""
    return _completed_tags(_completed_members(ctx))


@_completing_quietly
def complete_aggregation(_ctx: click.Context, _incomplete: str) -> Iterable[str]:
    """The aggregation methods."""
    return ["mean", "median", "outlier_mean", "confidence"]


@_completing_quietly
def complete_backend(_ctx: click.Context, _incomplete: str) -> Iterable[str]:
    """The installed backends."""
    from legm.delivery.registry import backend_names

    return backend_names()


def _completed_location(ctx: click.Context, path: Path) -> Location:
    from legm.cli.locations import Location
    from legm.core.value_texts import parse_value_text
    from legm.delivery.registry import DEFAULT_BACKEND

    options = {name: parse_value_text(text) for name, text in ctx.params.get("options") or ()}
    return Location(path, ctx.params.get("backend") or DEFAULT_BACKEND, options)


def _completed_experiment(ctx: click.Context) -> LocatedExperiment:
    from legm.cli.locations import experiment_at

    # While an option's value is missing, click leaves the arguments in ctx.args.
    return experiment_at(_completed_location(ctx, Path(ctx.params["path"] or ctx.args[0])))


def _completed_members(ctx: click.Context) -> list[ConfigurationStatus]:
    """The configurations of what was named before: a root directory, an experiment or a configuration."""
    from legm.cli.locations import experiments_at

    given = (
        ctx.params.get("path") or ctx.params.get("config") or next(iter(ctx.params.get("paths") or ()), None)
    )
    path = Path(given or next(iter(ctx.args), None) or ".")
    return [one for of in experiments_at(_completed_location(ctx, path)) for one in of.members]


def _completed_tags(members: Iterable[ConfigurationStatus]) -> list[str]:
    """The tags of the runs in the folders of configurations."""
    from legm.runlog.marks_files import marks_in_folder

    marks = [one for member in members for one in marks_in_folder(member.folder).values()]
    return sorted({tag for one in marks for tag in one.tags})
