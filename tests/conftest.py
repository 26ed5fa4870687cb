"""Which kind each test is of, in which order they run, and the fixtures that several test modules share."""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings

from tests.support.browsing import opened_firefox
from tests.support.paths import EXAMPLE, TESTS
from tests.support.shared import FOLDER, once

T = TypeVar("T")

for _number in (signal.SIGINT, *([signal.SIGQUIT] if sys.platform != "win32" else [])):
    if signal.getsignal(_number) is signal.SIG_IGN:  # as of what a script of the shell starts with "&"
        signal.signal(_number, signal.SIG_DFL if _number != signal.SIGINT else signal.default_int_handler)

FOLDERS = {
    "core": (
        "arguments",
        "backends/local",
        "core",
        "handler",
        "runlog",
        "stats",
        "tables/test_history.py",
        "tables/test_run_tables.py",
        "test_rings.py",
    ),
    "libraries": (
        "analysis/test_comparison.py",
        "backends/mlflow",
        "backends/test_absent_values.py",
        "backends/test_boundary.py",
        "backends/test_conformance.py",
        "backends/test_damage.py",
        "backends/test_trackio.py",
        "backends/wandb",
        "benchmarks",
        "capture",
        "changes/test_files_in_other_backends.py",
        "changes/test_other_backends.py",
        "console/test_console_in_backends.py",
        "cli/test_completion.py",
        "cli/test_json_everywhere.py",
        "cli/test_other_backends.py",
        "cli/test_plot.py",
        "cli/test_run.py",
        "cli/test_watch.py",
        "cli/test_sweep.py",
        "compat",
        "delivery/test_claims.py",
        "delivery/test_mirrors.py",
        "delivery/test_resumed_delivery.py",
        "docs",
        "export",
        "importers",
        "integrations/test_accelerate.py",
        "integrations/test_catboost.py",
        "integrations/test_fastai.py",
        "integrations/test_flax.py",
        "integrations/test_hostile_trainings.py",
        "integrations/test_ignite.py",
        "integrations/test_lightgbm.py",
        "integrations/test_sklearn.py",
        "integrations/test_skorch.py",
        "integrations/test_stable_baselines3.py",
        "integrations/test_xgboost.py",
        "integrations/test_keras.py",
        "integrations/test_lightning.py",
        "integrations/test_lightning_jobs.py",
        "integrations/test_transformers.py",
        "integrations/test_optuna.py",
        "integrations/test_optuna_stores.py",
        "integrations/test_optuna_trainers.py",
        "integrations/test_hydra.py",
        "integrations/test_hydra_launchers.py",
        "integrations/test_many_machines.py",
        "integrations/test_ray.py",
        "integrations/test_ray_nodes.py",
        "integrations/test_two_nodes.py",
        "provenance/test_imports.py",
        "provenance/test_trackers.py",
        "report",
        "system_metrics",
        "tables/test_backends.py",
        "tables/test_frames.py",
        "tables/test_queries.py",
        "ui",
    ),
    "servers": (
        "backends/wandb/test_server.py",
        "benchmarks",
        "cli/test_tensorboard.py",
        "importers/test_wandb_server.py",
        "ui",
    ),
    "browser": (),
    "clients": (
        "capture/test_scripts.py",
        "compat/test_clients.py",
        "compat/test_examples.py",
        "compat/test_launchers.py",
        "compat/test_mlflow.py",
        "compat/test_quick_clients.py",
        "compat/test_trainer_clients.py",
        "compat/test_trainers.py",
        "compat/test_wandb.py",
        "integrations",
    ),
}
"""By marker, the folders and modules below tests whose tests have it."""

APART = (
    "backends/mlflow/test_mysql.py",
    "compat/test_clients.py",
    "compat/test_examples.py",
    "compat/test_launchers.py",
    "compat/test_library_names.py",
    "compat/test_trainer_clients.py",
    "compat/test_trainers.py",
    "integrations/test_accelerate.py",
    "integrations/test_catboost.py",
    "integrations/test_fastai.py",
    "integrations/test_flax.py",
    "integrations/test_hostile_trainings.py",
    "integrations/test_ignite.py",
    "integrations/test_skorch.py",
    "integrations/test_stable_baselines3.py",
    "integrations/test_keras.py",
    "integrations/test_lightning.py",
    "integrations/test_lightning_jobs.py",
    "integrations/test_transformers.py",
    "integrations/test_optuna_stores.py",
    "integrations/test_optuna_trainers.py",
    "integrations/test_hydra_launchers.py",
    "integrations/test_many_machines.py",
    "integrations/test_ray.py",
    "integrations/test_ray_nodes.py",
    "integrations/test_two_nodes.py",
    "ui/test_elsewhere.py",
)
"""Modules that run only where they are named, as in sessions of nox: they need or take too much."""

FIXTURES = {
    "servers": {"mlflow_server", "own_server", "postgres", "server", "wandb_stand_in", "tensorboard"},
    "browser": {"browser"},
}
"""By marker, the fixtures whose tests have it."""

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # each processor has a worker: a library's further threads only wait

_MEMORY = "/dev/shm"  # where the temporary folders of ``-m core`` are: Linux' file system in memory
_BUSY = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}  # a busy machine is no failure
settings.register_profile("legm", **_BUSY, max_examples=50)
settings.register_profile("core", **_BUSY, max_examples=10)  # it is to be quick, on each Python
settings.load_profile("legm")


os.environ["LEGM_PROVENANCE"] = "0"  # the tests of it switch it on: the others need not wait for git


def is_core_alone(config: pytest.Config) -> bool:
    return bool(config.getoption("markexpr") == "core")


def pytest_configure(config: pytest.Config) -> None:
    """``-m core`` tries fewer examples of each property than the whole suite, and waits for no disk."""
    gc.disable()  # what is imported to collect the tests stays
    if is_core_alone(config):
        settings.load_profile("core")
        if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= 2**30:
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", _MEMORY)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Tests that the markers leave out are not imported, so that no library is needed or waited for."""
    chosen = config.getoption("markexpr")
    if not collection_path.is_relative_to(TESTS):
        return None
    if collection_path in [TESTS / name for name in APART]:
        given = [(config.invocation_params.dir / one.partition("::")[0]).resolve() for one in config.args]
        return None if collection_path in given else True
    if "not libraries" in chosen:
        left_out = [TESTS / name for name in FOLDERS["libraries"]]
        return True if any(collection_path.is_relative_to(one) for one in left_out) else None
    if not is_core_alone(config):
        return None
    kept = [TESTS / name for name in FOLDERS["core"]]
    found = any(collection_path.is_relative_to(one) or one.is_relative_to(collection_path) for one in kept)
    return None if found else True


def spread_slow_first(
    slow: Sequence[T], others: Sequence[T], quick: Sequence[T], workers: int, module: Callable[[T], object]
) -> list[T]:
    """The order in which each worker begins with slow tests, of which those of a module stay together.

    pytest-xdist gives each worker as many tests as another, one after the other in this order. A worker that
    has none left takes the last ones of another: these are quick, so that all workers end together.
    """
    by_module = [[*found] for _, found in itertools.groupby(slow, module)]
    total = len(slow) + len(others) + len(quick)
    medium, last, order = deque(others), deque(quick), []
    for worker in range(workers):
        left = workers - worker
        own = [one for found in by_module[worker::workers] for one in found]
        own += [medium.popleft() for _ in range(len(medium) // left)]
        room = (total - len(order)) // left - len(own)
        order += own + [last.popleft() for _ in range(min(max(0, room), len(last)))]
    return [*order, *last]


@functools.cache
def markers_of(path: Path) -> frozenset[str]:
    """The markers that the tests of a module have by where it is."""
    names = [path.relative_to(TESTS).as_posix()]
    names += [one.as_posix() for one in Path(names[0]).parents]
    return frozenset(marker for marker, folders in FOLDERS.items() if not {*folders}.isdisjoint(names))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by where it is and what it uses, and put the slow ones first."""
    slow: list[pytest.Item] = []
    others: list[pytest.Item] = []
    quick: list[pytest.Item] = []
    for item in items:
        markers = set(markers_of(item.path))
        used = set(getattr(item, "fixturenames", ()))
        markers |= {marker for marker, names in FIXTURES.items() if names & used}
        markers |= {name for name in ("libraries", "slow") if item.get_closest_marker(name)}
        if not markers.isdisjoint(("libraries", "slow")):
            markers.discard("core")
        for marker in sorted(markers):
            item.add_marker(marker)
        kind = slow if "slow" in markers else quick if "core" in markers else others
        kind.append(item)
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items[:] = spread_slow_first(slow, others, quick, workers, lambda item: item.path)


def pytest_collection_finish() -> None:
    """No search for garbage looks again at what the tests have imported: a million objects in each worker."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI on Linux all that a test may need is there: what is skipped is a failure to install it."""
    report = yield
    if report.skipped and "CI" in os.environ and sys.platform == "linux" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which in CI is a failure: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show where the time went, and the versions of what is not ours; a header would be hidden by ``-q``."""
    seconds: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                module = report.nodeid.partition("::")[0].removeprefix("tests/")
                seconds[module.partition("/")[0]] += report.duration
    if seconds.total() > 60:
        parts = [f"{name} {took:.0f}" for name, took in seconds.most_common() if took >= 1]
        terminalreporter.write_line(f"{seconds.total():.0f} s of all workers: {', '.join(parts)}")
    shown = []
    for name in ("mlflow", "wandb", "tensorboard", "numpy"):
        with contextlib.suppress(PackageNotFoundError):  # the core tests need no extra
            shown.append(f"{name} {version(name)}")
    terminalreporter.write_line(", ".join(shown))


@pytest.fixture(scope="session", autouse=True)
def _shared_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Name the folder that all workers have in common."""
    base = tmp_path_factory.getbasetemp()
    os.environ[FOLDER] = str(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)
    os.environ["XDG_CONFIG_HOME"] = str(base / "config")  # not the user's own settings


@pytest.fixture(scope="session")
def prepared(_shared_folder: None) -> Any:
    """Begins processes that are forked from one that has imported MLflow and W&B, for all workers."""
    from tests.support.prepared import TRACKERS, prepared_processes

    return prepared_processes(TRACKERS)


@pytest.fixture(scope="session")
def prepared_core(_shared_folder: None) -> Any:
    """The same without any further library."""
    from tests.support.prepared import CORE, prepared_processes

    return prepared_processes(CORE)


@pytest.fixture(scope="session")
def _shared_mlflow_server(prepared: Any) -> Iterator[Any]:
    from tests.support.mlflow_server import shared_server

    with shared_server(prepared) as made:
        yield made


@pytest.fixture
def mlflow_server(_shared_mlflow_server: Any) -> Iterator[Any]:
    """A real MLflow server that all workers share: each test has experiments of its own there."""
    from tests.support.mlflow_server import without_new_experiments

    with without_new_experiments(_shared_mlflow_server) as server:
        yield server


@pytest.fixture
def postgres(prepared: Any) -> Iterator[str]:
    """The address of a PostgreSQL server of one's own, with MLflow's tables."""
    from tests.support.postgres import running_postgres

    with running_postgres(prepared) as uri:
        yield uri


@pytest.fixture
def mlflow_store(tmp_path: Path) -> Path:
    """A root directory with an MLflow store that has no run yet."""
    from tests.support.mlflow_store import prepare_store

    return prepare_store(tmp_path / "mlflow.db").parent


@pytest.fixture(scope="module", autouse=True)
def _mlflow_tables() -> Iterator[None]:
    """The stores that the tests' own process makes in files are copies; other processes make theirs."""
    with pytest.MonkeyPatch.context() as patched:
        if "mlflow" in sys.modules:
            from legm.backends.mlflow import table_creation
            from tests.support.mlflow_store import copy_tables

            patched.setattr(table_creation, "_create_tables", copy_tables)
        yield


@pytest.fixture(scope="session")
def digits_root() -> Path:
    """The results of examples/digits.py with two seeds, made once for all workers: only to be read.

    What the example printed is in ``stdout.txt`` beside the root directory.
    """

    def train(folder: Path) -> None:
        arguments = ["--root", "results", "--seeds", "2", "--epochs", "8"]
        command = [sys.executable, "-W", "error", str(EXAMPLE), *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False)
        assert done.returncode == 0, done.stderr
        assert not done.stderr
        (folder / "stdout.txt").write_text(done.stdout, encoding="utf-8")

    return once("digits", train) / "results"


@pytest.fixture(scope="session")
def bare_python(_shared_folder: None) -> Path:
    """A Python with what legm needs, and without wandb and mlflow, made once for all workers."""
    from tests.support.bare_python import bare_python

    return bare_python()


@pytest.fixture(scope="session")
def mlflow_originals() -> dict[str, list[Any]]:
    """By experiment, what the real mlflow keeps of the scripts that use it."""
    from tests.support import originals

    return originals.of_mlflow()


@pytest.fixture(scope="session")
def wandb_originals() -> dict[str, list[Any]]:
    """By project, what the real wandb keeps of the scripts that use it."""
    from tests.support import originals

    return originals.of_wandb()


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium without a network, its console kept; without one, tests are skipped.

    ``LEGM_TEST_BROWSER=firefox`` has Firefox in its stead, whose console is not known.
    """
    if os.environ.get("LEGM_TEST_BROWSER") == "firefox":
        yield from opened_firefox(tmp_path_factory.mktemp("firefox"))
        return
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("chromium and chromedriver are not installed")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    profile = tmp_path_factory.mktemp("profile")
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--proxy-server=127.0.0.1:1",
        "--proxy-bypass-list=127.0.0.1",
        "--window-size=1500,1000",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    service = webdriver.ChromeService(executable_path=driver)
    opened = webdriver.Chrome(options=options, service=service)
    yield opened
    opened.quit()


@pytest.fixture
def wandb_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of the user's own W&B, of which nothing is read or written."""
    home = tmp_path_factory.mktemp("home")
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    for name in ("HOME", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    return home
