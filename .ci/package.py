"""Builds the sdist and the wheel, checks both, and uses what each of them installs.

Usage: ``python .ci/package.py FOLDER``, with build, twine and check-wheel-contents installed. Afterwards the
files are in the folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

RUN = """
import legm
from legm import ExperimentHandler

with ExperimentHandler("results", "smoke") as handler:
    handler.set_param("lr", 0.1)
    handler.start()
    handler.set_metric("loss", 0.5)
assert handler.aggregate_results()["best_loss"]["mean"] == 0.5
handler.plot()
print(legm.__version__, legm.__file__)
"""
"""What a user does first; it needs files beside the modules, too: the style sheet of the plots."""


def run(*command: str | Path, folder: Path = ROOT) -> str:
    """Run a command, show what it prints, and return that.

    Raises:
        SystemExit: it failed.
    """
    print("+", *command, flush=True)
    # Neither this folder nor what the caller has on its path: what is installed alone is used.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, encoding="utf-8", check=False
    )
    print(done.stdout, end="", flush=True)
    if done.returncode:
        raise SystemExit(done.returncode)
    return done.stdout


def modules(names: list[str], above: str = "") -> set[str]:
    """What lies in the package, of the names in an archive."""
    inside = [name.removeprefix(above) for name in names]
    return {name for name in inside if name.startswith("legm/") and not name.endswith("/")}


def check_contents(sdist: Path, wheel: Path) -> None:
    """The wheel has just the package, and the sdist all of what git has of it.

    Raises:
        SystemExit: something is missing, or is there that should not be.
    """
    listed = run("git", "ls-files", "legm").splitlines()
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = archive.namelist()
    with tarfile.open(sdist) as archive:
        in_sdist = archive.getnames()
    folder = in_sdist[0].partition("/")[0]
    strange = [name for name in in_wheel if not name.startswith(("legm/", "legm-"))]
    wanted = {*listed}
    for name, found in (("wheel", modules(in_wheel)), ("sdist", modules(in_sdist, f"{folder}/") & wanted)):
        if found != wanted or strange:
            raise SystemExit(f"the {name} differs from git: {sorted(found ^ wanted)}, {strange}")


def use(archive: Path, work: Path) -> None:
    """Install an archive into an environment of its own; run the command and a run with it."""
    work.mkdir()
    venv.create(work / "venv", with_pip=True)
    scripts = work / "venv" / ("Scripts" if os.name == "nt" else "bin")
    run(scripts / "python", "-m", "pip", "install", "-q", archive.resolve(), folder=work)
    printed = run(scripts / "python", "-W", "error", "-c", RUN, folder=work)
    if str(work.resolve()) not in printed:
        raise SystemExit(f"what was imported is not what was installed: {printed}")
    run(scripts / "legm", "--version", folder=work)
    run(scripts / "legm", "--help", folder=work)
    if "smoke" not in run(scripts / "legm", "ls", "results", folder=work):
        raise SystemExit("legm ls does not show the run")


def main(folder: Path) -> None:
    """Build, check and use both archives."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise SystemExit(f"{folder} is not empty: what is in it would be published too")
    run(sys.executable, "-m", "build", "-q", "--outdir", folder.resolve(), ROOT)  # the wheel from the sdist
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    run(sys.executable, "-m", "twine", "check", "--strict", sdist, wheel)
    run(sys.executable, "-m", "check_wheel_contents", wheel)
    check_contents(sdist, wheel)
    with tempfile.TemporaryDirectory() as work:
        use(wheel, Path(work) / "wheel")
        use(sdist, Path(work) / "sdist")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
