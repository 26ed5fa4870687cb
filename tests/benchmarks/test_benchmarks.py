"""The benchmarks run; what they measure is never asserted here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from benchmarks.__main__ import _seconds
from tests.support.paths import ROOT
from tests.support.processes import is_running
from tests.support.waiting import until

ROWS = [
    "set",
    "run",
    "memory",
    "log_late",
    "disk_rounded_1",
    "disk_rounded_10",
    "image",
    "image_cpu",
    "log_memory_1",
    "log_memory_10",
    "import",
    "trainer_import",
    "trainer_call",
    "trainer_run",
    "import_heavy",
    "system_metrics",
    "resume",
    "start_in_repository",
    "step_git",
    "step_sampler",
    "start_absent_values",
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
    "history_csv",
    "history_parquet",
    "history_polars",
    "history_wandb",
    "amend",
    "ls_cold",
    "ls_warm",
    "best_cold",
    "best_warm",
    "help",
    "ls_memory",
    "report_build",
    "report_size",
    "again_classic",
    "again_folders",
    "again_mlflow",
    "again_wandb",
    "import_memory",
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


def benchmarks(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_every_row_of_legms_own_has_a_figure_and_quick_ones_are_not_judged(tmp_path, prepared):
    options = ["--quick", "--only", *ROWS, "--json", tmp_path / "rows.json"]
    found = prepared.run(["-m", "tests.support.forked_benchmarks", *options], cwd=ROOT)
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


def stoppable(tmp_path, *arguments):
    """A plan with a row that is measured at once, and one that hangs and has a server."""
    command = "from tests.support import benchmark_probes; benchmark_probes.main()"
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            command,
            "--json",
            str(tmp_path / "rows.json"),
            *arguments,
        ],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def first_row_is_kept(tmp_path, output):
    content = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))
    assert [(row["name"], row["values"], row["verdict"]) for row in content["rows"]] == [
        ("first", [7.0], "reached"),
        ("second", [], "not measured"),
    ]
    assert content["stopped"]
    assert "reached" in output
    assert "not measured" in output


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
def test_rows_appear_as_they_are_measured_and_are_kept_when_it_is_stopped_with_no_server_left(tmp_path):
    with stoppable(tmp_path) as running:
        shown = iter(running.stderr)
        assert next(line for line in shown if line.startswith("first")).split()[1:3] == ["7", "s"]
        server = int(until((tmp_path / "pid").exists) and (tmp_path / "pid").read_text())
        running.send_signal(signal.SIGTERM)
        output, _ = running.communicate(timeout=30)
    assert running.returncode == 130
    first_row_is_kept(tmp_path, output)
    until(lambda: not is_running(server))


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
def test_a_duration_bounds_what_is_measured(tmp_path):
    began = time.monotonic()
    with stoppable(tmp_path, "--for", "2.5s") as running:
        output, errors = running.communicate(timeout=30)
    assert running.returncode == 0, errors
    first_row_is_kept(tmp_path, output)
    assert "the time was over" in errors
    assert time.monotonic() - began < 20
    until(lambda: not is_running(int((tmp_path / "pid").read_text())))


def test_a_duration_has_a_unit_or_is_in_seconds():
    assert [_seconds(text) for text in ("90", "90s", "1.5m", "1h")] == [90.0, 90.0, 90.0, 3600.0]
    found = benchmarks("--for", "soon")
    assert found.returncode == 2
    assert "'soon' is not a duration such as 90s, 10m or 1h" in found.stderr
