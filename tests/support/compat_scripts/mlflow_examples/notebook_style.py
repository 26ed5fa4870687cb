"""Cells of a notebook, each with a call or two, without a block."""

import mlflow

mlflow.set_experiment("notebook_style")

mlflow.end_run()
mlflow.start_run(run_name="cell by cell")

mlflow.log_param("cell", 2)

for step, value in enumerate((0.3, 0.2, 0.1)):
    mlflow.log_metric("loss", value, step)

mlflow.set_tag("done", True)

mlflow.end_run()
