"""The best of a few runs, by a search with a filter and an order."""

import mlflow

mlflow.set_experiment("search_best")
for depth in (2, 4, 8):
    with mlflow.start_run(run_name=f"depth {depth}"):
        mlflow.log_param("depth", depth)
        mlflow.log_metric("rmse", abs(depth - 5) + 0.5, step=0)
frame = mlflow.search_runs(order_by=["metrics.rmse ASC"])
assert frame.iloc[0]["params.depth"] == "4"
assert list(frame["metrics.rmse"]) == [1.5, 3.5, 3.5]
few = mlflow.search_runs(experiment_names=["search_best"], filter_string="metrics.rmse < 2", max_results=1)
assert len(few) == 1
best = mlflow.search_runs(order_by=["metrics.rmse ASC"], max_results=1, output_format="list")[0]
with mlflow.start_run(run_name="again"):
    mlflow.log_params({f"best_{name}": value for name, value in best.data.params.items()})
