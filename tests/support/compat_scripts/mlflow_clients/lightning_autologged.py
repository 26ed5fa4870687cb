"""Lightning's training logged by itself, with early stopping and a test."""

import logging
import tempfile

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

import mlflow.pytorch

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
mlflow.set_experiment("lightning_autologged")
mlflow.pytorch.autolog(log_models=False, checkpoint=False)


class Regression(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, x):
        return self.layer(x)

    def _loss(self, batch, name):
        x, y = batch
        loss = torch.nn.functional.mse_loss(self(x), y)
        self.log(name, loss, on_step=name == "train_loss", on_epoch=True)
        return loss

    def training_step(self, batch, batch_idx):
        return self._loss(batch, "train_loss")

    def validation_step(self, batch, batch_idx):
        return self._loss(batch, "val_loss")

    def test_step(self, batch, batch_idx):
        return self._loss(batch, "test_loss")

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.9, momentum=0.5)


pl.seed_everything(1, verbose=False)
x = torch.randn(32, 2)
data = DataLoader(TensorDataset(x, x.sum(dim=1, keepdim=True)), batch_size=8)
with tempfile.TemporaryDirectory() as folder:
    trainer = pl.Trainer(
        max_epochs=6,
        accelerator="cpu",
        default_root_dir=folder,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[pl.callbacks.EarlyStopping("val_loss", patience=1, min_delta=0.5)],
    )
    model = Regression()
    with mlflow.start_run():
        trainer.fit(model, data, data)
        trainer.test(model, data, verbose=False)
mlflow.pytorch.autolog(disable=True)
