"""A run with an id of the script's own, and the same values under another one."""

import wandb

for number in range(2):
    with wandb.init(
        project="resumed_run", id=f"own-id-{number}", resume="allow", config={"part": number}
    ) as run:
        assert run.id == f"own-id-{number}"
        run.log({"part": number})
