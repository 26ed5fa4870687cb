"""A logger that holds a client and the id of a run, as trainers' loggers do."""

from mlflow import MlflowClient


class Logger:
    def __init__(self, name):
        self.client = MlflowClient()
        known = self.client.get_experiment_by_name(name)
        key = known.experiment_id if known else self.client.create_experiment(name)
        self.run_id = self.client.create_run(key, tags={"mlflow.runName": "logger"}).info.run_id

    def log_hyperparams(self, values):
        for name, value in values.items():
            self.client.log_param(self.run_id, name, value)

    def log_metrics(self, values, step):
        for name, value in values.items():
            self.client.log_metric(self.run_id, name, value, step=step)


logger = Logger("client_logger")
logger.log_hyperparams({"lr": 0.1, "hidden": [8, 8]})
for step in range(3):
    logger.log_metrics({"loss": 1 / (step + 1)}, step)
logger.client.set_terminated(logger.run_id, "FINISHED")
