"""Pictures, histograms, tables and artifacts beside the numbers."""

import tempfile
from pathlib import Path

import numpy as np
from wandb.sdk.lib.runid import generate_id

import wandb

rng = np.random.default_rng(1)
run = wandb.init(project="media_and_artifacts", id=generate_id(), config={"size": 8})
for step in range(3):
    picture = rng.random((8, 8))
    wandb.log(
        {
            "picture": wandb.Image(picture, caption=f"step {step}"),
            "pixels": wandb.Histogram(picture.ravel()),
            "mean": picture.mean(),
        }
    )
table = wandb.Table(columns=["i", "square"])
for i in range(4):
    table.add_data(i, i * i)
wandb.log({"squares": table, "line": wandb.plot.line(table, "i", "square", title="squares")})
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "weights.txt")
    path.write_text("1 2 3")
    artifact = wandb.Artifact("weights", type="model", metadata={"kind": "text"})
    artifact.add_file(str(path))
    run.log_artifact(artifact)
    run.finish()
