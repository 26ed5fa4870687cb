"""Tags, notes and a name that change while the run goes on."""

import wandb

with wandb.init(project="tags_and_notes", tags=("baseline",), notes="before") as run:
    run.tags += ("late",)
    run.notes = "after"
    run.name = "renamed"
    assert run.tags == ("baseline", "late")
    assert run.project == "tags_and_notes"
    assert run.dir
    assert run.id
    run.log({"x": 1})
