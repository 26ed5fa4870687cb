"""Pictures as objects of MLflow's own, logged at steps and as files."""

import mlflow
import numpy as np

mlflow.set_experiment("image_objects")
picture = mlflow.Image(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
assert picture.size == (4, 4)
assert picture.to_array().shape == (4, 4, 3)
assert picture.resize((2, 3)).size == (2, 3)
with mlflow.start_run():
    for step in range(2):
        mlflow.log_image(picture, key="sample", step=step)
    mlflow.log_image(picture, "picture.png")
    mlflow.log_metric("pixels", 16, step=0)
