"""Files and folders as artifacts, listed and fetched."""

import tempfile
from pathlib import Path

import mlflow
from mlflow import MlflowClient

mlflow.set_experiment("artifacts_of_files")
folder = Path(tempfile.mkdtemp())
(folder / "plots").mkdir()
(folder / "plots" / "a.txt").write_text("a")
(folder / "b.csv").write_text("x,y\n1,2\n")
with mlflow.start_run() as run:
    mlflow.log_artifact(folder / "b.csv")
    mlflow.log_artifact(str(folder / "b.csv"), artifact_path="data/raw")
    mlflow.log_artifacts(str(folder), artifact_path="all")
    mlflow.log_metric("files", 3, step=0)
client = MlflowClient()
assert sorted(one.path for one in client.list_artifacts(run.info.run_id)) == ["all", "b.csv", "data"]
assert [one.path for one in client.list_artifacts(run.info.run_id, "all/plots")] == ["all/plots/a.txt"]
assert client.list_artifacts(run.info.run_id, "data")[0].is_dir
fetched = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="all/plots/a.txt")
assert Path(fetched).read_text() == "a"
whole = Path(client.download_artifacts(run.info.run_id, "all"))
assert (whole / "b.csv").read_text().startswith("x,y")
