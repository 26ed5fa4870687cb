"""Files that are saved with the run, and its folder."""

from pathlib import Path

import wandb

Path("extra").mkdir(exist_ok=True)
Path("extra/notes.md").write_text("# Notes")
with wandb.init(project="saved_files") as run:
    run.save("extra/notes.md")
    Path(run.dir, "inside.txt").write_text("inside")
    run.save(str(Path(run.dir, "inside.txt")), base_path=run.dir)
    run.log({"x": 1})
