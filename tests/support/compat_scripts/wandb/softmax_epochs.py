"""Softmax regression on digits, a row an epoch."""

import numpy as np
from sklearn.datasets import load_digits

import wandb

wandb.login()
run = wandb.init(
    project="softmax_epochs",
    config={"learning_rate": 0.5, "epochs": 8, "batch_size": 64, "seed": 3, "architecture": "softmax"},
)
config = wandb.config
rng = np.random.default_rng(config.seed)
x, y = load_digits(return_X_y=True)
x = x / 16
weights = np.zeros((64, 10))
for epoch in range(config.epochs):
    order = rng.permutation(len(x))
    for at in range(0, len(x), config.batch_size):
        batch = order[at : at + config.batch_size]
        scores = x[batch] @ weights
        chances = np.exp(scores - scores.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        chances[np.arange(len(batch)), y[batch]] -= 1
        weights -= config.learning_rate * x[batch].T @ chances / len(batch)
    accuracy = np.mean((x @ weights).argmax(axis=1) == y)
    wandb.log({"epoch": epoch, "train/accuracy": accuracy, "norm": np.linalg.norm(weights)})
wandb.summary["final_accuracy"] = accuracy
wandb.finish()
