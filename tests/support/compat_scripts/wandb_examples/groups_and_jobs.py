"""Runs of a cross-validation in a group, and their evaluation."""

import wandb

for fold in range(3):
    run = wandb.init(
        project="groups_and_jobs",
        group="cv",
        job_type=f"fold-{fold}",
        name=f"fold {fold}",
        config={"fold": fold},
    )
    for step in range(2):
        run.log({"acc": fold + step})
    run.finish()
with wandb.init(project="groups_and_jobs", group="cv", job_type="eval", config={"fold": -1}) as run:
    run.log({"mean_acc": 2})
