"""A multirun of Hydra whose jobs change the folder."""

import sys

import hydra
from hydra.core.config_store import ConfigStore

import mlflow

ConfigStore.instance().store(name="config", node={"rate": 0.1, "hydra": {"job": {"chdir": True}}})


@hydra.main(version_base=None, config_name="config", config_path=None)
def train(config):
    mlflow.set_experiment("hydra_multirun")
    with mlflow.start_run():
        mlflow.log_params(dict(config))
        for step in range(2):
            mlflow.log_metric("loss", config.rate / (step + 1), step=step)


sys.argv[1:] = ["--multirun", "rate=0.1,0.2", "hydra/job_logging=disabled", "hydra/hydra_logging=disabled"]
train()
