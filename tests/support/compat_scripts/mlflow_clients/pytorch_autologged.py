"""PyTorch's training loop, whose scalars for TensorBoard are logged by themselves."""

import tempfile

import torch
from torch import nn
from torch.utils.tensorboard import SummaryWriter

import mlflow.pytorch

mlflow.set_experiment("pytorch_autologged")
mlflow.pytorch.autolog(log_every_n_step=2)
torch.manual_seed(0)
x = torch.randn(64, 3)
y = x @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.1
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
with mlflow.start_run() as run, tempfile.TemporaryDirectory() as folder:
    writer = SummaryWriter(folder)
    for step in range(7):
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_scalar("loss/train", loss.item(), step)
        writer.add_histogram("weights", model.weight, step)
    writer.add_hparams({"lr": 0.1, "optimizer": "SGD", "bias": True}, {"hparam/loss": loss.item()})
    writer.flush()
    writer.close()
mlflow.pytorch.autolog(disable=True)
