"""The conformance kit over every backend of legm's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.util import tensor_util

from legm.backends.local.backend import LocalBackend
from legm.backends.mlflow import MlflowBackend
from legm.backends.mlflow.names import mlflow_sqlite_uri
from legm.backends.portable import REWOUND_FILE, rewound_from
from legm.backends.wandb import WandbBackend
from legm.testing import BackendTests
from tests.support.mlflow_store import prepare_store
from tests.support.wandb_log import records
from tests.support.wandb_server import ENTITY, KEY, serving

QUIET = {"x_disable_stats": True, "x_disable_meta": True, "disable_git": True, "x_save_requirements": False}


class Kit(BackendTests):
    """The kit, whose processes are forked from one that has imported the libraries."""

    __test__ = False

    @pytest.fixture(autouse=True)
    def _forked(self, prepared):
        self._prepared = prepared

    def run_python(self, arguments, output):
        with output.open("wb") as said:
            return self._prepared.begin(arguments, stdout=said, stderr=said).wait()


class TestLocal(Kit):
    __test__ = True

    def make_backend(self, store):
        return LocalBackend(store)

    def stored_points(self, store, run):
        files = [path for path in store.rglob("*tfevents*") if run.run_id in str(path)]
        if not files:
            return None
        return [("loss", step, value) for tag, step, value in scalars(sorted(files)) if tag == "dev/loss"]

    def holds(self, store, value):
        shown = scalars(store.rglob("*tfevents*")) if isinstance(value, float) else ()
        return super().holds(store, value) or any(value == one for _, _, one in shown)


def scalars(files) -> Iterator[tuple[str, int, float]]:
    for path in files:
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                array = tensor_util.make_ndarray(value.tensor)
                if array.dtype.kind == "f" and array.ndim == 0:
                    yield value.tag, event.step, float(array)


class TestMlflowSqlite(Kit):
    __test__ = True

    def make_backend(self, store):
        if store.is_dir():
            prepare_store(store / "mlflow.db")
        return MlflowBackend(store)

    def stored_points(self, store, run):
        return mlflow_points(MlflowClient(mlflow_sqlite_uri(store / "mlflow.db")), run)


def mlflow_points(client: MlflowClient, run) -> list[tuple[str, int, float]]:
    experiment = client.get_experiment_by_name(run.configuration.experiment)
    (found,) = client.search_runs([experiment.experiment_id], f"tags.`legm.run_id` = '{run.run_id}'")
    history = client.get_metric_history(found.info.run_id, "dev/loss")
    points = [(metric.step, metric.timestamp, metric.value) for metric in history]
    if "legm.rewound" not in found.data.tags:
        return counting(points, None)
    return counting(points, Path(client.download_artifacts(found.info.run_id, REWOUND_FILE)).read_bytes())


def counting(points: list[tuple[int, int, float]], rewound: bytes | None) -> list[tuple[str, int, float]]:
    """The points that are not void; each has a step, a place in the tracker's order, and a value."""
    marks = rewound_from(rewound).marks if rewound else ()
    return [
        ("loss", step, value)
        for step, place, value in points
        if not any(step > last and place <= limit for last, limit in marks)
    ]


class TestMlflowServer(Kit):
    __test__ = True
    many = 10_000  # several requests of MLflow's size; the same client stores 100,000 points above

    @pytest.fixture(autouse=True)
    def _server(self, mlflow_server, monkeypatch):
        monkeypatch.setenv("LEGM_TEST_MLFLOW", mlflow_server.uri)  # the killed process sees it too
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        monkeypatch.setenv("LEGM_TEST_MLFLOW_FOLDER", str(mlflow_server.folder))

    def make_backend(self, store):
        return MlflowBackend(store, tracking_uri=os.environ["LEGM_TEST_MLFLOW"])

    def make_unreachable(self, store):
        return MlflowBackend(store, tracking_uri="http://127.0.0.1:9")

    def stored_points(self, store, run):
        return mlflow_points(MlflowClient(os.environ["LEGM_TEST_MLFLOW"]), run)

    def holds(self, store, value):
        return super().holds(Path(os.environ["LEGM_TEST_MLFLOW_FOLDER"]), value)


@pytest.fixture
def _silent_wandb(wandb_home, monkeypatch):
    monkeypatch.setenv("WANDB_SILENT", "true")


@pytest.mark.usefixtures("_silent_wandb")
class TestWandbOffline(Kit):
    __test__ = True

    def make_backend(self, store):
        return WandbBackend(store, mode="offline", settings=QUIET)

    def stored_points(self, store, run):
        (*_, newest) = sorted(store.glob(f"wandb/*run-*-{run.run_id}*"))
        (path,) = newest.glob("run-*.wandb")
        rows = [
            {item.key or "/".join(item.nested_key): item.value_json for item in record.history.item}
            for record in records(path)
            if record.WhichOneof("record_type") == "history"
        ]
        rewound = newest / "files" / REWOUND_FILE
        return counting(losses(rows), rewound.read_bytes() if rewound.exists() else None)


def losses(rows: list[dict]) -> list[tuple[int, int, float]]:
    return [
        (int(row["legm/step"]), place, float(row["dev/loss"]))
        for place, row in enumerate(rows)
        if "dev/loss" in row
    ]


@pytest.fixture(scope="module")
def wandb_stand_in():
    with serving() as made:
        yield made


class TestWandbServer(Kit):
    __test__ = True

    @pytest.fixture(autouse=True)
    def _server(self, _silent_wandb, wandb_stand_in, monkeypatch):
        self.server = wandb_stand_in
        monkeypatch.setenv("LEGM_TEST_WANDB", wandb_stand_in.url)
        monkeypatch.setenv("WANDB_BASE_URL", wandb_stand_in.url)  # a destination holds no credentials
        monkeypatch.setenv("WANDB_API_KEY", KEY)

    def make_backend(self, store):
        account = {"base_url": os.environ["LEGM_TEST_WANDB"], "api_key": KEY}
        return WandbBackend(store, mode="online", entity=ENTITY, settings={**QUIET, **account})

    def make_unreachable(self, store):
        quick = {"init_timeout": 2, "x_graphql_timeout_seconds": 1, "x_graphql_retry_max": 1}
        account = {"base_url": "http://127.0.0.1:9", "api_key": KEY}
        return WandbBackend(store, mode="online", entity=ENTITY, settings={**QUIET, **account, **quick})

    def stored_points(self, store, run):
        stored = self.server.runs[ENTITY, run.configuration.experiment, run.run_id]
        return counting(losses(stored.history), stored.files.get(REWOUND_FILE))
