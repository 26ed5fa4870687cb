"""Arguments become the config; steps are given, with gaps."""

import argparse

import numpy as np

import wandb

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.05)
parser.add_argument("--momentum", type=float, default=0.9)
parser.add_argument("--steps", type=int, default=200)
parser.add_argument("--no-cuda", action="store_true")
args = parser.parse_args([])

run = wandb.init(
    project="argparse_steps", name="gd", group="toy", job_type="train", tags=["toy", "gd"], notes="a try"
)
wandb.config.update(args)
rng = np.random.default_rng(0)
target, point, speed = rng.normal(size=5), np.zeros(5), np.zeros(5)
for step in range(1, args.steps + 1):
    gradient = 2 * (point - target)
    speed = args.momentum * speed - args.lr * gradient
    point = point + speed
    if step % 20 == 0:
        wandb.log({"loss": float(((point - target) ** 2).sum()), "speed": np.float32(0.5)}, step=step)
run.finish()
