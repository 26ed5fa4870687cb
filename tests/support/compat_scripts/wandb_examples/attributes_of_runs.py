"""What a script reads of its run."""

import wandb

with wandb.init(project="attributes_of_runs", name="n", group="g", job_type="j", config={"a": 1}) as run:
    assert run is wandb.run
    assert (run.name, run.group, run.job_type, run.project) == ("n", "g", "j", "attributes_of_runs")
    assert run.step == 0
    run.log({"x": 1})
    assert run.step == 1
    assert run.resumed is False
    assert isinstance(run.id, str)
    assert run.summary["x"] == 1
    assert run.config["a"] == 1
