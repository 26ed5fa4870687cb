# train.py
import numpy as np
import torch
from ignite.engine import Events, create_supervised_evaluator, create_supervised_trainer
from ignite.handlers import global_step_from_engine
from ignite.metrics import Accuracy, Loss

from legm.integrations.ignite import LegmLogger

x = np.random.default_rng(0).random((300, 3), dtype="float32")
y = (x[:, 0] + np.random.default_rng(1).random(300) / 2 > 0.7).astype("int64")
samples = list(zip(torch.tensor(x), torch.tensor(y), strict=True))
train = torch.utils.data.DataLoader(samples[:200], batch_size=20)
valid = torch.utils.data.DataLoader(samples[200:], batch_size=20)


def evaluate(trainer, evaluator):
    evaluator.run(valid)


for lr in (0.01, 0.5):
    for seed in range(2):
        torch.manual_seed(seed)
        model, loss = torch.nn.Linear(3, 2), torch.nn.CrossEntropyLoss()
        optimizer = torch.optim.SGD(model.parameters(), lr)
        trainer = create_supervised_trainer(model, optimizer, loss)
        evaluator = create_supervised_evaluator(model, {"accuracy": Accuracy(), "loss": Loss(loss)})
        trainer.add_event_handler(Events.EPOCH_COMPLETED, evaluate, evaluator)
        with LegmLogger("results", "mnist", params={"lr": lr, "seed": seed}) as logger:
            logger.attach_output_handler(
                evaluator,
                Events.EPOCH_COMPLETED,
                tag="validation",
                metric_names="all",
                global_step_transform=global_step_from_engine(trainer),
            )
            trainer.run(train, max_epochs=5)
