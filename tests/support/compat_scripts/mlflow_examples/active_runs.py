"""What the active run is, and that there is one only."""

import mlflow

mlflow.set_experiment("active_runs")
assert mlflow.active_run() is None
run = mlflow.start_run(run_name="one")
assert mlflow.active_run().info.run_id == run.info.run_id
try:
    mlflow.start_run(run_name="two")
except Exception as error:
    said = str(error)
assert "already active" in said
mlflow.log_metric("m", 1, step=0)
mlflow.end_run()
assert mlflow.last_active_run().info.run_id == run.info.run_id
assert mlflow.get_run(run.info.run_id).info.status == "FINISHED"
