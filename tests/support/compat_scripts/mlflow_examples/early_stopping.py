"""A training that stops early and says where."""

import mlflow

mlflow.set_experiment("early_stopping")
with mlflow.start_run():
    best, best_epoch = float("inf"), 0
    for epoch, loss in enumerate([1.0, 0.6, 0.5, 0.7, 0.8]):
        mlflow.log_metric("val_loss", loss, step=epoch)
        if loss < best:
            best, best_epoch = loss, epoch
        elif epoch - best_epoch == 2:
            mlflow.log_metrics({"best_val_loss": best, "stopped_epoch": epoch})
            break
    mlflow.set_tag("stopped", "early")
