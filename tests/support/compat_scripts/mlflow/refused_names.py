"""Names that MLflow refuses, and values that it does not take; the run goes on."""

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

client = MlflowClient()
mlflow.set_experiment("refused_names")


def refused(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except MlflowException as error:
        return error.error_code == "INVALID_PARAMETER_VALUE"
    return False


with mlflow.start_run() as run:
    for name in (
        "acc@1",
        "f1 (macro)",
        "a//b",
        "/x",
        "../x",
        "a=b",
        "100%",
        "a,b",
        "x" * 251,
        "[0]",
        "",
        ".",
    ):
        assert refused(mlflow.log_metric, name, 0.5), name
        assert refused(mlflow.log_param, name, 0.5), name
        assert refused(mlflow.set_tag, name, "v"), name
        assert refused(client.log_metric, run.info.run_id, name, 0.5), name
    assert refused(mlflow.log_metric, "m", "many")
    assert refused(mlflow.log_metrics, {"good": 1, "bad@": 2})
    for name in ("loss/train", "top-1 acc", "a.b", "p:q", "über", "x" * 250):
        mlflow.log_metric(name, 1.0, step=0)
        mlflow.log_param(name, 1)
    for name in ("", None, 5):
        assert refused(mlflow.create_experiment, name), name
data = client.get_run(run.info.run_id).data
assert sorted(data.params) == sorted(["loss/train", "top-1 acc", "a.b", "p:q", "über", "x" * 250])
