"""Models that only a pickle can hold come back in other processes of the same user, and of nobody else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from legm.compat.mlflow.exceptions import MlflowException
from legm.compat.mlflow.signed_models import SIGNED_MODEL_FILE, read_signed_model, write_signed_model
from tests.support.compat_play import play, played

TRAINED = """
import json, pathlib
import lightgbm, mlflow, numpy as np, torch
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

def doubled(values):
    return 2 * values

class Net(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first = torch.nn.Linear(2, width)
        self.second = torch.nn.Linear(2, width)
        self.second.weight = self.first.weight
        self.first.bias.requires_grad = False
        self.register_buffer("mean", torch.full((2,), 3.0))
        self.register_buffer("scale", torch.full((1,), 2.0), persistent=False)
    def forward(self, values):
        return self.first(values - self.mean) + self.second(values) * self.scale

class Own(mlflow.pyfunc.PythonModel):
    def __init__(self, more):
        self.more = more
    def predict(self, context, model_input, params=None):
        return doubled(np.asarray(model_input)) + self.more

x = np.arange(40.0).reshape(-1, 2)
y = (x[:, 0] > 20).astype(int)
net = Net(3)
few = {"n_estimators": 2, "min_child_samples": 1, "n_jobs": 1, "verbose": -1}
trees = lightgbm.LGBMClassifier(**few).fit(x, y)
line = make_pipeline(FunctionTransformer(doubled), LinearRegression()).fit(x, y)
mlflow.set_experiment("e")
with mlflow.start_run():
    models = {
        "net": mlflow.pytorch.log_model(net, name="net", registered_model_name="net"),
        "trees": mlflow.lightgbm.log_model(trees, name="trees"),
        "own": mlflow.pyfunc.log_model(name="own", python_model=Own(1)),
        "line": mlflow.sklearn.log_model(line, name="line"),
    }
mlflow.pytorch.save_model(net, "saved")
net.first.weight.data += 1  # the stored one is as it was
print(json.dumps({name: model.model_uri for name, model in models.items()}))
inputs = torch.ones(1, 2)
net.first.weight.data -= 1
answers = {
    "net": net(inputs).tolist(),
    "trees": trees.predict_proba(x[:3]).tolist(),
    "line": line.predict(x[:3]).tolist(),
}
pathlib.Path("answers.json").write_text(json.dumps(answers))
"""
ASKED = """
import json, os, pathlib, sys
import mlflow, numpy as np
import torch
addresses = json.loads(sys.argv[1])
answers = json.loads(pathlib.Path("answers.json").read_text())
x = np.arange(40.0).reshape(-1, 2)
for address in (addresses["net"], "models:/net/1", "saved"):
    net = mlflow.pytorch.load_model(address)
    assert np.allclose(net(torch.ones(1, 2)).tolist(), answers["net"])
    assert net.first.weight is net.second.weight and not net.first.bias.requires_grad
answer = mlflow.pyfunc.load_model("models:/net/1").predict(np.ones((1, 2), "float32"))
assert np.allclose(answer, answers["net"])
trees = mlflow.lightgbm.load_model(addresses["trees"])
assert type(trees).__name__ == "LGBMClassifier" and trees.predict_proba(x[:3]).tolist() == answers["trees"]
assert mlflow.sklearn.load_model(addresses["line"]).predict(x[:3]).tolist() == answers["line"]
print(mlflow.pyfunc.load_model(addresses["own"]).predict([1, 2]))

os.environ["XDG_CONFIG_HOME"] = "another"  # as another user
modules = {"net": "pytorch", "trees": "lightgbm", "own": "pyfunc", "line": "sklearn"}
for name, module in modules.items():
    try:
        getattr(mlflow, module).load_model(addresses[name])
    except mlflow.MlflowException as error:
        print("not signed with this user's key" in str(error), "load_state_dict() returns" in str(error))
print(*sorted(mlflow.pytorch.load_state_dict(addresses["net"])))
"""


def test_models_of_a_process_are_loaded_by_another_of_the_same_user_and_by_no_other_user(tmp_path):
    addresses = played(tmp_path, TRAINED, XDG_CONFIG_HOME=str(tmp_path / "own"))
    done = play(tmp_path, ASKED, addresses, XDG_CONFIG_HOME=str(tmp_path / "own"))
    assert done.returncode == 0, done.stderr
    predicted, *refused, weights = done.stdout.splitlines()
    assert predicted == "[3 5]"
    assert refused == ["True True", "True False", "True False", "True False"]
    assert weights.split() == ["first.bias", "first.weight", "mean", "second.bias", "second.weight"]
    signed = next((tmp_path / "root").rglob(f"*net*{SIGNED_MODEL_FILE}"))
    assert signed.stat().st_size < 20_000  # the weights are in their own file alone
    assert set(json.loads(addresses)) == {"net", "trees", "own", "line"}


class Payload:
    """What executes code as it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


@pytest.fixture
def user(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    return tmp_path / "user/legm/model-key"


def test_a_changed_file_or_one_of_another_user_is_not_executed(tmp_path, user, monkeypatch):
    marker = tmp_path / "executed"
    write_signed_model(Payload(marker), tmp_path, "mlflow.pyfunc")
    path = tmp_path / SIGNED_MODEL_FILE
    good = path.read_bytes()
    for changed in (good[:-1] + b"!", good.replace(b"executed", b"replaced"), good.split(b"\n", 1)[1], b""):
        path.write_bytes(changed)
        with pytest.raises(MlflowException, match="not signed with this user's key"):
            read_signed_model(tmp_path, "own.Model")
    path.write_bytes(good)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "another"))
    with pytest.raises(MlflowException, match="another/legm/model-key"):
        read_signed_model(tmp_path, "own.Model")
    assert not marker.exists()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(user.parent.parent))
    read_signed_model(tmp_path, "own.Model")
    assert marker.exists()


def test_the_key_is_made_once_and_nobody_else_can_read_it(tmp_path, user):
    write_signed_model({"a": 1}, tmp_path, "mlflow.pyfunc")
    assert user.stat().st_mode & 0o777 == 0o600
    key = user.read_text()
    assert len(key) >= 32
    write_signed_model({"a": 2}, tmp_path, "mlflow.pyfunc")
    assert user.read_text() == key
    assert read_signed_model(tmp_path, "") == {"a": 2}
    assert [one.name for one in user.parent.iterdir()] == ["model-key"]


def test_a_model_without_a_file_or_of_another_python_says_so(tmp_path, user, monkeypatch):
    with pytest.raises(MlflowException, match=r"only in the process that logged it\. Its weights are here"):
        read_signed_model(tmp_path, "own.Model", instead="Its weights are here")
    monkeypatch.setattr("platform.python_version_tuple", lambda: ("3", "9", "1"))
    write_signed_model({"a": 1}, tmp_path, "mlflow.pyfunc")
    content = (tmp_path / SIGNED_MODEL_FILE).read_bytes()
    assert read_signed_model(tmp_path, "") == {"a": 1}
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(user.parent.parent))
    (tmp_path / SIGNED_MODEL_FILE).write_bytes(content)
    with pytest.raises(MlflowException, match=r"written by Python 3\.9, and this is Python"):
        read_signed_model(tmp_path, "")


def test_a_model_that_has_no_pickle_is_reported_and_the_training_continues(tmp_path, user, caplog):
    write_signed_model((one for one in ()), tmp_path, "mlflow.pyfunc")
    assert not (tmp_path / SIGNED_MODEL_FILE).exists()
