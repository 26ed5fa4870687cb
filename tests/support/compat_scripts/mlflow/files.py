"""Texts, dictionaries, figures, files and folders."""

import tempfile
from pathlib import Path

from matplotlib.figure import Figure

import mlflow

mlflow.set_experiment("files")
with mlflow.start_run():
    mlflow.log_param("n", 3)
    mlflow.log_text("some text", "texts/a.txt")
    mlflow.log_dict({"a": [1, 2], "b": None}, "config.json")
    figure = Figure()
    figure.subplots().plot([1, 2, 3])
    mlflow.log_figure(figure, "curve.png")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "inner").mkdir()
        Path(folder, "inner", "b.csv").write_text("x,y\n1,2\n")
        Path(folder, "c.md").write_text("# c")
        mlflow.log_artifact(str(Path(folder, "c.md")), artifact_path="docs")
        mlflow.log_artifacts(folder, artifact_path="all")
    assert mlflow.get_artifact_uri("docs").endswith("/docs")
    mlflow.log_metric("files", 6)
    run_id = mlflow.active_run().info.run_id
names = [one.path for one in mlflow.MlflowClient().list_artifacts(run_id)]
assert names == ["all", "config.json", "curve.png", "docs", "texts"], names
