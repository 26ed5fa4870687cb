"""Episodes with rewards and lengths, counted by the steps of the environment."""

import wandb

with wandb.init(project="reinforcement_episodes") as run:
    run.define_metric("episode/*", step_metric="global_step")
    total = 0
    for length in (5, 8, 13):
        total += length
        run.log({"global_step": total, "episode/reward": length * 2, "episode/length": length})
