"""Test values at the end of a training, by the names that scripts give them."""

import wandb

for seed in range(2):
    with wandb.init(project="metrics_of_tests", config={"lr": 0.1, "seed": seed}) as run:
        for epoch in range(3):
            run.log({"val_acc": 0.5 + epoch / 10, "test/each": epoch})
        run.log({"test_acc": 0.75 + seed / 100, "test/f1": 0.5, "Test-loss": 1.5})
