"""A loss over steps, several metrics at once, and parameters that come after it."""

import math

import mlflow

mlflow.set_experiment("training_loop")
mlflow.start_run()
mlflow.log_params({"lr": 0.1, "epochs": 12, "optimizer": "sgd", "nesterov": True, "clip": None})
for epoch in range(12):
    mlflow.log_metric("loss", math.exp(-0.1 * epoch), step=epoch)
    mlflow.log_metrics({"train_acc": 1 - 0.5 / (epoch + 1), "val_acc": 1 - 0.6 / (epoch + 1)}, step=epoch)
mlflow.log_param("parameters", 1234)
mlflow.end_run()
