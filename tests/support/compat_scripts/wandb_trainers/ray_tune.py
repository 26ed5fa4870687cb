"""Ray Tune with its callback for wandb."""

import os

import ray
from ray import tune
from ray.air.integrations.wandb import WandbLoggerCallback

os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")


def train(config):
    for step in range(3):
        tune.report({"loss": config["rate"] / (step + 1)})


ray.init("local", num_cpus=1, include_dashboard=False, log_to_driver=False, configure_logging=False)
callback = WandbLoggerCallback(project="ray_tune", api_key=os.environ.get("WANDB_API_KEY", "0" * 40))
run_config = tune.RunConfig(callbacks=[callback], storage_path=os.path.abspath("ray"), verbose=0)
space = {"rate": tune.grid_search([0.1, 0.2])}
tune.Tuner(train, param_space=space, run_config=run_config).fit()
ray.shutdown()
