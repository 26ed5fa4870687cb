"""How the overrides of a Hydra job name its configuration, where an override may choose a whole group."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

__all__ = ["hydra_groups", "hydra_named_parameters"]


def hydra_groups(settings: Any) -> dict[str, str]:
    """The choices of the job's configuration groups by group, without those of Hydra itself.

    Args:
        settings: Hydra's own part of the job's configuration.
    """
    chosen = settings.runtime.choices.items()
    return {str(group): str(one) for group, one in chosen if one and not str(group).startswith("hydra/")}


def hydra_named_parameters(
    settings: Any, values: Mapping[str, Any], choices: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """The parameters that overrides set, with their metadata; for a group, one of its parameters.

    That one has the name of the choice in the configuration's name, instead of its value. A group of which
    each parameter is set by an override of its own has none.

    Args:
        settings: Hydra's own part of the job's configuration.
        values: the job's parameters.
        choices: as :func:`hydra_groups` returns them.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    given = OverridesParser.create().parse_overrides([*settings.overrides.task])
    named: dict[str, dict[str, Any]] = {}
    groups: list[tuple[str, list[str]]] = []
    for override in given:
        key, package = override.key_or_group, override.package
        choice = choices.get(f"{key}@{package}" if package else key)
        if override.is_delete():
            continue
        if choice is None:
            named |= {name: {"name": True} for name in _below(package or key.replace("/", "."), values)}
        else:
            inside = _hydra_group_parameters(key, choice, package, values)
            groups.append((choice, [name for name in inside if values[name] not in (None, False)]))
    return named | _parameters_named_for_groups(groups, named)


def _parameters_named_for_groups(
    groups: Iterable[tuple[str, Sequence[str]]], taken: Collection[str]
) -> dict[str, dict[str, Any]]:
    """A parameter for each group, of its own where it has one: else it has the names of several choices."""
    texts: dict[str, list[str]] = {}
    for choice, inside in groups:
        free = [name for name in inside if name not in taken]
        own = [name for name in free if name not in texts]
        for name in (own or free)[:1]:
            texts.setdefault(name, []).append(choice)
    return {
        name: {"name": True, "name_transform": _hydra_constant(",".join(chosen))}
        for name, chosen in texts.items()
    }


def _hydra_constant(text: str) -> Any:
    return lambda _: text


def _below(path: str, names: Iterable[str]) -> list[str]:
    """The names at a path of the configuration and below it; all at the path ""."""
    return [name for name in names if not path or name == path or name.startswith(f"{path}.")]


def _hydra_group_parameters(
    group: str, choice: str, package: str | None, values: Mapping[str, Any]
) -> list[str]:
    """The parameters that the file of a choice sets; all in its package where there is no such file."""
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    found = None
    if GlobalHydra.instance().is_initialized():
        repository = getattr(GlobalHydra.instance().config_loader(), "repository", None)
        found = repository and repository.load_config(f"{group}/{choice}")
    own = group.replace("/", ".")
    path = package or (found.header.get("package") if found else None) or own
    path = path.replace("_group_", own).replace("_name_", choice)
    path = path.removeprefix("_global_").removeprefix(".")
    inside = _below(path, values)
    keys = () if found is None else _hydra_file_keys(OmegaConf.to_container(found.config, resolve=False))
    named = {name for key in keys for name in _below(f"{path}.{key}".removeprefix("."), inside)}
    return [name for name in inside if name in named] or (inside if path else [])


def _hydra_file_keys(content: Any) -> Iterator[str]:
    """The names in the file of a choice, nested ones joined; not the choices of further groups."""
    for key, inner in content.items() if isinstance(content, dict) else ():
        if isinstance(inner, dict) and inner:
            yield from (f"{key}.{one}" for one in _hydra_file_keys(inner))
        elif key != "defaults":
            yield str(key)
