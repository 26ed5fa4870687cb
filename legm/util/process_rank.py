"""Finds the rank of this process in a distributed training: only rank 0 records a run.

This module imports the standard library alone, and works on old Pythons, since a captured script runs it too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

__all__ = ["MAIN_PROCESS", "RANK_TAG", "is_main_process", "process_rank"]

MAIN_PROCESS = "LEGM_MAIN_PROCESS"
"""The environment variable that overrides the rank: 1 records in every process, 0 in none."""
RANK_TAG = "legm.rank"
"""The MLflow tag of what another rank of a captured script logs, which is not imported."""

_LAUNCHERS = (
    ("RANK", "WORLD_SIZE", ()),  # torchrun, accelerate, DeepSpeed
    ("LOCAL_RANK", "WORLD_SIZE", ("NODE_RANK", "GROUP_RANK")),  # Lightning's own launcher
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", ()),  # Open MPI
    ("PMI_RANK", "PMI_SIZE", ()),  # MPICH, Intel MPI
    ("SLURM_PROCID", "SLURM_NTASKS", ()),  # srun
)
"""By launcher: the variable with the rank, the one with the number of processes, and other ranks that count.

The innermost launcher comes first: torchrun under SLURM has one task a node, and a rank for each process.
"""
_SIZE_IS_REQUIRED = frozenset(("LOCAL_RANK", "SLURM_PROCID"))
"""Variables that are also set where there is only one process."""


def is_main_process(given: bool | None = None, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this process records what it logs.

    Args:
        given: what the user decided; None for the variable ``LEGM_MAIN_PROCESS``, and else the rank.
        environ: the environment variables.
    """
    if given is not None:
        return given
    decided = environ.get(MAIN_PROCESS, "").strip().lower()
    if decided:
        return decided not in ("0", "false", "no")
    return process_rank(environ) == 0


def process_rank(environ: Mapping[str, str] = os.environ) -> int:
    """The rank of this process: 0 for the first of a group, and for a process that belongs to none.

    Args:
        environ: the environment variables.
    """
    distributed = sys.modules.get("torch.distributed")  # not imported: a process that uses it has done that
    if environ is os.environ and distributed is not None and _has_process_rank(distributed):
        return int(distributed.get_rank())
    for rank_name, size_name, others in _LAUNCHERS:
        rank, size = _rank_number(environ, rank_name), _rank_number(environ, size_name)
        if rank is None or (size is None and rank_name in _SIZE_IS_REQUIRED):
            continue
        if size == 1:
            return 0
        return rank or next(filter(None, (_rank_number(environ, name) for name in others)), 0)
    return 0


def _has_process_rank(distributed: object) -> bool:
    is_available = getattr(distributed, "is_available", lambda: False)
    return bool(is_available() and distributed.is_initialized())  # type: ignore[attr-defined]


def _rank_number(environ: Mapping[str, str], name: str) -> int | None:
    """A variable as a number; None where it is not set, or is none."""
    text = environ.get(name, "").strip()
    return int(text) if text.isdecimal() else None
