"""An optimization whose runs are children, and whose best one is tagged."""

import random

import mlflow

random.seed(3)
mlflow.set_experiment("simulated_annealing")
with mlflow.start_run(run_name="search"):
    trials = []
    for number in range(4):
        point = random.uniform(-2, 2)
        with mlflow.start_run(run_name=f"trial {number}", nested=True) as trial:
            mlflow.log_param("x", round(point, 6))
            mlflow.log_metric("objective", point**2, step=number)
            trials.append((point**2, trial.info.run_id))
    mlflow.MlflowClient().set_tag(min(trials)[1], "best", "true")
    mlflow.log_metric("best_objective", min(trials)[0], step=0)
