"""Trainings of clients of wandb with legm's stand-ins: they end when they would, and leave their numbers."""

from __future__ import annotations

import json

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.support.compat_play import play, played, snapshots
from tests.support.compat_stores import in_legm

pytest.importorskip("stable_baselines3")
pytest.importorskip("catboost")

CATBOOST = """
import json
import numpy as np, wandb
from catboost import CatBoostRegressor
from wandb.integration.catboost import WandbCallback, log_summary
from wandb.integration.something_new import WandbCallback as Unknown

x = np.random.default_rng(0).random((50, 3))
run = wandb.init(project="p")
model = CatBoostRegressor(iterations=5, verbose=0, allow_writing_files=False)
callbacks = [WandbCallback(), Unknown(depth=3), wandb.unknown_callback]
model.fit(x, x[:, 0], eval_set=(x, x[:, 0]), callbacks=callbacks)
log_summary(model)
print(json.dumps([model.tree_count_, model.evals_result_]))
"""


def test_catboost_trains_all_trees_and_their_metrics_are_logged(tmp_path):
    trees, results = json.loads(played(tmp_path, CATBOOST))
    assert trees == 5
    (run,) = in_legm(tmp_path / "root", "p")
    for data, metrics in results.items():
        assert [value for _, value in run.points[f"{data}-RMSE"]] == metrics["RMSE"]
        assert [step for step, _ in run.points[f"{data}-RMSE"]] == [0, 1, 2, 3, 4]
    assert run.parameters["iterations"] == 5


BASELINES = """
import wandb
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from wandb.integration.sb3 import NewCallback, WandbCallback

run = wandb.init(project="p", sync_tensorboard=True)
options = {"n_steps": 64, "batch_size": 32, "n_epochs": 1, "seed": 0, "device": "cpu"}
model = PPO("MlpPolicy", "CartPole-v1", tensorboard_log="events", **options)
assert isinstance(NewCallback("x"), BaseCallback)
callbacks = [WandbCallback(model_save_path="saved"), NewCallback("x"), wandb.unknown_callback]
for callback in (wandb.unknown_callback, lambda *_: wandb.unknown()):
    PPO("MlpPolicy", "CartPole-v1", **options).learn(64, callback=callback)
model.learn(256, callback=callbacks)
print(model.num_timesteps)
"""


def test_stable_baselines3_trains_to_the_end_and_its_scalars_are_logged(tmp_path):
    assert played(tmp_path, BASELINES) == "256\n"
    (folder,) = (tmp_path / "events").iterdir()
    events = EventAccumulator(str(folder)).Reload()
    (run,) = in_legm(tmp_path / "root", "p")
    tags = events.Tags()["scalars"]
    assert len(tags) > 10
    assert run.points == {tag: [(one.step, one.value) for one in events.Scalars(tag)] for tag in tags}
    assert run.parameters["algo"] == "PPO"
    assert run.parameters["n_steps"] == 64
    assert "model.zip" in snapshots(tmp_path, "p")[0].files


LOGGED_MODELS = """
import os
os.environ["KERAS_BACKEND"] = "torch"
import json, keras, mlflow, numpy as np, statsmodels.api
x = np.linspace(-1, 1, 48, dtype="float32").reshape(16, 3)
y = x.sum(1) + np.arange(16) % 2
line = statsmodels.api.OLS(y, statsmodels.api.add_constant(x[:, :1])).fit()
net = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
mlflow.set_experiment("e")
with mlflow.start_run():
    places = {
        "statsmodels": mlflow.statsmodels.log_model(line, name="line").model_uri,
        "keras": mlflow.keras.log_model(net, name="net", registered_model_name="net").model_uri,
    }
answers = {"statsmodels": line.predict().tolist(), "keras": net.predict(x, verbose=0).tolist()}
print(json.dumps([places, answers]))
"""
LOADED_MODELS = """
import os, sys
os.environ["KERAS_BACKEND"] = "torch"
import json, mlflow, numpy as np
places, answers = json.loads(sys.argv[1])
x = np.linspace(-1, 1, 48, dtype="float32").reshape(16, 3)
line = mlflow.statsmodels.load_model(places["statsmodels"])
function = mlflow.pyfunc.load_model(places["statsmodels"])
for found in (line.predict(), function.predict(np.c_[np.ones(16), x[:, 0]])):
    assert np.allclose(found, answers["statsmodels"])
for place in (places["keras"], "models:/net/1"):
    assert np.allclose(mlflow.keras.load_model(place).predict(x, verbose=0), answers["keras"])
    assert np.allclose(mlflow.pyfunc.load_model(place).predict(x), answers["keras"])
print("same")
"""


def test_models_of_statsmodels_and_keras_are_loaded_by_another_process(tmp_path):
    pytest.importorskip("statsmodels")
    left = played(tmp_path, LOGGED_MODELS).splitlines()[-1]
    done = play(tmp_path, LOADED_MODELS, left)
    assert done.stdout.endswith("same\n"), done.stderr  # behind what Keras shows of its progress


KERAS_CHECKPOINTS = """
import os
os.environ["KERAS_BACKEND"] = "torch"
import keras, numpy as np, wandb
from wandb.integration.keras import WandbModelCheckpoint
x = np.linspace(-1, 1, 48, dtype="float32").reshape(16, 3)
model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1, kernel_initializer="zeros")])
model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse")
with wandb.init(project="p") as run:
    kept = WandbModelCheckpoint("model-{epoch}.keras")
    model.fit(x, x.sum(1), epochs=2, verbose=0, callbacks=[kept])
print(isinstance(kept, keras.callbacks.ModelCheckpoint))
"""


def test_keras_checkpoints_are_versions_of_an_artifact(tmp_path):
    assert played(tmp_path, KERAS_CHECKPOINTS) == "True\n"
    (run,) = snapshots(tmp_path, "p")
    assert sorted(name for name in run.files if name.endswith(".keras")) == [
        f"run_{run.key}_model:v{number}/model-{number + 1}.keras" for number in range(2)
    ]


KERAS_TABLES = """
import os
os.environ["KERAS_BACKEND"] = "torch"
import keras, numpy as np, wandb
from wandb.integration.keras import WandbEvalCallback
x = np.linspace(-1, 1, 48, dtype="float32").reshape(16, 3)
model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1, kernel_initializer="zeros")])
model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse")

class Kept(WandbEvalCallback):
    def add_ground_truth(self, logs=None):
        for at in range(2):
            self.data_table.add_data(at, float(x[at].sum()))
    def add_model_predictions(self, epoch, logs=None):
        for at in self.data_table_ref.get_index():
            row = self.data_table_ref.data[at]
            self.pred_table.add_data(epoch, row[0], float(self.model(x[at : at + 1])[0, 0]))

with wandb.init(project="p") as run:
    kept = Kept(data_table_columns=["at", "sum"], pred_table_columns=["epoch", "at", "predicted"])
    model.fit(x, x.sum(1), epochs=2, verbose=0, callbacks=[kept])
    table = run.use_artifact(f"run_{run.id}_pred:v1").get("eval_data")
    data = run.use_artifact("val:latest").get("val_data")
    print(table.columns, [row[:2] for row in table.data], data.columns)
"""


def test_keras_predictions_are_tables_of_artifacts(tmp_path):
    said = "['epoch', 'at', 'predicted'] [[1, 0], [1, 1]] ['at', 'sum']\n"
    assert played(tmp_path, KERAS_TABLES) == said
