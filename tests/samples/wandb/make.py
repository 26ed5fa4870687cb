"""Writes a sample beside it with an old W&B: ``python make.py`` in an environment that has that version.

The folder is called like the version; the SDK's own logs in it were deleted. What the samples say stands in
``tests/importers/test_old_versions.py``.
"""

from __future__ import annotations

import os
from pathlib import Path

own = {"MODE": "offline", "SILENT": "true", "CONSOLE": "off", "HOST": "host", "USERNAME": "user"}
os.environ.update({f"WANDB_{name}": value for name, value in own.items()})

import wandb  # noqa: E402 - it reads the environment

folder = Path(__file__).parent / wandb.__version__
folder.mkdir()
settings = wandb.Settings(_disable_stats=True, _disable_meta=True)
for seed in range(2):
    run = wandb.init(
        dir=str(folder),
        project="digits",
        id=f"seed{seed}",
        name=f"run {seed}",
        group="g",
        tags=["old"],
        config={"lr": 0.1, "layers": [64, 32], "seed": seed},
        settings=settings,
    )
    for step in range(4):
        run.log({"loss": 1 / (step + 1 + seed), "val": {"acc": 0.5 + step / 8}})
    run.summary["best"] = 0.875
    run.finish(exit_code=seed)
