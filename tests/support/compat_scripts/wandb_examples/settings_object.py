"""Settings that a script gives as an object."""

import wandb

settings = wandb.Settings(console="off", disable_git=True, silent=True)
with wandb.init(project="settings_object", settings=settings, config={"a": 1}) as run:
    run.log({"x": 1})
with wandb.init(
    project="settings_object", settings={"console": "off"}, config={"a": 2}, save_code=False
) as run:
    run.log({"x": 2})
