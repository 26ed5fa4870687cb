"""Threads that log to one run, one after the other."""

import threading

import wandb

with wandb.init(project="threads") as run:
    for number in range(3):
        thread = threading.Thread(
            target=lambda number=number: run.log({f"worker{number}": number, "total": number})
        )
        thread.start()
        thread.join()
