"""One configuration with several seeds."""

import random

import mlflow

mlflow.set_experiment("seeds")
for seed in range(3):
    random.seed(seed)
    with mlflow.start_run(run_name=f"seed {seed}"):
        mlflow.log_params({"seed": seed, "lr": 0.1})
        for step in range(4):
            mlflow.log_metric("reward", random.random(), step=step)
