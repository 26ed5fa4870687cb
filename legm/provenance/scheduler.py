"""The ids by which a scheduler or launcher knows a process: SLURM, PBS, LSF, torchrun, Open MPI, Ray."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from legm.records import Plain

__all__ = ["read_scheduler"]

_VARIABLES = {
    "slurm": {
        "job_id": "SLURM_JOB_ID",
        "job_name": "SLURM_JOB_NAME",
        "array_job_id": "SLURM_ARRAY_JOB_ID",
        "array_task_id": "SLURM_ARRAY_TASK_ID",
        "restart_count": "SLURM_RESTART_COUNT",
        "step_id": "SLURM_STEP_ID",
        "rank": "SLURM_PROCID",
        "tasks": "SLURM_NTASKS",
        "nodes": "SLURM_JOB_NODELIST",
        "partition": "SLURM_JOB_PARTITION",
        "cluster": "SLURM_CLUSTER_NAME",
    },
    "pbs": {"job_id": "PBS_JOBID", "job_name": "PBS_JOBNAME", "array_task_id": "PBS_ARRAY_INDEX"},
    "lsf": {"job_id": "LSB_JOBID", "job_name": "LSB_JOBNAME", "array_task_id": "LSB_JOBINDEX"},
    "torchrun": {
        "run_id": "TORCHELASTIC_RUN_ID",
        "restart_count": "TORCHELASTIC_RESTART_COUNT",
        "rank": "RANK",
        "world_size": "WORLD_SIZE",
        "local_rank": "LOCAL_RANK",
        "node_rank": "GROUP_RANK",
    },
    "mpi": {"rank": "OMPI_COMM_WORLD_RANK", "world_size": "OMPI_COMM_WORLD_SIZE"},
    "ray": {"job_id": "RAY_JOB_ID"},
}
"""By scheduler, what each of its environment variables says; the first one tells that it is there."""
_RAY_IDS = ("job_id", "node_id", "worker_id", "actor_id", "task_id")


def read_scheduler(environ: Mapping[str, str]) -> dict[str, Plain]:
    """The ids by scheduler; empty without one.

    Args:
        environ: the environment variables.
    """
    found: dict[str, Plain] = {}
    for scheduler, variables in _VARIABLES.items():
        if environ.get(next(iter(variables.values()))):
            found[scheduler] = {name: environ[key] for name, key in variables.items() if environ.get(key)}
    ids = _ray_scheduler_ids()
    if ids:
        found["ray"] = found.get("ray", {}) | ids
    return found


def _ray_scheduler_ids() -> dict[str, str]:
    """What Ray says of the task that runs, where the process is a part of its cluster."""
    ray: Any = sys.modules.get("ray")
    try:
        if ray is None or not ray.is_initialized():
            return {}
        context = ray.get_runtime_context()
        ids = {name: getattr(context, f"get_{name}")() for name in _RAY_IDS if name != "task_id"}
        if context.worker.mode == ray.WORKER_MODE:  # a driver has no task
            ids["task_id"] = context.get_task_id()
    except Exception:  # noqa: BLE001 - of another version, or it is just ending
        return {}
    return {name: str(value) for name, value in ids.items() if value}
