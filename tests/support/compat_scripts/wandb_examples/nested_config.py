"""A config with mappings, lists and None in it."""

import wandb

config = {
    "model": {"name": "unet", "channels": [16, 32, 64], "norm": {"kind": "batch", "eps": 1e-5}},
    "optim": {"lr": 1e-3, "betas": [0.9, 0.999]},
    "seed": None,
    "flags": {"amp": False, "ema": True},
}
with wandb.init(project="nested_config", config=config) as run:
    assert run.config["model"]["norm"]["kind"] == "batch"
    assert run.config.optim["lr"] == 1e-3
    run.log({"loss": 0.5})
