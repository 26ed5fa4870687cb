"""Trainings with Lightning, in this process and in others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["QUIET", "TWO", "data", "module", "train"]

_MODULE = """
import torch

def data(rows=16):
    return torch.utils.data.DataLoader(torch.linspace(-1, 1, 3 * rows).reshape(rows, 3), batch_size=4)

def module(pl, **hyperparameters):
    class Model(pl.LightningModule):
        def __init__(self, lr=0.1, layers=None, seed=0, output_dir="out"):
            super().__init__()
            self.save_hyperparameters()
            torch.manual_seed(seed)
            self.layer = torch.nn.Linear(3, 1)

        def forward(self, batch):
            return self.layer(batch)

        def loss(self, batch):
            return self.layer(batch).square().mean()

        def training_step(self, batch, index):
            loss = self.loss(batch)
            self.log("loss", loss, on_step=True, on_epoch=True)
            return loss

        def validation_step(self, batch, index):
            self.log("val_loss", self.loss(batch))

        def test_step(self, batch, index):
            self.log("test_loss", self.loss(batch))
            self.log("accuracy", 0.5)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), self.hparams.lr)
    return Model(**hyperparameters)

QUIET = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
QUIET["log_every_n_steps"] = 1
"""
_MADE: dict[str, Any] = {}
exec(_MODULE, _MADE)  # the scripts below have it too
data, module, QUIET = _MADE["data"], _MADE["module"], _MADE["QUIET"]

TWO = "{'strategy': 'ddp', 'devices': 2, 'use_distributed_sampler': False}"
"""The options of two processes."""

_SCRIPT = (
    _MODULE
    + """
import importlib, os, shutil, signal, sys
pl = importlib.import_module(sys.argv[1])
from legm.integrations.lightning import LegmLogger

Model = type(module(pl))  # what is spawned finds it by its name
Model.__qualname__ = "Model"

class Kill(pl.Callback):
    def on_train_batch_end(self, trainer, module, *_):
        if trainer.global_step == int(os.environ.get("KILLED_AT", -1)):
            trainer.loggers[0].experiment.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        if trainer.global_step == int(os.environ.get("REQUEUED_AT", -1)):
            os.kill(os.getpid(), signal.SIGUSR1)

if __name__ == "__main__":
    logger = LegmLogger("root", "e", backend=os.environ.get("STORED_IN", "local"))
    own = pl.loggers.CSVLogger(".", version=os.environ.get("CSV", "0"))
    options = eval(sys.argv[2])
    best = pl.callbacks.ModelCheckpoint(monitor="val_loss", save_last=True)
    options = {"max_epochs": 4, "logger": [logger, own], "callbacks": [best, Kill()], **QUIET, **options}
    trainer = pl.Trainer(**options)
    hyperparameters = eval(os.environ.get("HPARAMS", "{}"))
    trainer.fit(Model(**hyperparameters), data(), data(), ckpt_path=os.environ.get("CKPT"))
    shutil.copy(os.path.join(own.log_dir, "metrics.csv"), "fit.csv")  # what is spawned to test overwrites it
    trainer.test(trainer.lightning_module, data(), verbose=False)
    print("BEST", best.best_model_path, logger.version if trainer.is_global_zero else "-")
"""
)


def train(
    folder: Path, package: str, options: str = "{}", **environ: str
) -> subprocess.CompletedProcess[str]:
    """Train for four epochs, and test, in a process of its own in a folder.

    Args:
        folder: has the root directory, and what Lightning's own logger writes.
        package: of Lightning's two.
        options: of the trainer.
        **environ: ``CKPT``, the checkpoint; ``HPARAMS``; ``CSV``, the version of its own logger;
            ``STORED_IN``, the backend; ``KILLED_AT`` and ``REQUEUED_AT``, the step after which it gets
            SIGKILL or SIGUSR1.
    """
    (folder / "train.py").write_text(_SCRIPT)
    return subprocess.run(
        [sys.executable, "-W", "ignore", "train.py", package, options],
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
