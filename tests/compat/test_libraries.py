"""Stand-ins for wandb and mlflow beside libraries that train: what is logged by itself, models, watching."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import legm
from tests.support.compat_play import play, played, snapshots
from tests.support.compat_stores import in_legm
from tests.support.wandb_media import MEDIA as WANDB_MEDIA
from tests.support.wandb_media import assert_media_of_wandb

# mlflow's autologging


BOOSTERS = """
import mlflow, numpy as np, lightgbm, xgboost
rng = np.random.default_rng(0)
x = rng.normal(size=(60, 3))
y = (x[:, 0] > 0).astype(int)
mlflow.set_experiment("e")
mlflow.xgboost.autolog(importance_types=["gain", "weight"], registered_model_name="trees")
mlflow.lightgbm.autolog()
few = {"num_leaves": 4, "min_data_in_leaf": 2, "num_threads": 1, "verbose": -1}
data = xgboost.DMatrix(x, y)
trained = xgboost.train({"max_depth": 2, "nthread": 1}, data, 2)
loaded = mlflow.xgboost.load_model("models:/trees/1")
print(np.array_equal(trained.predict(data), loaded.predict(data)))
fitted = xgboost.XGBRFClassifier(n_estimators=3, max_depth=2, n_jobs=1).fit(x, y)
loaded = mlflow.xgboost.load_model("models:/trees/2")
print(np.array_equal(fitted.predict_proba(x), loaded.predict_proba(x)))
trained = lightgbm.train(few, lightgbm.Dataset(x, y), 2)
loaded = mlflow.lightgbm.load_model(f"runs:/{mlflow.last_active_run().info.run_id}/model")
print(np.array_equal(trained.predict(x), loaded.predict(x)))
fitted = lightgbm.LGBMRegressor(n_estimators=3, n_jobs=1, verbose=-1).fit(x, y)
loaded = mlflow.lightgbm.load_model(f"runs:/{mlflow.last_active_run().info.run_id}/model")
print(np.array_equal(fitted.predict(x), loaded.predict(x)))
"""


def test_boosted_models_and_importances_are_kept_in_the_libraries_own_formats(tmp_path):
    assert played(tmp_path, BOOSTERS).split() == ["True"] * 4
    native, forest, lightgbm, estimator = snapshots(tmp_path, "e")
    for run in (native, forest):
        assert {"model/model.ubj", "model/model.json"} <= set(run.files)
        gains = json.loads(run.files["feature_importance_gain.json"].read_text())
        assert max(gains, key=gains.get) == "f0"
        assert run.files["feature_importance_weight.png"].read_bytes().startswith(b"\x89PNG")
    for run in (lightgbm, estimator):
        assert "model/model.txt" in run.files
        splits = json.loads(run.files["feature_importance_split.json"].read_text())
        assert list(splits) == ["Column_0", "Column_1", "Column_2"]
        assert run.files["feature_importance_gain.png"].read_bytes().startswith(b"\x89PNG")
    assert forest.parameters["colsample_bynode"] == 0.8


LATER = """
import sys
import mlflow
mlflow.set_experiment("e")
mlflow.lightgbm.autolog(log_models=False)
mlflow.autolog(exclude_flavors=["sklearn"], extra_tags={"by": "itself"})
mlflow.pytorch.autolog()
print(sorted({name.partition(".")[0] for name in sys.modules} & {"sklearn", "xgboost", "lightgbm", "torch"}))
import lightgbm, pyspark, xgboost
import numpy as np
from sklearn.linear_model import LinearRegression
x = np.arange(20.0).reshape(-1, 1)
few = {"min_data_in_leaf": 1, "num_threads": 1, "verbose": -1}
LinearRegression().fit(x, x[:, 0])
xgboost.train({"nthread": 1}, xgboost.DMatrix(x, x[:, 0]), 1)
lightgbm.train(few, lightgbm.Dataset(x, x[:, 0]), 1)
mlflow.autolog(disable=True)
xgboost.train({"nthread": 1}, xgboost.DMatrix(x, x[:, 0]), 1)
lightgbm.train(few, lightgbm.Dataset(x, x[:, 0]), 1)
"""


def test_libraries_are_logged_that_the_script_imports_later_and_none_is_imported_for_it(tmp_path):
    (tmp_path / "pyspark.py").touch()
    done = play(tmp_path, LATER)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"
    assert done.stderr.endswith("\nnot recorded: pyspark by mlflow.autolog\n")
    xgboost, lightgbm, own = snapshots(tmp_path, "e")
    assert "model/model.ubj" in xgboost.files
    assert xgboost.notes["tags"]["by"] == "itself"
    # what a script said of one library is not changed by what it says of all
    for run in (lightgbm, own):
        assert run.parameters["min_data_in_leaf"] == 1
        assert "model/model.txt" not in run.files


ON_WITH_IT = """
import mlflow, numpy as np, xgboost
mlflow.set_experiment("e")
mlflow.xgboost.autolog(log_models=False)
data = xgboost.DMatrix(np.arange(20.0).reshape(-1, 1), np.arange(20.0))
with mlflow.start_run(run_name="both"):
    for depth in (2, 3):
        model = xgboost.train({"max_depth": depth, "nthread": 1}, data, 2)
print(model.num_boosted_rounds())
mlflow.xgboost.autolog(log_models=False, exclusive=True)
with mlflow.start_run(run_name="mine"):
    xgboost.train({"max_depth": 4, "nthread": 1}, data, 2)
    mlflow.log_metric("mine", 1.0)
try:
    xgboost.train({"max_depth": 5, "nthread": 1, "tree_method": "unknown"}, data, 2)
except xgboost.core.XGBoostError:
    print("raised", mlflow.active_run())
"""


def test_what_cannot_be_logged_is_reported_and_the_training_continues(tmp_path):
    done = play(tmp_path, ON_WITH_IT)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "2\nraised None\n"
    assert "parameters by mlflow.xgboost.autolog is not recorded: Changing param values" in done.stderr
    both, mine, failed = snapshots(tmp_path, "e")
    assert both.parameters["max_depth"] == 2
    assert (mine.parameters, list(mine.latest)) == ({}, ["mine"])  # exclusive: only in runs of its own
    assert failed.status.value == "failed"
    assert failed.parameters["tree_method"] == "unknown"


SEARCH = """
import mlflow
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier
mlflow.set_experiment("e")
mlflow.sklearn.autolog(max_tuning_runs=2)
x, y = load_iris(return_X_y=True)
search = GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2, 3]}, cv=2)
search.fit(x, y)
print(search.best_params_["max_depth"])
"""


def test_a_search_over_parameters_has_nested_runs_of_the_best_that_it_tried(tmp_path):
    best = int(played(tmp_path, SEARCH))
    parent, *children = snapshots(tmp_path, "e")
    assert parent.parameters["best_max_depth"] == best
    assert parent.parameters["cv"] == 2
    assert "estimator__max_depth" not in parent.parameters
    assert {"model/model.skops", "best_estimator/model.skops"} <= set(parent.files)
    assert parent.files["training_confusion_matrix.png"].read_bytes().startswith(b"\x89PNG")
    head, *rows = parent.files["cv_results.csv"].read_text().splitlines()
    assert "mean_test_score" in head.split(",")
    assert len(rows) == 3
    assert [one.latest["rank_test_score"].value for one in children] == [1, 2]
    assert children[0].parameters["max_depth"] == best
    assert children[0].latest["mean_test_score"].value == parent.latest["best_cv_score"].value
    for one in children:
        assert one.notes["tags"]["mlflow.parentRunId"] == parent.key
        assert one.notes["tags"]["estimator_name"] == "DecisionTreeClassifier"


# PyTorch


TORCH = """
import sys
import mlflow, torch, wandb
from torch.utils.tensorboard import SummaryWriter
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
mlflow.set_experiment("e")
mlflow.pytorch.autolog(log_every_n_step=1)
writer = SummaryWriter("events")
for step in range(3):
    writer.add_scalar("loss", 1 / (step + 1), step)
writer.close()
logged = mlflow.pytorch.log_model(model, name="net", registered_model_name="registered")
mlflow.pytorch.log_state_dict({"epoch": 3, "weights": model.state_dict()}, artifact_path="checkpoint")
mlflow.pytorch.save_model(model, "saved")
mlflow.end_run()
same = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
x = torch.ones(1, 2)
before = model(x)
model[0].weight.data += 1
for place in (logged.model_uri, "models:/registered/1", "saved"):
    loaded = mlflow.pytorch.load_model(place)
    predicted = mlflow.pyfunc.load_model(place).predict(x)
    print(torch.equal(before, loaded(x)), torch.equal(before, torch.as_tensor(predicted)))
    same.load_state_dict(mlflow.pytorch.load_state_dict(place))
same.load_state_dict(model.state_dict())
print(mlflow.pytorch.load_state_dict(f"runs:/{logged.run_id}/checkpoint")["epoch"])

run = wandb.init(project="p")
for one in (object(), torch.ones(1)):
    wandb.watch(one)
wandb.watch([model, same], log="gradients", log_freq=1)
other = model(x).sum() + same(x).sum()
other.backward()
run.log({"loss": other})
wandb.unwatch(model)
(model(x).sum() + same(x).sum()).backward()
wandb.unwatch()
(model(x).sum() + same(x).sum()).backward()
torch.save(model.state_dict(), "model.pth")
artifact = wandb.Artifact("net", type="model")
artifact.add_file("model.pth")
run.log_artifact(artifact)
run.finish()
with wandb.init(project="p") as run:
    found = torch.load(run.use_artifact("net:latest").file(), weights_only=True)
    print(all(torch.equal(value, found[name]) for name, value in model.state_dict().items()))
"""


@pytest.fixture(scope="module")
def with_torch(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    folder = tmp_path_factory.mktemp("torch")
    done = play(folder, TORCH)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout, done.stderr


def test_a_model_of_pytorch_is_kept_as_weights_that_need_no_pickle(with_torch):
    folder, said, _ = with_torch
    assert said.split() == ["True"] * 6 + ["3", "True"]
    again = "import mlflow; print(list(mlflow.pytorch.load_state_dict('models:/registered/1')))"
    assert played(folder, again) == "['0.weight', '0.bias', '1.weight', '1.bias']\n"
    (run,) = snapshots(folder, "e")
    assert {"net/state_dict.pt", "net/model.json", "checkpoint/state_dict.pt"} <= set(run.files)


def test_scalars_for_tensorboard_without_an_active_run_are_in_one_run(with_torch):
    folder, _, _ = with_torch
    (run,) = in_legm(folder / "root", "e")
    assert [step for step, _ in run.points["loss"]] == [0, 1, 2]


def test_an_object_that_is_not_a_pytorch_model_is_reported_and_not_watched(with_torch):
    _, _, said = with_torch
    assert "wandb.watch is not recorded: object is not a PyTorch model" in said
    assert said.count("not recorded: wandb.watch\n") == 1


def test_models_are_watched_under_names_of_their_own_until_they_are_not(with_torch):
    folder, _, _ = with_torch
    table = legm.open(folder / "root").media(experiment="p")
    found = list(zip(table["name"], table["step"].tolist(), strict=True))
    layers = {f"{layer}.{part}" for layer in (0, 1) for part in ("weight", "bias")}
    second = {(f"gradients/graph_1{layer}", step) for layer in layers for step in (0, 1)}
    assert len(found) == len(set(found))
    assert set(found) == {(f"gradients/{layer}", 0) for layer in layers} | second


LIGHTNING = """
import pickle
import mlflow
mlflow.set_experiment("e")
mlflow.autolog(log_every_n_step=2)
import pytorch_lightning as pl, torch

class Net(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
    def training_step(self, batch, at):
        loss = self.layer(batch).square().mean()
        self.log("loss", loss)
        self.log("val_loss", loss, on_step=False, on_epoch=True)
        return loss
    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.1)

data = torch.utils.data.DataLoader(torch.ones(4, 1))
trainer = pl.Trainer(max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False,
                     enable_progress_bar=False, enable_model_summary=False)
net = Net()
trainer.fit(net, data)
weights = mlflow.pytorch.load_model(f"runs:/{mlflow.last_active_run().info.run_id}/model").state_dict()
print(all(torch.equal(value, weights[name]) for name, value in net.state_dict().items()))
print({type(one) for one in pickle.loads(pickle.dumps(trainer.callbacks))} >= {pl.Callback})
"""


def test_lightnings_training_keeps_the_weights_and_says_that_it_keeps_no_checkpoints(tmp_path):
    done = play(tmp_path, LIGHTNING)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "True"]
    assert "mlflow.pytorch.autolog(checkpoint=True) is not recorded" in done.stderr
    (run,) = snapshots(tmp_path, "e")
    assert "layer" in run.files["model_summary.txt"].read_text()
    assert (run.parameters["optimizer_name"], run.parameters["lr"]) == ("Adam", 0.1)
    (points,) = in_legm(tmp_path / "root", "e")
    assert [step for step, _ in points.points["val_loss"]] == [0, 1]
    assert [step for step, _ in points.points["loss"]] == [1, 3, 5, 7]


NAMESAKES = """
import mlflow
mlflow.pytorch.autolog()
import pytorch_lightning, lightning.pytorch
print(pytorch_lightning.__file__ is not None, lightning.pytorch.__file__ is None)
"""


def test_a_module_of_the_scripts_that_is_called_like_a_library_is_left_alone(tmp_path):
    (tmp_path / "pytorch_lightning.py").touch()
    (tmp_path / "lightning/pytorch").mkdir(parents=True)
    done = play(tmp_path, NAMESAKES)
    assert (done.returncode, done.stdout) == (0, "True True\n"), done.stderr


ELSEWHERE = """
import pickle
import mlflow
mlflow.sklearn.autolog(log_models=False)
from sklearn.metrics import accuracy_score, f1_score, make_scorer
scorer = pickle.loads(pickle.dumps(make_scorer(f1_score, average="macro")))
print(scorer, accuracy_score([1, 0], [1, 1]))
"""


def test_a_metric_that_is_watched_can_be_sent_to_other_processes(tmp_path):
    assert played(tmp_path, ELSEWHERE).split("\n")[0] == (
        "make_scorer(f1_score, response_method='predict', average=macro) 0.5"
    )


MEDIA = """
import numpy as np, matplotlib.pyplot as plt, plotly.graph_objects as go
import mlflow, wandb
pixels = np.zeros((2, 2), np.uint8)
with wandb.init(project="w") as run:
    run.log({"several": [wandb.Image(pixels, caption="a"), wandb.Image(pixels + 9, caption="b")]}, step=4)
    run.log({"loud": wandb.Audio(np.array([0.0, 1.5]), sample_rate=8000, caption="cut")}, step=4)
    open("clip.mp4", "wb").write(b"video")
    run.log({"clip": wandb.Video("clip.mp4", caption="c"), "drawn": plt.figure()}, step=5)
    run.log({"plotly": go.Figure(go.Scatter(y=[1, 2])), "page": wandb.Html("<b>x</b>")}, step=5)
    run.log({"cloud": wandb.Object3D(np.zeros((3, 3)))}, step=5)
mlflow.set_experiment("m")
with mlflow.start_run():
    mlflow.log_image(pixels, key="keyed", step=7)
    mlflow.log_image(pixels, "named.png")
"""


def test_media_of_wandb_are_those_of_the_real_one(tmp_path):
    done = play(tmp_path, f'{WANDB_MEDIA}\nwith wandb.init(project="media") as run:\n    log_media(run)\n')
    assert done.returncode == 0, done.stderr
    assert_media_of_wandb(tmp_path / "root")


def test_each_kind_of_medium_is_a_record_with_its_step_and_caption(tmp_path):
    done = play(tmp_path, MEDIA)
    assert done.returncode == 0, done.stderr
    table = legm.open(tmp_path / "root").media()
    columns = ("experiment", "name", "kind", "step", "caption")
    found = list(zip(*(table[column].tolist() for column in columns), strict=True))
    assert found == [
        ("m", "keyed", "image", 7, ""),
        ("w", "several", "image", 4, "a"),
        ("w", "several", "image", 4, "b"),
        ("w", "loud", "audio", 4, "cut"),
        ("w", "clip", "video", 5, "c"),
        ("w", "drawn", "figure", 5, ""),
        ("w", "plotly", "figure", 5, ""),
        ("w", "page", "html", 5, ""),
        ("w", "cloud", "object3d", 5, ""),
    ]
    (run,) = snapshots(tmp_path, "m")
    assert set(run.files) == {"named.png"}
