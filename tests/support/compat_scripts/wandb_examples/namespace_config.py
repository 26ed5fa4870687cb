"""A config from the arguments of a command line."""

import argparse

import wandb

parser = argparse.ArgumentParser()
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument("--lr", type=float, default=1e-3)
parser.add_argument("--amp", action="store_true")
parser.add_argument("--optimizer", choices=["adam", "sgd"], default="adam")
args = parser.parse_args([])
with wandb.init(project="namespace_config", config=args) as run:
    assert run.config.batch_size == 32
    run.log({"lr": args.lr})
with wandb.init(project="namespace_config", config=vars(args)) as run:
    run.config.update(args, allow_val_change=True)
    run.log({"lr": args.lr})
