"""Everything by the module's functions, with the current run."""

import wandb

wandb.init(project="module_functions", name="first", notes="by functions", tags=["a", "b"])
wandb.config.lr = 0.1
wandb.config.update({"layers": 3})
wandb.config["units"] = 8
for step in range(4):
    wandb.log({"loss": 1 / (step + 1)})
wandb.summary["final"] = 0.5
wandb.run.summary["best"] = 0.25
assert wandb.run.name == "first"
assert wandb.config.lr == 0.1
wandb.finish()
assert wandb.run is None
