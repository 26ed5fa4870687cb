"""Parameters of many kinds, one by one and at once."""

import mlflow

mlflow.set_experiment("params_many")
with mlflow.start_run() as run:
    assert mlflow.log_param("learning_rate", 0.01) == 0.01
    mlflow.log_params(
        {"epochs": 10, "optimizer": "adam", "shuffle": True, "layers": [64, 32], "dropout": None}
    )
    mlflow.log_param("text", "a b, c = d")
    mlflow.log_params({f"p{number}": number for number in range(150)})
assert mlflow.get_run(run.info.run_id).data.params["layers"] == "[64, 32]"
