"""Two runs of the client, of which one is never ended."""

from mlflow import MlflowClient

client = MlflowClient()
experiment = client.create_experiment("run_left_open")
for name in ("ended", "open"):
    run = client.create_run(experiment, run_name=name)
    client.log_param(run.info.run_id, "name", name)
    for step in range(3):
        client.log_metric(run.info.run_id, "loss", 1 / (step + 1), step=step)
    if name == "ended":
        client.set_terminated(run.info.run_id)
