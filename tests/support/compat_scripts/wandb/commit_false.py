"""Rows that are put together from several calls, and counted on without a step."""

import wandb

run = wandb.init(project="commit_false", config=dict(a=1))
for i in range(5):
    wandb.log({"first": i}, commit=False)
    wandb.log({"second": i * i}, commit=False)
    wandb.log({"third": i / 2})
wandb.log({"jump": 1.0}, step=20)
wandb.log({"same": 2.0}, step=20)
wandb.log({"after": 3.0})
wandb.log({"next": 4.0})
wandb.log({"first": 9}, step=30, commit=True)
wandb.log({"first": 10})
wandb.finish()
