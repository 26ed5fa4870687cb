"""A training that stops when the loss no longer falls, and says so in the summary."""

import wandb

with wandb.init(project="early_stopping", config={"patience": 2}) as run:
    best, waited = float("inf"), 0
    for epoch, loss in enumerate([1.0, 0.5, 0.4, 0.45, 0.6, 0.1]):
        run.log({"val_loss": loss, "epoch": epoch})
        best, waited = (loss, 0) if loss < best else (best, waited + 1)
        if waited == run.config.patience:
            run.summary["stopped_epoch"] = epoch
            break
    run.summary["best_val_loss"] = best
