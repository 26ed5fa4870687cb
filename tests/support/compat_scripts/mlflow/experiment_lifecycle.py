"""An experiment that is deleted and restored, and one that gets another name."""

import mlflow
from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

client = MlflowClient()


def refused(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except MlflowException:
        return True
    return False


for known in (client.get_experiment("0"), client.get_experiment_by_name("Default")):
    assert 0 < known.creation_time <= known.last_update_time
assert "Default" in {one.name for one in client.search_experiments(filter_string="creation_time > 0")}
gone = mlflow.create_experiment("experiment_to_delete")
with mlflow.start_run(experiment_id=gone) as lost:
    mlflow.log_metric("x", 1, step=0)
mlflow.delete_experiment(gone)
assert mlflow.get_experiment(gone).lifecycle_stage == "deleted"
assert client.get_run(lost.info.run_id).info.lifecycle_stage == "deleted"
assert refused(mlflow.create_experiment, "experiment_to_delete")
assert refused(mlflow.set_experiment, "experiment_to_delete")
assert refused(client.create_run, gone)
assert refused(client.log_metric, lost.info.run_id, "y", 1)
assert refused(client.delete_experiment, "987654321")
names = {one.name for one in client.search_experiments()}
assert "experiment_to_delete" not in names
deleted = {one.name for one in client.search_experiments(view_type=ViewType.DELETED_ONLY)}
assert "experiment_to_delete" in deleted
client.restore_experiment(gone)
assert client.get_run(lost.info.run_id).info.lifecycle_stage == "active"
assert client.get_run(lost.info.run_id).info.status == "FINISHED"

old = client.create_experiment("experiment_with_another_name")
with mlflow.start_run(experiment_id=old, run_name="before"):
    mlflow.log_metric("m", 1, step=0)
mlflow.set_experiment(experiment_id=old)
client.rename_experiment(old, "experiment_lifecycle")
assert client.get_experiment(old).name == "experiment_lifecycle"
assert client.get_experiment_by_name("experiment_with_another_name") is None
assert refused(client.rename_experiment, old, "experiment_to_delete")
with mlflow.start_run(run_name="after"):
    mlflow.log_metric("m", 2, step=0)
assert sorted(run.info.run_name for run in client.search_runs([old])) == ["after", "before"]
