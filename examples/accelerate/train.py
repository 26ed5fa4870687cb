# train.py
import torch
from accelerate import Accelerator

from legm.integrations.accelerate import LegmTracker


def train(lr, seed):
    accelerator = Accelerator(log_with=LegmTracker("results", "line"), cpu=True)
    accelerator.init_trackers("line", config={"lr": lr, "optimizer": {"name": "sgd"}, "seed": seed})
    torch.manual_seed(seed)
    x = torch.rand(64, 2, generator=torch.Generator().manual_seed(0))
    dataset = torch.utils.data.TensorDataset(x, x @ torch.tensor([2.0, -1.0]) + 0.5)
    model = torch.nn.Linear(2, 1)
    model, optimizer, batches = accelerator.prepare(
        model,
        torch.optim.SGD(model.parameters(), lr),
        torch.utils.data.DataLoader(dataset, batch_size=16),
    )
    for epoch in range(5):
        for inputs, targets in batches:
            loss = (model(inputs).squeeze(1) - targets).square().mean()
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
        accelerator.log({"loss": loss.item()}, step=epoch)
    accelerator.end_training()


for lr in (0.3, 0.01):
    for seed in range(2):
        train(lr, seed)
