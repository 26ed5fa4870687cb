"""The benchmarks run; what they measure is never asserted here."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

ROWS = [
    "set",
    "run",
    "memory",
    "log_late",
    "import",
    "import_heavy",
    "start_existing",
    "start_existing_ratio",
    "start_new",
    "start_new_ratio",
    "build_start",
    "aggregate",
    "plot_data",
    "plot_memory",
    "plot",
    "build_runs",
    "ls_cold",
    "ls_warm",
    "best_cold",
    "best_warm",
    "help",
    "report_build",
    "report_size",
    "import_mlflow",
    "import_wandb",
    "read_wandb",
    "mlflow_sqlite",
    "mlflow_sqlite_loop",
    "mlflow_server",
    "mlflow_server_loop",
    "mlflow_caller",
    "mlflow_aggregate",
    "wandb_caller",
    "wandb_total",
    "wandb_cpu",
    "several_caller",
    "several_slowest",
    "legm",
]


def benchmarks(*arguments, module="benchmarks"):
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_every_row_of_legms_own_has_a_figure_and_quick_ones_are_not_judged(tmp_path):
    options = ["--quick", "--only", *ROWS, "--json", str(tmp_path / "rows.json")]
    found = benchmarks(*options, module="tests.support.forked_benchmarks")
    assert found.returncode == 0, found.stderr
    content = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))
    rows = {row["name"]: row for row in content["rows"]}
    assert sorted(rows) == sorted(ROWS)
    for name, row in rows.items():
        assert isinstance(row["value"], float), name
        assert row["verdict"] == "", name
    assert content["quick"] is True
    assert rows["import_heavy"]["value"] == 0
    assert content["machine"]["libraries"]["legm"]
    assert "start_new_ratio" in found.stdout


def test_a_peer_that_is_not_installed_is_a_row_that_says_so(tmp_path):
    script = (
        "import sys\n"
        "from benchmarks import __main__, sample\n"
        "def run(probe, arguments, home):\n"
        "    if probe.__name__ == 'trackio':\n"
        "        raise sample.NotInstalled('trackio')\n"
        "    return {'scalars': 1, 'caller': 1, 'total': 1, 'cpu': 1, 'caller_cpu': 1}\n"
        "__main__.run = run\n"
        f"sys.argv = ['benchmarks', '--only', 'trackio', '--json', {str(tmp_path / 'rows.json')!r}]\n"
        "__main__.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))["rows"]
    assert row["verdict"] == "not installed"
    assert row["value"] is None


def test_an_unknown_row_is_refused_with_the_rows_that_there_are():
    found = benchmarks("--only", "nothing")
    assert found.returncode == 2
    assert "'nothing'" in found.stderr
    assert "import_heavy" in found.stderr


def test_the_list_names_every_row_of_legms_own():
    listed = {line.split()[0] for line in benchmarks("--list").stdout.splitlines()}
    assert set(ROWS) <= listed
    assert {"tensorboard", "tensorboardx", "wandb", "mlflow", "mlflow_batched", "trackio", "text"} <= listed
