"""A training that logs with Python's own logging beside MLflow."""

import logging

import mlflow

logging.getLogger("training").setLevel(logging.INFO)
mlflow.set_experiment("logging_levels")
with mlflow.start_run() as run:
    for step in range(3):
        logging.getLogger("training").info("step %d", step)
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.log_dict({"steps": 3, "run": run.info.run_id}, "summary.json")
assert mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/summary.json")["steps"] == 3
