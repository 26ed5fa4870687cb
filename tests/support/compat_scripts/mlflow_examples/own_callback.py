"""A callback of a trainer of the script's own."""

import mlflow


class MlflowLogger:
    def __init__(self, experiment):
        mlflow.set_experiment(experiment)
        self.run = mlflow.start_run(run_name="trainer")

    def log(self, values, step):
        mlflow.log_metrics(values, step=step)

    def close(self, status="FINISHED"):
        mlflow.end_run(status)


logger = MlflowLogger("own_callback")
for step in range(3):
    logger.log({"loss": 1 / (step + 1), "grad_norm": step}, step)
logger.close()
