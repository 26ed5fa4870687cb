"""The machine that a process runs on: system, processor, memory, and GPUs with their driver."""

from __future__ import annotations

import csv
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from legm.records import Plain

__all__ = ["read_machine"]

_PATIENCE = 10.0  # seconds that a program of the driver's may take
_NVIDIA_FIELDS = ("name", "memory.total", "driver_version")


def read_machine() -> dict[str, Plain]:
    """What is known of the machine; memory is in bytes."""
    found: dict[str, Plain] = {
        "os": platform.platform(),
        "cpu": _machine_processor_name(),
        "cpu_count": os.cpu_count(),
        "usable_cpus": _machine_cpus(),
        "memory": _machine_memory_bytes(),
        **_read_machine_gpus(),
    }
    if found["usable_cpus"] == found["cpu_count"]:
        del found["usable_cpus"]
    return {name: value for name, value in found.items() if value}


def _machine_processor_name() -> str:
    found = re.search(
        r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", _read_machine_file("/proc/cpuinfo"), re.MULTILINE
    )
    if found:
        return found[1].strip()
    if sys.platform == "darwin":
        return _printed_by_machine_command("/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string").strip()
    return platform.processor() or platform.machine()


def _machine_cpus() -> int | None:
    """How many processors the process may use, as a scheduler has allotted them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def _machine_memory_bytes() -> int | None:
    """The machine's memory, or that of the container where it is less."""
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    limits = [
        int(text)
        for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
        if (text := _read_machine_file(path).strip()).isdecimal()
    ]
    return min([whole, *limits])


def _read_machine_gpus() -> dict[str, Plain]:
    if shutil.which("nvidia-smi"):
        text = _printed_by_machine_command(
            "nvidia-smi", f"--query-gpu={','.join(_NVIDIA_FIELDS)}", "--format=csv,noheader,nounits"
        )
        found = parse_machine_gpus(text)
        if found:
            return found
    models = [
        match[1].strip()
        for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
        if (match := re.search(r"^Model:\s*(.+)$", _read_machine_file(path), re.MULTILINE))
    ]
    driver = re.search(r"Module\s+(?:for \S+\s+)?([\d.]+)", _read_machine_file("/proc/driver/nvidia/version"))
    if models:
        return {"gpus": [{"name": name} for name in models], "gpu_driver": driver[1] if driver else ""}
    names = [
        _read_machine_file(path).strip()
        for path in sorted(Path("/sys/class/drm").glob("card?/device/product_name"))
    ]
    return {
        "gpus": [{"name": name} for name in names if name],
        "gpu_driver": _read_machine_file("/sys/module/amdgpu/version").strip(),
    }


def parse_machine_gpus(text: str) -> dict[str, Plain]:
    """The GPUs by what ``nvidia-smi`` prints: a name, memory in MiB and the driver on each line."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines())]
    rows = [row for row in rows if len(row) == len(_NVIDIA_FIELDS)]
    if not rows:
        return {}
    gpus: list[Plain] = [
        {"name": name} | ({"memory": int(memory) * 2**20} if memory.isdecimal() else {})
        for name, memory, _ in rows
    ]
    return {"gpus": gpus, "gpu_driver": rows[0][2]}


def _printed_by_machine_command(*command: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - no text of anybody else's
            command,
            check=True,
            capture_output=True,
            timeout=_PATIENCE,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace")


def _read_machine_file(path: str | Path) -> str:
    try:
        return Path(path).read_bytes()[:1_000_000].decode("utf-8", "replace")
    except OSError:
        return ""
