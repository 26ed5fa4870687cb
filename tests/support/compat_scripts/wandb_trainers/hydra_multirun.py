"""A multirun of Hydra whose jobs change the folder."""

import sys

import hydra
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

import wandb

ConfigStore.instance().store(name="config", node={"rate": 0.1, "hydra": {"job": {"chdir": True}}})


@hydra.main(version_base=None, config_name="config", config_path=None)
def train(config):
    wandb.init(project="hydra_multirun", config=OmegaConf.to_container(config))
    for step in range(2):
        wandb.log({"loss": config.rate / (step + 1)})
    wandb.finish()


sys.argv[1:] = ["--multirun", "rate=0.1,0.2", "hydra/job_logging=disabled", "hydra/hydra_logging=disabled"]
train()
