"""A search over parameters: a run inside of another for each."""

import mlflow

mlflow.set_experiment("nested_search")
with mlflow.start_run(run_name="search") as parent:
    best = (float("inf"), None)
    for depth in (1, 2, 3):
        for rate in (0.1, 0.01):
            with mlflow.start_run(run_name=f"{depth}-{rate}", nested=True, tags={"kind": "trial"}) as child:
                mlflow.log_params({"depth": depth, "rate": rate})
                score = (depth - 2) ** 2 + rate
                mlflow.log_metric("score", score)
                if score < best[0]:
                    best = (score, child.info.run_id)
    mlflow.log_metric("best_score", best[0])
    mlflow.log_param("trials", 6)
found = mlflow.search_runs(
    experiment_names=["nested_search"], filter_string="tags.kind = 'trial'", order_by=["metrics.score ASC"]
)
assert found.iloc[0]["run_id"] == best[1]
assert found.iloc[0]["params.depth"] == "2"
assert mlflow.get_run(best[1]).data.tags["mlflow.parentRunId"] == parent.info.run_id
