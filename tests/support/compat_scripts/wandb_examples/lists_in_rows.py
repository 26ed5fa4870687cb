"""Lists and texts in rows beside numbers."""

import wandb

with wandb.init(project="lists_in_rows") as run:
    run.log({"loss": 0.5, "per_class": [0.1, 0.2, 0.3], "names": ["a", "b"], "note": "fine"})
    run.log({"loss": 0.25, "note": "finer"})
