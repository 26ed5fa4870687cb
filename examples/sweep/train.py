# train.py
import argparse

from legm import ExperimentHandler

parser = argparse.ArgumentParser()
parser.add_argument("--learning_rate", type=float)
parser.add_argument("--optimizer", choices=["adam", "sgd"])
parser.add_argument("--seed", type=int, default=0)

handler = ExperimentHandler("results", "net")
arguments = handler.set_namespace_params(parser.parse_args())
handler.disable_param("seed")
with handler.start():
    for epoch in range(5):
        slowness = abs(arguments.learning_rate - 0.03) + (arguments.optimizer == "sgd")
        handler.set_metric("loss", slowness + 1 / (1 + epoch) + arguments.seed / 100, step=epoch)
