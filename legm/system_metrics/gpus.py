"""Readings of NVIDIA's GPUs, by NVIDIA's own bindings."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["GpuReader"]

_MEGABYTE = 1e6


class GpuReader:
    """Reads the GPUs that CUDA shows to this process; none where there is no GPU, driver or library."""

    def __init__(self) -> None:
        self._gpus: list[tuple[int, Any]] = []
        self._error: Any = ()
        try:
            import pynvml
        except ImportError:
            return
        self._library: Any = pynvml
        self._error = pynvml.NVMLError
        try:
            pynvml.nvmlInit()
            for index in range(pynvml.nvmlDeviceGetCount()):
                gpu = pynvml.nvmlDeviceGetHandleByIndex(index)
                if _is_visible_gpu(index, self._id_of(gpu)):
                    self._gpus.append((index, gpu))
        except pynvml.NVMLError:
            return

    def _id_of(self, gpu: Any) -> str:
        found = self._library.nvmlDeviceGetUUID(gpu)
        return found.decode() if isinstance(found, bytes) else str(found)

    def read(self) -> dict[str, float]:
        """The values now, by name without the prefix; what a GPU does not show is missing."""
        found: dict[str, float] = {}
        for index, gpu in self._gpus:
            for read in (self._use, self._memory, self._temperature, self._power):
                try:
                    found |= {f"gpu_{index}_{name}": value for name, value in read(gpu).items()}
                except self._error:  # not every GPU shows everything
                    continue
        return found

    def _use(self, gpu: Any) -> dict[str, float]:
        return {"utilization_percentage": float(self._library.nvmlDeviceGetUtilizationRates(gpu).gpu)}

    def _memory(self, gpu: Any) -> dict[str, float]:
        memory = self._library.nvmlDeviceGetMemoryInfo(gpu)
        return {
            "memory_usage_megabytes": memory.used / _MEGABYTE,
            "memory_usage_percentage": 100 * memory.used / memory.total if memory.total else 0.0,
        }

    def _temperature(self, gpu: Any) -> dict[str, float]:
        of_chip = self._library.NVML_TEMPERATURE_GPU
        return {"temperature_celsius": float(self._library.nvmlDeviceGetTemperature(gpu, of_chip))}

    def _power(self, gpu: Any) -> dict[str, float]:
        used = self._library.nvmlDeviceGetPowerUsage(gpu)  # in mW
        limit = self._library.nvmlDeviceGetEnforcedPowerLimit(gpu)
        return {
            "power_usage_watts": used / 1000,
            "power_usage_percentage": 100 * used / limit if limit else 0.0,
        }


def _is_visible_gpu(index: int, gpu_id: str) -> bool:
    """Whether CUDA shows a GPU to this process: it names them by index, or by the beginning of their ids."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is None:
        return True
    named = [one.strip() for one in given.split(",") if one.strip()]
    return any(one == str(index) or (not one.isdigit() and gpu_id.startswith(one)) for one in named)
