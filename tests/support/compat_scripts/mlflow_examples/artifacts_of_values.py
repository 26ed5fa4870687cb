"""Texts, dictionaries, figures, pictures and tables as artifacts."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import mlflow
import numpy as np
from PIL import Image

mlflow.set_experiment("artifacts_of_values")
with mlflow.start_run() as run:
    mlflow.log_text("<b>report</b>", "reports/report.html")
    mlflow.log_dict({"lr": 0.1, "layers": [1, 2]}, "config.json")
    mlflow.log_dict({"name": "x"}, "config.yaml")
    figure, axes = plt.subplots()
    axes.plot([1, 2])
    mlflow.log_figure(figure, "figures/line.png")
    plt.close(figure)
    mlflow.log_image(np.zeros((4, 4, 3), np.uint8), "zeros.png")
    mlflow.log_image(Image.new("RGB", (4, 4)), "pillow.png")
    mlflow.log_image(np.full((4, 4), 0.5), key="sample", step=3)
    mlflow.log_table({"question": ["a", "b"], "score": [0.1, 0.2]}, "scores.json")
    mlflow.log_metric("m", 1, step=0)
address = f"runs:/{run.info.run_id}"
assert mlflow.artifacts.load_dict(f"{address}/config.json") == {"lr": 0.1, "layers": [1, 2]}
assert mlflow.artifacts.load_text(f"{address}/reports/report.html") == "<b>report</b>"
paths = {one.path for one in mlflow.artifacts.list_artifacts(run_id=run.info.run_id)}
assert {"reports", "config.json", "config.yaml", "figures", "zeros.png", "scores.json"} <= paths
