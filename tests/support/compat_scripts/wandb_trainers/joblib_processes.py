"""Runs in the processes of joblib, whose functions are cloudpickled with what they mention."""

from joblib import Parallel, delayed

import wandb


def train(seed):
    with wandb.init(project="joblib_processes", config={"rate": 0.1, "seed": seed}, reinit=True) as run:
        for step in range(3):
            run.log({"loss": seed + 1 / (step + 1)})
    return seed


if __name__ == "__main__":
    assert Parallel(n_jobs=2)(delayed(train)(seed) for seed in range(2)) == [0, 1]
