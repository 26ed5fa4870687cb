"""Artifacts with metadata, of files, folders and references, in versions with aliases."""

from pathlib import Path

import wandb

Path("weights").mkdir(exist_ok=True)
with wandb.init(project="artifacts", job_type="train") as run:
    for epoch in range(2):
        Path("weights/model.txt").write_text(f"epoch {epoch}")
        artifact = wandb.Artifact("net", type="model", description="weights", metadata={"epoch": epoch})
        artifact.add_dir("weights")
        with artifact.new_file("notes.txt") as file:
            file.write("hello")
        run.log_artifact(artifact, aliases=["latest", f"epoch{epoch}"])
        run.log({"epoch": epoch})
    run.log_artifact("weights/model.txt", name="single", type="file")
    run.log_model("weights/model.txt", name="logged")
