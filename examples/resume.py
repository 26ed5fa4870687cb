"""A training that is killed again and again, and continues in the same run from its checkpoint.

The script starts itself as a training process, which kills itself at a random epoch. Each new process resumes
the run, until it is done. Then the same training runs undisturbed, and both runs have the same numbers::

    python examples/resume.py
    python examples/resume.py --root somewhere --kills 5
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from legm import ExperimentHandler

EPOCHS = 40


def loss_of(weight: float, data: list[tuple[float, float]]) -> float:
    """The mean squared error of y = weight * x."""
    return sum((weight * x - y) ** 2 for x, y in data) / len(data)


def train(root: Path, description: str, killed_at: int) -> None:
    """Train from the checkpoint where there is one; kill the process before an epoch."""
    handler = ExperimentHandler(root, "line", description)
    handler.set_dict_params({"learning_rate": 0.05, "seed": 1})
    handler.disable_param("seed")
    random.seed(1)
    data = [(x, 3 * x + random.gauss(0, 0.1)) for x in (random.random() for _ in range(100))]

    checkpoint = None
    handler.start(resume=True)
    path = Path(handler.get_save_filename("checkpoint.json"))
    if path.exists():
        checkpoint = json.loads(path.read_text())
        handler.rewind(checkpoint["epoch"])  # what was set after the checkpoint is trained again
    weight = checkpoint["weight"] if checkpoint else 0.0
    with handler:
        handler.set_best("early_stopping", metric="loss", higher_better=False)
        for epoch in range(checkpoint["epoch"] + 1 if checkpoint else 0, EPOCHS):
            if epoch == killed_at:
                handler.flush()
                os.kill(os.getpid(), signal.SIGKILL)
            gradient = sum(2 * x * (weight * x - y) for x, y in data) / len(data)
            weight -= handler.learning_rate * gradient
            handler.set_metric("loss", loss_of(weight, data), step=epoch)
            if epoch % 5 == 4:  # a kill between two checkpoints makes some epochs void
                new = path.with_suffix(".new")
                new.write_text(json.dumps({"epoch": epoch, "weight": weight}))
                new.replace(path)


def stretch(root: Path, description: str, killed_at: int) -> int:
    """Train in a process of its own; returns its exit code."""
    command = [sys.executable, __file__, "--root", str(root), "--train", description, str(killed_at)]
    return subprocess.run(command, check=False).returncode


def main() -> None:
    """Train with kills and without, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path("results"))
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--train", nargs=2, metavar=("DESCRIPTION", "EPOCH"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.train:
        train(given.root, given.train[0], int(given.train[1]))
        return
    for epoch in sorted(random.sample(range(1, EPOCHS), given.kills)):
        assert stretch(given.root, "killed", epoch) == -signal.SIGKILL
        print(f"killed before epoch {epoch}")
    assert stretch(given.root, "killed", -1) == 0
    assert stretch(given.root, "undisturbed", -1) == 0

    found = []
    for description in ("killed", "undisturbed"):
        handler = ExperimentHandler(given.root, "line", description)
        handler.set_dict_params({"learning_rate": 0.05, "seed": 1})
        handler.disable_param("seed")
        best = handler.aggregate_results()["best_loss"]
        print(f"{description}: {best['n']} run, lowest loss {best['mean']!r}")
        found.append((best["n"], best["mean"], best["interrupted"]))
    assert found[0] == found[1] == (1, found[0][1], 0)


if __name__ == "__main__":
    main()
