"""A run for each seed in one process, by reinit."""

import random

import wandb

for seed in range(3):
    run = wandb.init(project="several_runs", config={"seed": seed, "rate": 0.2}, group="seeds", reinit=True)
    generator = random.Random(seed)
    value = 1.0
    for _ in range(10):
        value *= 1 - run.config.rate * generator.random()
        wandb.log({"value": value})
    run.finish()
