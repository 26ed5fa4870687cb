"""A Python without wandb and mlflow, for what legm does where they are not installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.support.shared import once

__all__ = ["bare_python"]

_ABSENT = ("wandb", "mlflow", "__editable__", "_wandb")
"""How the names of their files begin, and those of an editable installation of legm."""


def bare_python() -> Path:
    """The program of a Python with all that is installed but wandb and mlflow, and legm by ``PYTHONPATH``.

    It is made once for all workers: a virtual environment whose packages are links to the installed ones, so
    that no file, no metadata and no program of these two is there.
    """
    return once("bare-python", _make) / "bin" / "python"


def _make(base: Path) -> None:
    packages = base / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    packages.mkdir(parents=True)
    for folder in {Path(one) for one in sys.path if one.endswith("site-packages")}:
        for one in folder.iterdir():
            if not one.name.startswith(_ABSENT) and one.suffix != ".pth":
                (packages / one.name).symlink_to(one)
    programs = base / "bin"
    programs.mkdir()
    (programs / "python").symlink_to(Path(sys.executable).resolve())
    home = Path(sys.executable).resolve().parent
    (base / "pyvenv.cfg").write_text(f"home = {home}\ninclude-system-site-packages = false\n")
    _make_programs(programs)


def _make_programs(folder: Path) -> None:
    """The programs that the distributions bring, such as torchrun, with this Python in their first line."""
    here = Path(sys.executable).parent
    installed = b"#!" + os.fsencode(here / "python")
    for one in here.iterdir():
        if one.name.startswith((*_ABSENT, "wb", "legm")) or not one.is_file() or one.is_symlink():
            continue
        first, line_end, rest = one.read_bytes().partition(b"\n")
        if first.startswith(installed):
            (folder / one.name).write_bytes(b"#!" + os.fsencode(folder / "python") + line_end + rest)
            (folder / one.name).chmod(0o755)
