"""Defaults of a config that a later call does not change, and values that it does."""

import wandb

with wandb.init(project="defaults_and_overrides", config={"lr": 0.5, "depth": 2}) as run:
    run.config.setdefaults({"lr": 0.1, "dropout": 0.25})
    run.config.update({"depth": 4}, allow_val_change=True)
    assert run.config["lr"] == 0.5
    assert run.config.get("missing", 7) == 7
    assert "dropout" in run.config
    assert dict(run.config)["depth"] == 4
    assert sorted(run.config.keys()) == ["depth", "dropout", "lr"]
    assert {**run.config.as_dict()} == {"lr": 0.5, "depth": 4, "dropout": 0.25}
    run.log({"x": 1})
