# training.py
import os
from pathlib import Path

from legm import ExperimentHandler

ROOT = os.environ.get("RESULTS", str(Path("results").absolute()))
EXPERIMENT = os.environ.get("EXPERIMENT", "net")
BACKEND = os.environ.get("BACKEND", "local")
RATES, SEEDS = (0.01, 0.03, 0.1), (0, 1)


def losses(lr, seed):
    for epoch in range(5):
        yield epoch, abs(lr - 0.03) + 1 / (1 + epoch) + seed / 100


def train(lr, seed):
    handler = ExperimentHandler(ROOT, EXPERIMENT, backend=BACKEND)
    handler.set_dict_params({"lr": lr, "seed": seed})
    handler.disable_param("seed")
    with handler.start():
        for epoch, loss in losses(lr, seed):
            handler.set_metric("loss", loss, step=epoch)
