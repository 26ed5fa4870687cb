# train.py
import logging
import warnings

import lightning.pytorch as pl
import torch

from legm.integrations.lightning import LegmLogger


class Line(pl.LightningModule):
    def __init__(self, lr, momentum=0.0, seed=0):
        super().__init__()
        self.save_hyperparameters()
        torch.manual_seed(seed)
        self.layer = torch.nn.Linear(2, 1)

    def error(self, batch):
        x, y = batch
        return (self.layer(x).squeeze(1) - y).square().mean()

    def training_step(self, batch, _):
        loss = self.error(batch)
        self.log("loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, _):
        self.log("val_loss", self.error(batch))

    def test_step(self, batch, _):
        self.log("test_loss", self.error(batch))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.hparams.lr, self.hparams.momentum)


def points(number, seed):
    x = torch.rand(number, 2, generator=torch.Generator().manual_seed(seed))
    dataset = torch.utils.data.TensorDataset(x, x @ torch.tensor([2.0, -1.0]) + 0.5)
    return torch.utils.data.DataLoader(dataset, batch_size=16)


warnings.filterwarnings("ignore", module="lightning")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
for lr in (0.3, 0.01):
    for seed in range(2):
        trainer = pl.Trainer(
            logger=LegmLogger("results", "line"),
            callbacks=[pl.callbacks.ModelCheckpoint(monitor="val_loss")],
            max_epochs=5,
            accelerator="cpu",
            log_every_n_steps=1,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        model = Line(lr=lr, momentum=0.5, seed=seed)
        trainer.fit(model, points(64, 0), points(32, 1))
        trainer.test(model, points(32, 2), ckpt_path="best", verbose=False)
