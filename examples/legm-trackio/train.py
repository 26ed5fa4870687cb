"""Fits a line by gradient descent with several rates and seeds, and ranks the rates over their seeds."""

import argparse
import random

from legm import ExperimentHandler

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument(
    "--root", default="results", help="where run logs are kept, and runs of the local backend"
)
parser.add_argument("--backend", default="trackio", help="where the runs are kept")
options = parser.parse_args()

for rate in (0.01, 0.1, 0.3):
    for seed in range(3):
        with ExperimentHandler(options.root, "line", backend=options.backend) as handler:
            handler.set_dict_params({"rate": rate, "seed": seed})
            handler.disable_param("seed")
            handler.start()
            chance = random.Random(seed)
            points = [(x / 10, 3 * x / 10 + chance.gauss(0, 0.1)) for x in range(10)]
            slope = 0.0
            for step in range(20):
                errors = [(x, slope * x - y) for x, y in points]
                handler.set_metric("loss", sum(error**2 for _, error in errors) / len(points), step=step)
                slope -= rate * sum(2 * x * error for x, error in errors) / len(points)
            handler.set_metric("slope error", abs(slope - 3), test=True)

for place in handler.get_best("loss", higher_better=False):
    mean, std = place.value.mean, place.value.std
    print(f"rate {place.configuration.parameters['rate']}: {mean:.4f} ± {std:.4f} ({place.completed} runs)")
