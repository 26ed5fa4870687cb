"""Processes whose clock is set back, and that are on another host, as far as this machine allows it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["BE_ON_HOST", "SLEEP", "FakeClock", "is_administrator", "may_change_host"]

BE_ON_HOST = """
def be_on_host(name):
    import ctypes, platform, socket
    if name and ctypes.CDLL(None).unshare(0x04000000) == 0:  # a UTS namespace of its own
        socket.sethostname(name)
        platform._uname_cache = None
        assert platform.node() == name
"""
"""A function that gives its process another host name, where that is allowed."""

SLEEP = """
import select, time
time.sleep = lambda seconds: select.select([], [], [], seconds)
"""
"""Statements for processes with a :class:`FakeClock`, by which Python's own sleep fails."""


def is_administrator() -> bool:
    """Whether this process may administer the system, as root may that is in no container (CAP_SYS_ADMIN)."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return False
    effective = next((line for line in status.splitlines() if line.startswith("CapEff:")), "CapEff: 0")
    return bool(int(effective.split()[1], 16) >> 21 & 1)


def may_change_host() -> bool:
    """Whether a process may have another host name."""
    code = f"{BE_ON_HOST}\nbe_on_host('other')\nimport socket\nassert socket.gethostname() == 'other'"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    return done.returncode == 0


class FakeClock:
    """The clock of processes with these environment variables, by libfaketime; without it there are none.

    Args:
        folder: of a file that says how far it is off.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.set_back(0)
        found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        self._library = found[0] if found else None

    @property
    def is_there(self) -> bool:
        """Whether the clock can be changed."""
        return self._library is not None

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment variables of a process with this clock."""
        if self._library is None:
            return {}
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",  # files that were written before are newer than now, as by a real clock
        }

    def remove_memory_of(self, process: int) -> None:
        """Remove the shared memory that a process with this clock leaves behind unless it ends normally."""
        for name in (f"faketime_shm_{process}", f"sem.faketime_sem_{process}"):
            Path("/dev/shm", name).unlink(missing_ok=True)

    def set_back(self, seconds: int) -> None:
        """Say how far the clock is behind the true time from now on."""
        new = self._file.with_suffix(".new")
        new.write_text(f"-{seconds}\n" if seconds else "+0\n")
        new.replace(self._file)
