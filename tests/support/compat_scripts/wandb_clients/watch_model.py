"""A model of PyTorch's that is watched while it is trained."""

import tempfile
from pathlib import Path

import torch
from torch import nn

import wandb

torch.manual_seed(0)
wandb.init(project="watch_model", config={"epochs": 6, "lr": 0.1, "hidden": 4})
model = nn.Sequential(nn.Linear(3, wandb.config.hidden), nn.ReLU(), nn.Linear(wandb.config.hidden, 1))
wandb.watch(model, log="all", log_freq=2)
x = torch.randn(32, 3)
y = x.sum(dim=1, keepdim=True)
optimizer = torch.optim.SGD(model.parameters(), lr=wandb.config.lr)
for epoch in range(wandb.config.epochs):
    loss = nn.functional.mse_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    wandb.log({"epoch": epoch, "loss": loss})
wandb.unwatch(model)
model(x).sum().backward()
wandb.log({"parameters_of_model": sum(one.numel() for one in model.parameters())})
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "model.pt")
    torch.save(model.state_dict(), path)
    artifact = wandb.Artifact("model", type="model", metadata={"epochs": wandb.config.epochs})
    artifact.add_file(str(path))
    wandb.log_artifact(artifact)
    wandb.finish()
