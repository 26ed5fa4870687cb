"""Which small network recognises handwritten digits best, over several seeds?

Trains scikit-learn's network on the 1797 digits that scikit-learn ships: three configurations, several
seeds each. Run it again to add more runs to each configuration::

    python examples/digits.py
    python examples/digits.py --first-seed 5
"""

from __future__ import annotations

import argparse
import copy
import os
import platform
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from legm import ExperimentHandler

COMMON = {"batch_size": 32, "momentum": 0.9, "patience": 10, "device": platform.machine()}
CONFIGURATIONS = [
    {"hidden": [16], "solver": "adam", "learning_rate": 0.002},
    {"hidden": [64, 32], "solver": "adam", "learning_rate": 0.002},
    {"hidden": [64, 32], "solver": "sgd", "learning_rate": 0.01},
]
METADATA: dict[str, dict[str, Any]] = {
    "momentum": {"parent": "solver", "parent_active": "sgd"},  # counts only where the solver uses it
    "seed": {"disable_comparison": True},  # another seed is another run of the same configuration
    "device": {"disable_comparison": True},
    "solver": {"name": True, "name_priority": 2},  # these three make the names of the folders
    "hidden": {"name": True, "name_priority": 1},
    "learning_rate": {"name": True, "name_transform": lambda rate: f"lr={rate}"},
}

images, labels = load_digits(return_X_y=True)
x_train, x_rest, y_train, y_rest = train_test_split(images / 16, labels, test_size=0.4, random_state=0)
x_dev, x_test, y_dev, y_test = train_test_split(x_rest, y_rest, test_size=0.5, random_state=0)


def train(handler: ExperimentHandler) -> str:
    """Train one network, stop early, test the best one; returns a line to print."""
    model = best = MLPClassifier(
        handler.hidden,
        solver=handler.solver,
        learning_rate_init=handler.learning_rate,
        momentum=handler.momentum,
        batch_size=handler.batch_size,
        random_state=handler.seed,
    )
    best_accuracy, best_epoch = 0.0, 0
    for epoch in range(handler.epochs):
        began = time.perf_counter()
        model.partial_fit(x_train, y_train, classes=range(10))  # one epoch
        seconds = time.perf_counter() - began
        accuracy = model.score(x_dev, y_dev)
        loss = log_loss(y_dev, model.predict_proba(x_dev))
        metrics = {"train_loss": model.loss_, "loss": loss, "accuracy": accuracy, "time": seconds}
        handler.set_dict_metrics(metrics, step=epoch)
        if accuracy > best_accuracy:
            best, best_accuracy, best_epoch = copy.deepcopy(model), accuracy, epoch
        elif epoch - best_epoch >= handler.patience:
            break
    handler.set_best("early_stopping", metric="accuracy")
    test_accuracy = handler.set_metric("accuracy", best.score(x_test, y_test), test=True)
    handler.set_metric("loss", log_loss(y_test, best.predict_proba(x_test)), test=True)
    return f"best epoch {best_epoch:2}, dev {best_accuracy:.3f}, test {test_accuracy:.3f}"


def leaderboard(handler: ExperimentHandler) -> Table:
    """The configurations by their accuracy on the dev data, mean ± standard deviation over the runs."""
    table = Table("configuration", "runs", "dev accuracy", "test accuracy")
    tested = {one.configuration.fingerprint: one.value for one in handler.get_best("accuracy", test=True)}
    for one in handler.get_best("accuracy"):
        dev, test = one.value, tested[one.configuration.fingerprint]
        accuracies = (f"{value.mean:.4f} ± {value.std:.4f}" for value in (dev, test))
        others = one.left_out  # failed, interrupted and pruned runs are not averaged
        runs = [str(one.completed), *(f"{count} {kind}" for kind, count in others.items() if count)]
        table.add_row(one.configuration.name, ", ".join(runs), *accuracies)
    return table


def main() -> None:
    """Train every configuration with every seed, and show which is best."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default="results", help="the folder to keep the results in")
    parser.add_argument("--backend", default="local", help="where the runs are kept")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each configuration")
    parser.add_argument("--first-seed", type=int, default=0, help="the first of these seeds")
    parser.add_argument("--epochs", type=int, default=100, help="epochs at most")
    options = parser.parse_args()

    for configuration in CONFIGURATIONS:
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            with ExperimentHandler(options.root, "MLP-digits", backend=options.backend) as handler:
                handler.set_dict_params({**COMMON, **configuration, "epochs": options.epochs, "seed": seed})
                handler.set_param_metadata(METADATA)
                handler.start()
                line = train(handler)
                print(f"{handler.log().run.configuration.name:22} seed {seed}: {line}")
        handler.aggregate_results()
        handler.plot(groups={"loss": ["train_loss", "loss"], "accuracy": ["accuracy"]})

    Console().print(leaderboard(handler))
    (bars,) = handler.plot_comparison_bars("accuracy", test=True)
    print("The bars are in", os.path.relpath(bars) if Path(bars).is_absolute() else bars)
    if options.backend == "mlflow":
        print(f"See the runs with: legm mlflow-ui {options.root}")
    elif options.backend == "wandb":
        print(f"Runs that were kept offline can be sent with: wandb sync {options.root}/wandb/offline-run-*")
    else:
        print(f"See the curves with: tensorboard --logdir {options.root}")


if __name__ == "__main__":
    main()
