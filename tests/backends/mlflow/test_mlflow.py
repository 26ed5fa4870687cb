"""The MLflow backend on real stores and a real server, read by MLflow's own client."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from mlflow import MlflowClient

from legm import BackendError, ExperimentHandler
from legm.backends.mlflow.names import mlflow_metric_key, mlflow_sqlite_uri
from legm.delivery import circuit_breaker
from legm.delivery.client import connect_client
from legm.records import Query, Status
from tests.support.browsing import keep_picture
from tests.support.different_code import make_runs_of_different_code
from tests.support.mlflow_server import Server, experiment_of, free_port, wait_for
from tests.support.mlflow_store import STARTING, client, has_ended, history, only_run, prepare_store, runs
from tests.support.sample_runs import comparable, script
from tests.support.waiting import until


@pytest.fixture(params=["sqlite", "server"])
def options(request) -> dict:
    return {"tracking_uri": request.getfixturevalue("mlflow_server").uri} if request.param == "server" else {}


# The same answers


def test_the_same_script_gives_the_local_backends_answers_bit_for_bit(tmp_path, options):
    name = experiment_of(tmp_path)
    prepare_store(tmp_path / "m%?#" / "mlflow.db")
    ours = ExperimentHandler(tmp_path / "local", name, "it's “d”")
    theirs = ExperimentHandler(tmp_path / "m%?#", name, "it's “d”", backend="mlflow", backend_options=options)
    expected = [comparable(result) for result in script(ours)]
    assert [comparable(result) for result in script(theirs)] == expected
    read = []
    for backend, of in (("local", tmp_path / "local"), ("mlflow", tmp_path / "m%?#")):
        clients = connect_client(of, backend, options if backend == "mlflow" else None)
        query = Query(name, ours.fingerprint, "it's “d”", None)
        found = sorted(clients.runs_as_stored(query), key=lambda r: r.run.run_id)
        read.append([comparable(r) for r in found if r.status is Status.COMPLETED])
    assert read[0] == read[1] == [expected[1], expected[3]]
    for aggregation in ("mean", "median"):
        assert repr(theirs.aggregate_results(aggregation)) == repr(ours.aggregate_results(aggregation))
    best = [handler.get_best("loss", lr=0.1)[0] for handler in (ours, theirs)]
    assert repr(best[0].value) == repr(best[1].value)
    assert len(theirs.plot()) == len(ours.plot())
    assert len(theirs.plot_comparison_bars("acc", test=True, formats=("pdf", "png"))) == 2


def test_everything_is_where_an_mlflow_user_expects_it(mlflow_store, tmp_path, options):
    name = experiment_of(tmp_path)
    with ExperimentHandler(tmp_path, name, "why", backend="mlflow", backend_options=options) as handler:
        handler.set_dict_params({"lr": 0.1, "seed": 3, "hf_token": "abcdefgh12345678"})
        handler.disable_param("seed")
        handler.name_param("lr")
        handler.start()
        for step in range(3):
            handler.set_dict_metrics({"loss@k": 1 / (step + 1), "a//b": float(step)}, step=10 * step)
        handler.set_metric("acc", 0.5, test=True)
        handler.tensorboard_write("note", "hello", 1)
        (tmp_path / "w.bin").write_bytes(b"weights")
        handler.log_artifact(tmp_path / "w.bin")
        handler.set_best("early_stopping", metric="loss@k", higher_better=False)
    handler.aggregate_results()
    places = handler.plot(formats=("png", "pdf"))
    reader = MlflowClient(options["tracking_uri"]) if options else client(tmp_path)
    run = only_run(reader, name)
    (parent,) = runs(reader, name, "tags.`legm.kind` = 'configuration'")
    assert run.data.params == {"lr": "0.1", "seed": "3", "hf_token": "<redacted>"}
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert run.data.tags["mlflow.note.content"] == "why"
    assert history(reader, run, "dev/loss_x40_k") == [(0, 1.0), (10, 0.5), (20, 1 / 3)]
    assert history(reader, run, mlflow_metric_key("dev", "a//b")) == [(0, 0.0), (10, 1.0), (20, 2.0)]
    assert run.data.metrics["test/acc"] == 0.5
    assert (run.data.metrics["best/loss_x40_k"], run.data.metrics["best_step"]) == (1 / 3, 20)
    files = {info.path for info in reader.list_artifacts(run.info.run_id, "files")}
    assert files == {"files/w.bin"}
    assert parent.data.params == {"lr": "0.1"}
    means = [value for key, value in parent.data.metrics.items() if key.endswith("best_loss_x40_k/mean")]
    assert means == [1 / 3]
    assert "| best loss@k | 0.333333" in parent.data.tags["mlflow.note.content"]
    pictures = {info.path for info in reader.list_artifacts(parent.info.run_id, "why-plots")}
    assert {"why-plots/loss@k.png", "why-plots/loss@k.pdf"} <= pictures
    assert len(places) == len(pictures)
    content = Path(reader.download_artifacts(parent.info.run_id, "why-plots/loss@k.pdf", tmp_path))
    assert content.read_bytes()[:5] == b"%PDF-"
    assert {info.path for info in reader.list_artifacts(parent.info.run_id, "why-curves")} == {
        "why-curves/a_x2f__x2f_b.csv",
        "why-curves/loss@k.csv",
    }


def test_runs_that_legm_did_not_write_are_left_alone(mlflow_store, tmp_path):
    with ExperimentHandler(tmp_path, "e", backend="mlflow") as handler:
        handler.start()
        handler.set_metric("loss", 1)
    other = client(tmp_path)
    foreign = other.create_run(other.get_experiment_by_name("e").experiment_id)
    other.log_metric(foreign.info.run_id, "dev/loss", 99)
    assert handler.aggregate_results()["best_loss"]["n"] == 1
    assert other.get_run(foreign.info.run_id).data.metrics == {"dev/loss": 99}


def test_nothing_global_is_touched(tmp_path, monkeypatch):
    import mlflow

    monkeypatch.chdir(tmp_path)
    own, *others = [prepare_store(tmp_path / name) for name in ("own.db", "a/x.db", "b/x.db")]
    mlflow.set_tracking_uri(mlflow_sqlite_uri(own))
    try:
        with mlflow.start_run() as active:
            before = dict(os.environ), mlflow.get_tracking_uri()
            for store in others:
                with ExperimentHandler(
                    store.parent,
                    "e",
                    backend="mlflow",
                    backend_options={"tracking_uri": mlflow_sqlite_uri(store)},
                ) as handler:
                    handler.start()
                    handler.set_metric("loss", 1)
                assert mlflow.active_run().info.run_id == active.info.run_id
            assert set(os.environ.items()) ^ set(before[0].items()) == set()
            assert mlflow.get_tracking_uri() == before[1]
    finally:
        mlflow.set_tracking_uri(None)
        os.environ.pop("MLFLOW_TRACKING_URI", None)
    for store in others:
        assert only_run(MlflowClient(mlflow_sqlite_uri(store))).data.metrics["dev/loss"] == 1


@pytest.mark.slow
def test_eight_processes_start_on_one_fresh_store(tmp_path, prepared):
    given = [(tmp_path, seed) for seed in range(8)]
    assert prepared.run_at_once(STARTING, given, tmp_path / "said.txt") == [0] * 8
    reader = client(tmp_path)
    assert len(runs(reader, "e", "tags.`legm.kind` = 'configuration'")) == 1
    assert all(
        len(history(reader, run, "dev/loss")) == 20 for run in runs(reader, "e", "tags.`legm.kind` = 'run'")
    )
    handler = ExperimentHandler(tmp_path, "e", backend="mlflow")
    handler.set_param("lr", 0.1)
    summary = handler.aggregate_results()["best_loss"]
    assert (summary["n"], summary["mean"]) == (8, 19 + 3.5)


KILLED = """
import os, signal, sys, time
from legm import ExperimentHandler
handler = ExperimentHandler(sys.argv[1], "e", backend="mlflow").start()
for step in range(3000):
    handler.set_metric("loss", step, step=step)
    time.sleep(0.001)  # a training of some seconds, which is delivered in part
handler.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_is_delivered_once_by_sync(mlflow_store, tmp_path, prepared):
    assert prepared.run(["-c", KILLED, tmp_path]).returncode == -signal.SIGKILL
    command = ["-m", "legm", "sync", tmp_path]
    assert "with 3,000 values delivered" in prepared.run(command, check=True).stdout
    assert "nothing is pending" in prepared.run(command, check=True).stdout
    run = only_run(client(tmp_path))
    assert run.info.status == "KILLED"
    assert history(client(tmp_path), run, "dev/loss") == [(step, float(step)) for step in range(3000)]


def test_what_a_killed_process_left_half_made_is_passed_over_and_then_completed(mlflow_store, tmp_path):
    def run(seed: int) -> ExperimentHandler:
        with ExperimentHandler(tmp_path, "e", backend="mlflow") as handler:
            handler.set_dict_params({"lr": 0.1, "seed": seed})
            handler.disable_param("seed")
            handler.start()
            handler.set_metric("loss", seed)
        return handler

    run(0)
    of = client(tmp_path)
    experiment, done = of.get_experiment_by_name("e"), only_run(of)
    kept = ("legm.kind", "legm.fingerprint", "legm.description_digest")
    begun = {**{name: done.data.tags[name] for name in kept}, "legm.run": "killed-before-its-files"}
    of.create_run(experiment.experiment_id, tags=begun)
    (parent,) = runs(of, "e", "tags.`legm.kind` = 'configuration'")
    of.update_run(parent.info.run_id, status="RUNNING")
    description = Path(parent.info.artifact_uri.removeprefix("file://")) / "legm" / "run.json"
    description.unlink()
    reader = ExperimentHandler(tmp_path, "e", backend="mlflow")
    (place,) = reader.get_best("loss")  # the configuration is known from its runs
    assert (place.completed, place.value.mean) == (1, 0.0)

    assert run(1).aggregate_results()["best_loss"]["mean"] == 0.5
    assert description.exists()
    (place,) = ExperimentHandler(tmp_path, "e", backend="mlflow").get_best("loss")
    assert (place.completed, place.value.mean) == (2, 0.5)
    (parent,) = runs(of, "e", "tags.`legm.kind` = 'configuration'")
    assert parent.info.status == "FINISHED"


# Outages


@pytest.fixture
def own_server(tmp_path, prepared):
    (tmp_path / "server").mkdir()
    made = Server(tmp_path / "server", prepared)
    yield made
    made.stop()


@pytest.mark.slow
def test_a_server_may_be_absent_come_die_and_return(tmp_path, own_server, caplog):
    root, options = tmp_path / "root", {"tracking_uri": own_server.uri}
    with ExperimentHandler(root, "e", backend="mlflow", backend_options=options) as handler:
        handler.set_param("part", 1)
        handler.start()
        for step in range(100):
            handler.set_metric("loss", step, step=step)
    assert sum(record.levelno >= logging.ERROR for record in caplog.records) == 1
    assert "Training continues" in caplog.text
    assert "100 values are undelivered" in caplog.text
    assert len(list(root.rglob("open/*.log"))) == 1
    with pytest.raises(BackendError, match="could not read the runs"):
        handler.aggregate_results()

    own_server.start()
    handler = ExperimentHandler(root, "e", backend="mlflow", backend_options=options)
    handler.set_param("part", 2)
    handler.start()
    reader = MlflowClient(own_server.uri)
    for step in range(50):
        handler.set_metric("loss", step, step=step)
    assert handler.flush(60)
    own_server.stop()
    for step in range(50, 100):
        handler.set_metric("loss", step, step=step)
    threading.Timer(4, own_server.start).start()
    until(lambda: "delivering the backlog" in caplog.text, 120)
    handler.log()
    found = runs(reader, "e", "tags.`legm.kind` = 'run'")
    assert len(found) == 2
    for run in found:
        assert history(reader, run, "dev/loss") == [(step, float(step)) for step in range(100)]
        assert run.info.status == "FINISHED"
    assert not list(root.rglob("open/*.log"))
    assert handler.get_best("loss")[0].value.mean == 99


def test_a_run_that_is_delivered_after_log_gave_up_is_finalized(tmp_path, own_server, caplog):
    options = {"tracking_uri": own_server.uri}
    handler = ExperimentHandler(tmp_path / "root", "e", backend="mlflow", backend_options=options).start()
    handler.set_metric("loss", 1)
    handler.log()
    assert "1 value is undelivered" in caplog.text
    own_server.start()
    until(lambda: "delivering the backlog" in caplog.text)
    reader = MlflowClient(own_server.uri)
    until(lambda: has_ended(reader))
    with handler:
        pass
    assert not list(tmp_path.rglob("open/*.log"))
    assert only_run(MlflowClient(own_server.uri)).info.status == "FINISHED"


# A database server


@pytest.mark.slow
def test_a_tracking_server_on_postgresql_has_several_clients(tmp_path, postgres, prepared):
    (tmp_path / "server").mkdir()
    made = Server(tmp_path / "server", prepared, postgres)
    made.start()
    try:
        environment = {**os.environ, "MLFLOW_TRACKING_URI": made.uri}
        given = [(tmp_path / f"machine{seed % 2}", seed) for seed in range(4)]
        assert prepared.run_at_once(STARTING, given, tmp_path / "said.txt", env=environment) == [0] * 4
        options = {"tracking_uri": made.uri}
        handler = ExperimentHandler(tmp_path / "third", "e", backend="mlflow", backend_options=options)
        handler.set_param("lr", 0.1)
        summary = handler.aggregate_results()["best_loss"]
        assert (summary["n"], summary["mean"]) == (4, 19 + 1.5)
        for run in runs(MlflowClient(made.uri), "e", "tags.`legm.kind` = 'run'"):
            assert len(history(MlflowClient(made.uri), run, "dev/loss")) == 20
    finally:
        made.stop()


@pytest.mark.slow
def test_a_database_without_a_server_has_several_writers_and_may_hang(
    tmp_path, postgres, prepared, monkeypatch
):
    uri = postgres
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    given = [(tmp_path, seed) for seed in range(8)]
    assert prepared.run_at_once(STARTING, given, tmp_path / "said.txt") == [0] * 8
    assert "undelivered" not in (tmp_path / "said.txt").read_text()
    handler = ExperimentHandler(tmp_path, "e", backend="mlflow")
    handler.set_param("lr", 0.1)
    assert handler.aggregate_results()["best_loss"]["n"] == 8
    for run in runs(MlflowClient(uri), "e", "tags.`legm.kind` = 'run'"):
        assert len(history(MlflowClient(uri), run, "dev/loss")) == 20

    monkeypatch.setattr(circuit_breaker, "PATIENCE", 2.0)
    port = uri.rpartition(":")[2].partition("/")[0]
    signal_to_database(port, signal.SIGSTOP)
    try:
        for limit in (10.0, 2.0):
            began = time.monotonic()
            other = ExperimentHandler(tmp_path, "e", backend="mlflow")
            other.set_param("lr", 0.1)
            other.start()
            other.set_metric("loss", 3.0)
            other.log()
            with other, pytest.raises(BackendError, match="'mlflow' does not answer"):
                other.aggregate_results()
            assert time.monotonic() - began < limit
    finally:
        signal_to_database(port, signal.SIGCONT)

    def is_delivered() -> bool:
        with contextlib.suppress(BackendError):
            return handler.aggregate_results()["best_loss"]["n"] == 10
        return False

    until(is_delivered, 120)


def signal_to_database(port: str, number: int) -> None:
    """Send a signal to a PostgreSQL server and all of its processes."""
    first = pgrep("-f", f"postgres .*-p {port} ")
    for process in {*first, *(child for one in first for child in pgrep("-P", str(one)))}:
        os.kill(process, number)


def pgrep(*arguments: str) -> list[int]:
    found = subprocess.run(["pgrep", *arguments], capture_output=True, text=True, check=False)
    return [int(process) for process in found.stdout.split()]


# What does not fit


def test_without_mlflow_the_error_says_what_to_install(tmp_path):
    code = (
        "import sys; sys.modules['mlflow'] = None\n"
        "from legm import ExperimentHandler, BackendError\n"
        "try: ExperimentHandler('x', 'e', backend='mlflow')\n"
        "except BackendError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'legm[mlflow]'" in done.stdout


def test_a_password_is_in_no_file_and_no_message(tmp_path):
    options = {"tracking_uri": "http://me:geheim@127.0.0.1:9"}
    with ExperimentHandler(tmp_path, "e", backend="mlflow", backend_options=options) as handler:
        handler.start()
        handler.set_metric("loss", 1)
    with pytest.raises(BackendError) as raised:
        handler.aggregate_results()
    assert "geheim" not in str(raised.value)
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kept
    assert all(b"geheim" not in path.read_bytes() for path in kept)


def test_a_store_is_read_where_it_was_moved_to(tmp_path):
    prepare_store(tmp_path / "a" / "mlflow.db")
    with ExperimentHandler(tmp_path / "a", "e", backend="mlflow") as handler:
        handler.start()
        handler.set_metric("loss", 0.25)
    (tmp_path / "a").rename(tmp_path / "b")
    assert ExperimentHandler(tmp_path / "b", "e", backend="mlflow").get_best("loss")[0].value.mean == 0.25
    (tmp_path / "a" / "mlartifacts").mkdir(parents=True)  # of another store that was made there since
    assert ExperimentHandler(tmp_path / "b", "e", backend="mlflow").get_best("loss")[0].value.mean == 0.25


def test_the_ui_command_names_the_store(tmp_path, prepared):
    command = ["-m", "legm", "mlflow-ui", tmp_path, "--print"]
    refused = prepared.run(command)
    assert refused.returncode == 1
    assert "no MLflow store" in refused.stderr
    prepare_store(tmp_path / "mlflow.db")
    with ExperimentHandler(tmp_path, "e", backend="mlflow") as handler:
        handler.start()
    assert "mlflow.db" in prepared.run(command, check=True).stdout


# What a user sees


def log_two_seeds_with_media(folder: Path) -> tuple[ExperimentHandler, str]:
    """The handler of two completed runs with media, and the id of the second in MLflow."""
    for seed in range(2):
        with ExperimentHandler(folder, "e", backend="mlflow") as handler:
            handler.set_dict_params({"net": "lenet", "seed": seed})
            handler.disable_param("seed")
            handler.name_param("net")
            handler.start()
            for step in range(3):
                handler.set_metric("loss", 0.25 * seed, step=step)
                handler.log_image("digits", np.full((48, 48, 3), 60 * step, np.uint8), step=step)
            figure = Figure()
            figure.subplots().plot([0, 1])
            handler.log_figure("drawn", figure, step=2)
            handler.log_text("notes", "words of a note", step=2)
            handler.log_table("answers", {"letter": ["a cell", "another"], "score": [0.5, 0.25]}, step=2)
            handler.log_audio("tone", np.sin(np.arange(800) / 5), 8000, step=2)
            handler.log_histogram("weights", [0.0, 1.0], step=2, bins=2)
            logged = handler.run_id
    (second,) = runs(client(folder), "e", f"tags.`legm.run_id` = '{logged}'")
    return handler, second.info.run_id


def log_a_rewound_run(folder: Path) -> tuple[str, list[float]]:
    """A run of 60 steps that went back twice; returns its id and the values that count."""
    expected: list[float] = []
    for number, (first, stop) in enumerate([(0, 40), (25, 50), (35, 60)]):
        handler = ExperimentHandler(folder, "rewound", backend="mlflow")
        handler.set_param("net", "lenet")
        handler.start(resume=True, rewind_to=first - 1)
        values = [(1 - number / 4) / (1 + step / 10) for step in range(first, stop)]
        for step, value in enumerate(values, first):
            handler.set_metric("loss", value, step=step)
        expected[first:] = values
        run_id = handler.run_id
        handler.end("completed" if stop == 60 else "interrupted")
    return run_id, expected


def shows_rewound_curve(browser, address: str, store: MlflowClient, logged: tuple[str, list[float]]) -> None:
    """Check that the page draws the curve of a run that went back without what is void."""
    from selenium.webdriver.support.ui import WebDriverWait

    (run,) = runs(store, "rewound", f"tags.`legm.run_id` = '{logged[0]}'")
    browser.get(f"{address}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}/model-metrics")
    drawn = """return [...document.querySelectorAll(".js-plotly-plot")].flatMap(plot => plot.data)
        .filter(curve => curve.x && curve.x.length > 1).map(curve => [[...curve.x], [...curve.y]])"""
    curves = WebDriverWait(browser, 60).until(lambda page: page.execute_script(drawn))
    assert all(steps == [*range(60)] and values == logged[1] for steps, values in curves)
    keep_picture(browser, "mlflow-resumed")


WAVE = """
const found = [];
const visit = root => root.querySelectorAll("*").forEach(one => {
  if (one.localName === "canvas" && one.width > 0) found.push(one);
  if (one.shadowRoot) visit(one.shadowRoot);
});
visit(document);
return found.length;
"""  # MLflow's page draws a sound


def shows_media(browser, shows, store: MlflowClient, run_id: str) -> None:
    """Check that the page shows each kind of media of a run, and its pictures by their steps."""
    from selenium.webdriver.support.ui import WebDriverWait

    def shows_artifact(folder: str, *texts: str) -> None:
        (path,) = (one.path for one in store.list_artifacts(run_id, folder))
        browser.get("about:blank")  # the page does not leave an artifact for another of the same run
        shows(f"/runs/{run_id}/artifacts/{path}", path, *texts)

    def has(script: str) -> None:
        WebDriverWait(browser, 60).until(lambda p: p.execute_script(script))

    shows_artifact("figures/drawn")
    has("return [...document.images].some(i => i.naturalWidth > 300)")
    keep_picture(browser, "mlflow-figure")
    shows_artifact("tables/answers", "a cell", "another")
    keep_picture(browser, "mlflow-table")
    shows_artifact("media/tone")
    has(WAVE)
    keep_picture(browser, "mlflow-sound")
    shows_artifact("media/weights", "edges", "counts")
    shows_artifact("media/notes", "words of a note")
    keep_picture(browser, "mlflow-text")
    before = browser.get_window_size()
    browser.set_window_size(before["width"], 2600)  # the pictures are below the curves, and drawn when seen
    shows(f"/runs/{run_id}/model-metrics", "digits")
    has("return [...document.images].some(i => i.naturalWidth === 48)")
    keep_picture(browser, "mlflow-stepped")
    browser.set_window_size(before["width"], before["height"])


@pytest.mark.slow
def test_mlflows_page_shows_configurations_their_runs_aggregates_and_plots(
    mlflow_store, tmp_path, browser, monkeypatch
):
    from selenium.webdriver.support.ui import WebDriverWait

    handler, with_media = log_two_seeds_with_media(tmp_path)
    handler.aggregate_results()
    handler.plot()
    resumed = make_runs_of_different_code(tmp_path, monkeypatch, backend="mlflow")
    rewound = log_a_rewound_run(tmp_path)
    experiment = client(tmp_path).get_experiment_by_name("e").experiment_id
    other = ExperimentHandler(tmp_path, "e", backend="mlflow")
    other.set_dict_params({"net": "other", "seed": 1})
    other.disable_param("seed")
    other.aggregate_results()
    parents = runs(client(tmp_path), "e", "tags.`legm.kind` = 'configuration'")
    (parent,) = [one for one in parents if "lenet" in one.info.run_name]
    (of_different_code,) = [one for one in parents if one is not parent]
    (run,) = runs(client(tmp_path), "e", f"tags.`legm.run_id` = '{resumed}'")
    port = free_port()
    command = [sys.executable, "-m", "legm", "mlflow-ui", str(tmp_path), "--port", str(port)]
    ui = subprocess.Popen(
        command, start_new_session=True, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(f"http://127.0.0.1:{port}")

        def shows(path: str, *texts: str) -> None:
            browser.get(f"http://127.0.0.1:{port}/#/experiments/{experiment}{path}")
            for text in texts:
                WebDriverWait(browser, 60).until(
                    lambda p, text=text: text in p.find_element("tag name", "body").text
                )

        shows("/runs", "lenet")
        shows_rewound_curve(browser, f"http://127.0.0.1:{port}", client(tmp_path), rewound)
        shows(f"/runs/{parent.info.run_id}", "lenet, seed=0", "lenet, seed=1", "last loss", "0.125")
        shows(f"/runs/{parent.info.run_id}/artifacts/plots/loss.png", "plots/loss.png")
        drawn = "return [...document.images].some(i => i.src.includes('loss.png') && i.naturalWidth > 100)"
        blob = "return [...document.images].some(i => i.naturalWidth > 300)"
        WebDriverWait(browser, 60).until(lambda p: p.execute_script(drawn) or p.execute_script(blob))
        shows_media(browser, shows, client(tmp_path), with_media)
        shows(f"/runs/{of_different_code.info.run_id}", "They come from different code:", "then bbbbbbb")
        shows(f"/runs/{run.info.run_id}", "train.py", "bbbbbbb")
        keep_picture(browser, "mlflow-run")
        shows(f"/runs/{run.info.run_id}/system-metrics", "cpu_utilization_percentage")
        keep_picture(browser, "mlflow-system")
        shows(f"/runs/{run.info.run_id}/artifacts/files/legm-console.txt", "epoch of seed 3")
        keep_picture(browser, "mlflow-console")
    finally:
        keep_picture(browser, "mlflow-last")
        browser.get("about:blank")
        ui.terminate()  # so that it stops the server, which is in a group of its own
        ui.wait(60)
