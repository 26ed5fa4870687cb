# train.py
from pathlib import Path

import ray
from ray import tune

from legm.integrations.ray import LegmLoggerCallback


def train(config):
    for epoch in range(4):
        tune.report({"loss": abs(config["lr"] - 0.03) + 1 / (1 + epoch) + config["seed"] / 100})


ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
tuner = tune.Tuner(
    train,
    param_space={"lr": tune.grid_search([0.01, 0.03]), "seed": tune.grid_search([0, 1])},
    tune_config=tune.TuneConfig(metric="loss", mode="min"),
    run_config=tune.RunConfig(
        name="net",
        storage_path=str(Path("ray").absolute()),
        callbacks=[LegmLoggerCallback("results", "net")],
        verbose=0,
    ),
)
print(tuner.fit().get_best_result().config)
ray.shutdown()
