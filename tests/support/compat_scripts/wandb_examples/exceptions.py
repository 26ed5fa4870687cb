"""A run that fails in the middle, and one that goes on."""

import wandb

try:
    with wandb.init(project="exceptions", config={"part": "fails"}) as run:
        run.log({"loss": 1})
        raise RuntimeError("the training diverged")
except RuntimeError:
    pass
with wandb.init(project="exceptions", config={"part": "goes on"}) as run:
    run.log({"loss": 0.5})
with wandb.init(project="exceptions", config={"part": "exit code"}) as run:
    run.log({"loss": 0.25})
    run.finish(exit_code=1)
