"""Children of a run that has ended, by its id."""

import mlflow

mlflow.set_experiment("parent_by_id")
with mlflow.start_run(run_name="parent") as parent:
    mlflow.log_param("role", "parent")
for number in range(2):
    with mlflow.start_run(run_name=f"child {number}", parent_run_id=parent.info.run_id) as child:
        mlflow.log_metric("number", number, step=0)
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
