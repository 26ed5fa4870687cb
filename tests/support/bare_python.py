"""A Python without wandb and mlflow, for what legm does where they are not installed."""

from __future__ import annotations

import sys
from pathlib import Path

_ABSENT = ("wandb", "mlflow", "__editable__", "_wandb")
"""How the names of their files begin, and those of an editable installation of legm."""


def make_bare_python(base: Path) -> Path:
    """Make a Python with what legm needs, and without wandb and mlflow.

    Args:
        base: an empty folder.

    Returns:
        the program; legm itself is found by ``PYTHONPATH``.
    """
    packages = base / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    packages.mkdir(parents=True)
    for folder in {Path(one) for one in sys.path if one.endswith("site-packages")}:
        for one in folder.iterdir():
            if not one.name.startswith(_ABSENT) and one.suffix != ".pth":
                (packages / one.name).symlink_to(one)
    (base / "bin").mkdir()
    (base / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    home = Path(sys.executable).resolve().parent
    (base / "pyvenv.cfg").write_text(f"home = {home}\ninclude-system-site-packages = false\n")
    return base / "bin" / "python"
