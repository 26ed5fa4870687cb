"""Searches over all experiments."""

import mlflow

for number in range(2):
    mlflow.set_experiment(f"search_everywhere {number}")
    with mlflow.start_run(tags={"searched": "everywhere"}):
        mlflow.log_metric("number", number, step=0)
found = mlflow.search_runs(search_all_experiments=True, filter_string="tags.searched = 'everywhere'")
assert sorted(found["metrics.number"]) == [0, 1]
mlflow.set_experiment("search_everywhere")
with mlflow.start_run():
    mlflow.log_metric("found", len(found), step=0)
