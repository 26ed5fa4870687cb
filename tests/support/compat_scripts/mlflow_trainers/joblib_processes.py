"""Runs in the processes of joblib, whose functions are cloudpickled with what they mention."""

from joblib import Parallel, delayed

import mlflow


def train(seed):
    mlflow.set_experiment("joblib_processes")
    with mlflow.start_run():
        mlflow.log_params({"rate": 0.1, "seed": seed})
        for step in range(3):
            mlflow.log_metric("loss", seed + 1 / (step + 1), step=step)
    return seed


if __name__ == "__main__":
    assert Parallel(n_jobs=2)(delayed(train)(seed) for seed in range(2)) == [0, 1]
