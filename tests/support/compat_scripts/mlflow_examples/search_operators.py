"""Operators of filters: unequal, patterns, lists, times and several conditions."""

import mlflow

key = mlflow.set_experiment("search_operators").experiment_id
for number, name in enumerate(("Alpha", "alphabet", "Beta")):
    with mlflow.start_run(run_name=name, tags={"group": "even" if number % 2 == 0 else "odd"}):
        mlflow.log_param("number", number)
        mlflow.log_metric("score", number / 2, step=0)


def names(condition):
    found = mlflow.search_runs([key], filter_string=condition, order_by=["start_time ASC"])
    return list(found["tags.mlflow.runName"]) if len(found) else []


for condition, expected in {
    "metrics.score != 0.5": ["Alpha", "Beta"],
    "params.number != '0'": ["alphabet", "Beta"],
    "tags.group = 'even' AND metrics.score < 1": ["Alpha"],
    "attributes.run_name ILIKE 'alpha%'": ["Alpha", "alphabet"],
    "attributes.run_name LIKE 'alpha%'": ["alphabet"],
    "metrics.score >= 0.5 and metrics.score <= 1.0": ["alphabet", "Beta"],
    "attributes.status != 'FINISHED'": [],
    "metrics.missing > 0": [],
}.items():
    assert names(condition) == expected, condition
