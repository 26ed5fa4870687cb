"""Reads runs back as any program does: by a client of its own, that never wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from legm.delivery.client import connect_client
from legm.records import Query, RunResult

__all__ = ["experiments_of", "load_yaml", "runs_of"]


def runs_of(root: Path, experiment: str = "e", backend: object = "local", **query) -> list[RunResult]:
    """The runs of an experiment in the order they began, with every series unless the query says otherwise.

    Args:
        root: the root directory.
        experiment: its name.
        backend: a name, a class, an instance or a list of these; the primary is read.
        **query: further fields of :class:`legm.records.Query`.
    """
    wanted = Query(experiment, **{"histories": None, **query})
    return sorted(connect_client(root, backend).runs_as_stored(wanted), key=lambda result: result.run.run_id)


def experiments_of(root: Path, backend: object = "local") -> list[str]:
    """The names of the experiments in a root directory."""
    return connect_client(root, backend).experiments()


def load_yaml(path: Path) -> Any:
    """What any YAML reader sees in a file: libyaml, where PyYAML has it, which is quicker."""
    content = path.read_bytes()
    try:
        return yaml.load(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return yaml.safe_load(content)  # which knows halves of surrogates too
