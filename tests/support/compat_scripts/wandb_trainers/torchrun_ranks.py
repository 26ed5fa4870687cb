"""torchrun with two ranks, of which the first one logs to wandb."""

import os
import subprocess
import sys

import torch
import torch.distributed as dist

import wandb


def train(run):
    for step in range(3):
        loss = torch.tensor([1.0 / (step + 1) + dist.get_rank()])
        dist.all_reduce(loss)
        if run is not None:
            run.log({"loss": float(loss)}, step=step)


if "RANK" not in os.environ:
    launch = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", "--local-addr=127.0.0.1"]
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", *launch, __file__], check=True, env=environment)
else:
    dist.init_process_group("gloo")
    if dist.get_rank() == 0:
        with wandb.init(project="torchrun_ranks", config={"lr": 0.1, "ranks": dist.get_world_size()}) as run:
            train(run)
    else:
        train(None)
    dist.destroy_process_group()
