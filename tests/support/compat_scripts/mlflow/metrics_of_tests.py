"""Test values at the end of a training, by the names that scripts give them."""

import mlflow

mlflow.set_experiment("metrics_of_tests")
for seed in range(2):
    with mlflow.start_run(run_name=f"seed {seed}") as run:
        mlflow.log_params({"lr": 0.1, "seed": seed})
        for epoch in range(3):
            mlflow.log_metrics({"val_acc": 0.5 + epoch / 10, "test/each": epoch}, step=epoch)
        mlflow.log_metric("test_acc", 0.75 + seed / 100)
        mlflow.log_metrics({"test/f1": 0.5, "Test-loss": 1.5, "f1": 0.25}, step=2)
    assert mlflow.get_run(run.info.run_id).data.metrics["test_acc"] == 0.75 + seed / 100
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "test/f1")
    assert [(one.step, one.value) for one in history] == [(2, 0.5)]
