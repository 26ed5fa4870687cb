"""Curves of a classifier: ROC, precision and recall, and its confusion matrix."""

import wandb

truth = [0, 1, 2, 0, 1, 2]
scores = [
    [0.8, 0.1, 0.1],
    [0.1, 0.7, 0.2],
    [0.2, 0.2, 0.6],
    [0.5, 0.4, 0.1],
    [0.3, 0.4, 0.3],
    [0.1, 0.5, 0.4],
]
with wandb.init(project="curves") as run:
    run.log(
        {
            "confusion": wandb.plot.confusion_matrix(
                y_true=truth, preds=[0, 1, 2, 0, 1, 1], class_names=["a", "b", "c"]
            )
        }
    )
    run.log({"roc": wandb.plot.roc_curve(truth, scores, labels=["a", "b", "c"]), "auc": 0.9})
    run.log({"pr": wandb.plot.pr_curve(truth, scores, labels=["a", "b", "c"])})
