"""Runs that threads leave open, which MLflow ends only where they are active in the main thread."""

import threading

import mlflow

mlflow.set_experiment("left_in_a_thread")


def leave_open(number):
    mlflow.start_run(run_name=f"left {number}")
    mlflow.log_metric("m", number, step=1)


def end(number):
    with mlflow.start_run(run_name=f"ended {number}"):
        mlflow.log_metric("m", number, step=1)


for number, work in enumerate([leave_open, end]):
    thread = threading.Thread(target=work, args=(number,))
    thread.start()
    thread.join()
mlflow.start_run(run_name="of the main thread")
mlflow.log_metric("m", 2, step=1)
