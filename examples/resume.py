"""A training that is killed again and again, and continues in the same run from its checkpoint.

The script trains in a process of its own, which kills itself in the middle. Each new process resumes the run,
until it is done. Then the same training runs undisturbed, and both runs have the same numbers::

    python examples/resume.py
    python examples/resume.py --root somewhere --kills 5
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from legm import ExperimentHandler

EPOCHS = 40
DATA = [(i / 100, 3 * i / 100 + (i * 37 % 11 - 5) / 50) for i in range(100)]


def make_handler(root: Path, description: str) -> ExperimentHandler:
    """The same parameters in every process: they find the run again."""
    handler = ExperimentHandler(root, "line", description)
    handler.set_dict_params({"learning_rate": 0.05, "seed": 1})
    handler.disable_param("seed")
    return handler


def train(root: Path, description: str, killed_at: int) -> None:
    """Train y = weight * x from the checkpoint, where there is one; kill the process before an epoch."""
    handler = make_handler(root, description).start(resume=True)
    path = Path(handler.get_save_filename("checkpoint.json"))
    state = {"epoch": -1, "weight": 0.0}
    if path.exists():
        state = json.loads(path.read_text())
        handler.rewind(state["epoch"])  # the epochs after the checkpoint are trained again
    weight = state["weight"]
    with handler:
        handler.set_best("early_stopping", metric="loss", higher_better=False)
        for epoch in range(state["epoch"] + 1, EPOCHS):
            if epoch == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)
            weight -= handler.learning_rate * sum(2 * x * (weight * x - y) for x, y in DATA) / len(DATA)
            handler.set_metric("loss", sum((weight * x - y) ** 2 for x, y in DATA) / len(DATA), step=epoch)
            if epoch % 5 == 4:
                handler.flush()  # what the checkpoint stands for is on the disk before it
                new = path.with_suffix(".new")
                new.write_text(json.dumps({"epoch": epoch, "weight": weight}))
                new.replace(path)  # a kill leaves the old checkpoint or the new one


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
    killed_at = [EPOCHS * (number + 1) // (given.kills + 1) + 1 for number in range(given.kills)]
    for description, epochs in (("killed", [*killed_at, EPOCHS]), ("undisturbed", [EPOCHS])):
        for epoch in epochs:
            command = [sys.executable, __file__, "--root", given.root, "--train", description, str(epoch)]
            code = subprocess.run(command, check=False).returncode  # noqa: S603 - this script
            print(f"{description}: the process ended with {code}")
    for description in ("killed", "undisturbed"):
        best = make_handler(given.root, description).aggregate_results()["best_loss"]
        print(f"{description}: {best['n']} run, lowest loss {best['mean']!r}")


if __name__ == "__main__":
    main()
