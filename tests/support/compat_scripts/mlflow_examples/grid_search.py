"""A grid of hyperparameters in runs of their own."""

import itertools

import mlflow

mlflow.set_experiment("grid_search")
for lr, layers in itertools.product((0.1, 0.01), (1, 2)):
    with mlflow.start_run(run_name=f"lr={lr} layers={layers}"):
        mlflow.log_params({"lr": lr, "layers": layers})
        for epoch in range(3):
            mlflow.log_metric("loss", lr * layers / (epoch + 1), step=epoch)
