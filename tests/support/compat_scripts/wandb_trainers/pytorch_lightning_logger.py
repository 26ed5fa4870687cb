"""pytorch_lightning with its WandbLogger."""

import pytorch_lightning as lightning
import torch
from pytorch_lightning.loggers import WandbLogger


class Line(lightning.LightningModule):
    def __init__(self, rate, width=1):
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(3, 1)

    def training_step(self, batch):
        loss = self.layer(batch).square().mean()
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch):
        self.log("val_loss", self.layer(batch).square().mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.rate)


lightning.seed_everything(0, verbose=False)
data = torch.utils.data.DataLoader(torch.randn(16, 3), batch_size=4)
logger = WandbLogger(project="pytorch_lightning_logger", name="line", save_dir=".")
options = {"logger": logger, "log_every_n_steps": 1, "accelerator": "cpu", "enable_progress_bar": False}
trainer = lightning.Trainer(max_epochs=3, enable_model_summary=False, enable_checkpointing=False, **options)
trainer.fit(Line(0.1), data, data)
