"""A parent with children, each with children of its own."""

import mlflow

mlflow.set_experiment("nested_children")
with mlflow.start_run(run_name="parent") as parent:
    mlflow.log_param("folds", 2)
    scores = []
    for fold in range(2):
        with mlflow.start_run(run_name=f"fold {fold}", nested=True) as child:
            mlflow.log_param("fold", fold)
            with mlflow.start_run(run_name="inner", nested=True):
                mlflow.log_metric("depth", 2, step=0)
            scores.append(0.5 + fold / 10)
            mlflow.log_metric("score", scores[-1], step=0)
        assert mlflow.get_parent_run(child.info.run_id).info.run_id == parent.info.run_id
    mlflow.log_metric("mean_score", sum(scores) / 2, step=0)
children = mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
assert len(children) == 2
