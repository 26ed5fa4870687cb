"""A thread whose active run is its own."""

import threading

import mlflow

mlflow.set_experiment("threads_of_runs")


def work():
    with mlflow.start_run(run_name="in a thread"):
        mlflow.log_metric("where", 1, step=0)


with mlflow.start_run(run_name="main"):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    mlflow.log_metric("where", 0, step=0)
