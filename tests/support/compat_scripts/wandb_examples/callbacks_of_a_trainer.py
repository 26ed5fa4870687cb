"""A trainer of the script's own with callbacks, of which one logs."""

import wandb


class Logger:
    def __init__(self, run):
        self.run = run

    def on_batch(self, number, loss):
        self.run.log({"batch/loss": loss, "batch/number": number}, commit=False)

    def on_epoch(self, epoch, score):
        self.run.log({"epoch": epoch, "score": score})


with wandb.init(project="callbacks_of_a_trainer") as run:
    logger = Logger(run)
    for epoch in range(2):
        for batch in range(3):
            logger.on_batch(batch, 1 / (batch + 1))
        logger.on_epoch(epoch, epoch * 10)
