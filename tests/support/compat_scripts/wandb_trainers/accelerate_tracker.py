"""Hugging Face accelerate with its tracker of wandb."""

import torch
from accelerate import Accelerator

torch.manual_seed(0)
accelerator = Accelerator(log_with="wandb", cpu=True)
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
data = torch.utils.data.DataLoader(torch.randn(16, 3), batch_size=4)
model, optimizer, data = accelerator.prepare(model, optimizer, data)
accelerator.init_trackers("accelerate_tracker", config={"lr": 0.1, "batch_size": 4})
for epoch in range(3):
    for batch in data:
        loss = model(batch).square().mean()
        accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
    accelerator.log({"loss": loss.item(), "rate": 0.1 / (epoch + 1)}, step=epoch)
accelerator.end_training()
