"""Tables that grow, searches with filters, orders and pages, artifact paths, deleted runs, texts."""

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from PIL import Image

client = MlflowClient()
experiment_id = mlflow.set_experiment("tables_and_searches").experiment_id


def refused(call, *arguments, **keywords):
    try:
        call(*arguments, **keywords)
    except MlflowException:
        return True
    return False


def names(runs):
    return [run.info.run_name for run in runs]


with mlflow.start_run(run_name="a") as run:
    run_id = run.info.run_id
    mlflow.log_table({"x": [1, 2], "y": ["a", "b"]}, "t.json")
    mlflow.log_table({"x": 3, "y": "c"}, "t.json")
    assert mlflow.load_table("t.json", [run_id]).to_dict("list") == {"x": [1, 2, 3], "y": ["a", "b", "c"]}
    assert mlflow.load_table("t.json", extra_columns=["run_id"])["run_id"].tolist() == [run_id] * 3
    assert refused(mlflow.load_table, "missing.json")
    picture = np.full((4, 300, 3), 9, np.uint8)
    pictures = [Image.fromarray(picture), Image.fromarray(picture + 1)]
    mlflow.log_table({"at": [1, 2], "picture": pictures}, "deep/pictures.json")
    mlflow.log_table({"at": [3], "picture": [mlflow.Image(picture + 2)]}, "deep/pictures.json")
    for number, cell in enumerate(mlflow.load_table("deep/pictures.json", [run_id])["picture"]):
        assert set(cell) == {"type", "filepath", "compressed_filepath"}
        assert cell["type"] == "image"
        assert cell["filepath"].startswith("table_images/deep/pictures/")
        whole = Image.open(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=cell["filepath"]))
        assert whole.size == (300, 4)
        assert np.asarray(whole)[0, 0].tolist() == [9 + number] * 3
        small = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=cell["compressed_filepath"])
        assert Image.open(small).size == (256, 3)
    try:
        mlflow.log_table({"mixed": [pictures[0], 1]}, "mixed.json")
    except ValueError:
        pass
    else:
        raise AssertionError("pictures and others are taken")
    mlflow.log_metric("m", 1.5, step=0, synchronous=False).wait()
    mlflow.log_metrics({"m2": 2}, step=0, synchronous=False).wait()
    mlflow.log_params({"q": 1}, synchronous=False).wait()
    mlflow.set_tags({"k": "v"}, synchronous=False).wait()
    mlflow.log_metric("array", np.array([[0.5]]), step=0)
    mlflow.log_text("hello", "d/h.txt")
    for path in (mlflow.get_artifact_uri("d/h.txt"), f"{run.info.artifact_uri}/d/h.txt"):
        with open(path.removeprefix("file://")) as file:
            assert file.read() == "hello"
    assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/d/h.txt") == "hello"
    assert [file.path for file in client.list_artifacts(run_id, "d")] == ["d/h.txt"]
for number, name in enumerate("bcd"):
    with mlflow.start_run(run_name=name, tags={"i": str(number)}):
        mlflow.log_metric("m", 10 - number, step=0)
        mlflow.log_param("p", number)

for condition, expected in {
    "run_name = 'a'": "a",
    "attributes.run_name = 'b'": "b",
    "run_name LIKE '%'": "abcd",
    "tags.`mlflow.runName` = 'c'": "c",
    f"run_id IN ('{run_id}')": "a",
    f"attributes.run_id NOT IN ('{run_id}')": "bcd",
    "status = 'FINISHED' AND metrics.m >= 9": "bc",
    "metrics.m > 8 and params.p = '0'": "b",
    "start_time > 0": "abcd",
    "tags.i IS NOT NULL": "bcd",
    "params.p IS NULL": "a",
}.items():
    assert names(client.search_runs([experiment_id], condition, order_by=["start_time ASC"])) == [
        *expected
    ], condition
for condition in ("bogus = 1", "metrics.m > 'x'", "params.p = 0", "run_name = 'a' OR run_name = 'b'"):
    assert refused(client.search_runs, [experiment_id], condition), condition
for order, expected in {
    "start_time ASC": "abcd",
    "attributes.start_time desc": "dcba",
    "metrics.m": "adcb",
    "metrics.`m` DESC": "bcda",
    "params.p DESC": "dcba",
    "run_name": "abcd",
}.items():
    assert names(client.search_runs([experiment_id], order_by=[order])) == [*expected], order
assert refused(client.search_runs, [experiment_id], order_by=["bogus"])

found, token = [], None
while found == [] or token is not None:
    page = client.search_runs([experiment_id], max_results=3, order_by=["start_time ASC"], page_token=token)
    found, token = found + names(page), page.token
assert found == [*"abcd"]
own = [one.name for one in mlflow.search_experiments(filter_string="name = 'tables_and_searches'")]
assert own == ["tables_and_searches"]
assert [one.name for one in client.search_experiments(filter_string="name LIKE 'tables%'")] == own
assert client.search_experiments(max_results=1).token
assert refused(client.search_experiments, filter_string="foo = 'x'")

with mlflow.start_run(run_name="failed") as failed:
    mlflow.log_metric("m", 0, step=0)
client.set_terminated(failed.info.run_id, "FAILED")
client.delete_run(failed.info.run_id)
assert client.get_run(failed.info.run_id).info.lifecycle_stage == "deleted"
assert client.get_run(failed.info.run_id).info.status == "FAILED"
assert "failed" not in names(client.search_runs([experiment_id]))
assert refused(client.log_metric, failed.info.run_id, "x", 1)
client.restore_run(failed.info.run_id)
assert client.get_run(failed.info.run_id).info.status == "FAILED"

mlflow.set_experiment("odd parameters")
with mlflow.start_run() as run:
    odd = {
        "tuple": (1, 2),
        "f32": np.float32(0.1),
        "map": {0: "a", "b": 2},
        "none": None,
        "array": np.array([1, 2]),
    }
    mlflow.log_params(odd)
    mlflow.log_param("tuple", (1, 2))
    assert refused(mlflow.log_param, "tuple", (1, 3))
    assert mlflow.get_run(run.info.run_id).data.params == {name: str(value) for name, value in odd.items()}
mlflow.set_experiment("tables_and_searches")
