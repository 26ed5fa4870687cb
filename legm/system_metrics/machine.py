"""Readings of the machine and of this process with its children, by psutil."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["MachineReader"]

_MEGABYTE = 1e6


class MachineReader:
    """Reads how much of the machine is used; what is counted since a moment is counted since this one.

    Args:
        folder: a folder on the disk whose space is read.
        pause: is called after each process, of which there may be many, so that other threads may run.
    """

    def __init__(self, folder: Path, pause: Callable[[], None] = lambda: None) -> None:
        import psutil

        self._psutil: Any = psutil
        self._folder = folder
        self._pause = pause
        self._process = psutil.Process()
        self._received, self._sent = self._network()
        self._known: dict[tuple[int, float], tuple[float, int, int]] = {}
        self._read_bytes = self._written_bytes = 0
        self._measured = time.monotonic()
        self._process_tree()
        self._read_bytes = self._written_bytes = 0
        psutil.cpu_percent()  # the first call begins to measure

    def read(self) -> dict[str, float]:
        """The values now, by name without the prefix; what the system does not show is missing."""
        found: dict[str, float] = {"cpu_utilization_percentage": self._psutil.cpu_percent()}
        memory = self._psutil.virtual_memory()
        found["system_memory_usage_megabytes"] = memory.used / _MEGABYTE
        found["system_memory_usage_percentage"] = memory.percent
        with contextlib.suppress(OSError):
            disk = self._psutil.disk_usage(str(self._folder))
            found["disk_usage_percentage"] = disk.percent
            found["disk_usage_megabytes"] = disk.used / _MEGABYTE
            found["disk_available_megabytes"] = disk.free / _MEGABYTE
        received, sent = self._network()
        found["network_receive_megabytes"] = (received - self._received) / _MEGABYTE
        found["network_transmit_megabytes"] = (sent - self._sent) / _MEGABYTE
        return found | self._process_tree()

    def _network(self) -> tuple[int, int]:
        counted = self._psutil.net_io_counters()
        return (0, 0) if counted is None else (counted.bytes_recv, counted.bytes_sent)

    def _process_tree(self) -> dict[str, float]:
        """What this process and its children use, without those that ended since the last reading."""
        now = time.monotonic()
        passed, self._measured = now - self._measured, now
        used, memory, known = 0.0, 0, {}
        for process in [self._process, *self._children()]:
            with contextlib.suppress(self._psutil.Error, OSError), process.oneshot():
                times = process.cpu_times()
                memory += process.memory_info().rss
                read, written = self._disk_bytes(process)
                key = process.pid, process.create_time()
                known[key] = times.user + times.system, read, written
                before = self._known.get(key, (0.0, 0, 0))
                used += max(0.0, known[key][0] - before[0])
                self._read_bytes += max(0, read - before[1])
                self._written_bytes += max(0, written - before[2])
            self._pause()
        self._known = known
        share = 100 * used / passed if passed > 0 else 0.0
        return {
            "process_cpu_percentage": share,
            "process_cpu_utilization_percentage": share / (self._psutil.cpu_count() or 1),
            "process_memory_megabytes": memory / _MEGABYTE,
            "process_disk_read_megabytes": self._read_bytes / _MEGABYTE,
            "process_disk_write_megabytes": self._written_bytes / _MEGABYTE,
        }

    def _children(self) -> list[Any]:
        try:
            return list(self._process.children(recursive=True))
        except (self._psutil.Error, OSError):
            return []

    def _disk_bytes(self, process: Any) -> tuple[int, int]:
        if not hasattr(process, "io_counters"):  # macOS
            return 0, 0
        try:
            counted = process.io_counters()
        except (self._psutil.Error, OSError):  # a process of another user
            return 0, 0
        return counted.read_bytes, counted.write_bytes
