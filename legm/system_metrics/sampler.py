"""Samples the machine during a run, on a thread of its own."""

from __future__ import annotations

import importlib.util
import logging
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

from legm.core.system_names import SYSTEM_PREFIX
from legm.errors import LegmError
from legm.records import Display, Run
from legm.util.background_pace import BackgroundPace

__all__ = ["SystemSampler", "require_system_libraries"]

log = logging.getLogger(__name__)

_INTERVAL = 15.0  # seconds between two samples
_LAST_SAMPLE = 1.0  # seconds to wait for the sample at the run's end


def require_system_libraries() -> None:
    """Check that what is needed is installed, without importing it.

    Raises:
        LegmError: it is not.
    """
    if importlib.util.find_spec("psutil") is None:
        raise LegmError("system_metrics=True needs psutil: install it with: pip install 'legm[system]'")


class SystemSampler:
    """Records system metrics of a run, every 15 seconds and at its end.

    Args:
        run: the run; the step of a sample is the number of whole seconds since it started.
        folder: a folder on the disk whose space is recorded.
        record: takes the records; it raises an error once the run is closed.
        owner: when it is dropped, the sampling ends too.
        interval: seconds between two samples.
    """

    def __init__(
        self,
        run: Run,
        folder: Path,
        record: Callable[[Display], None],
        owner: object,
        interval: float = _INTERVAL,
    ) -> None:
        self._started = run.started
        self._folder = folder
        self._record = record
        self._interval = interval
        self._is_ended = threading.Event()
        weakref.finalize(owner, self._is_ended.set).atexit = False
        self._thread = threading.Thread(target=self._sample, name="legm-system", daemon=True)
        self._thread.start()

    def note_error(self, error: BaseException) -> None:
        """Do nothing: an error says nothing about the machine."""

    def end(self) -> list[Display]:
        """Take a last sample, which is recorded by the thread itself, and end.

        Returns:
            nothing.
        """
        self._is_ended.set()
        self._thread.join(_LAST_SAMPLE)
        return []

    def _sample(self) -> None:
        try:
            from legm.system_metrics.gpus import GpuReader
            from legm.system_metrics.machine import MachineReader

            pace = BackgroundPace()
            readers = (MachineReader(self._folder, pace.pause), GpuReader())
            is_last = False
            while not is_last:
                is_last = self._is_ended.wait(self._interval)
                now = time.time()
                for reader in readers:
                    for name, value in reader.read().items():
                        self._record(
                            Display(SYSTEM_PREFIX + name, value, max(0, int(now - self._started)), now)
                        )
                    pace.pause()
        except LegmError:  # the run is closed
            return
        except Exception as error:  # noqa: BLE001 - training continues, and the error is reported
            log.error("system metrics are no longer recorded: %s: %s", type(error).__name__, error)  # noqa: TRY400
