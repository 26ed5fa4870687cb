"""Threads with runs of their own, by the client."""

import threading

from mlflow import MlflowClient

client = MlflowClient()
key = client.create_experiment("threads")


def work(number):
    run = client.create_run(key, run_name=f"worker {number}")
    for step in range(3):
        client.log_metric(run.info.run_id, "progress", step * number, step=step)
    client.log_param(run.info.run_id, "worker", number)
    client.set_terminated(run.info.run_id)


for number in range(3):
    thread = threading.Thread(target=work, args=(number,))
    thread.start()
    thread.join()
assert len(client.search_runs([key])) == 3
