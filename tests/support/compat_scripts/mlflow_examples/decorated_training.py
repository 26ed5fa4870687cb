"""A training in a function that a decorator brings into a run."""

import functools

import mlflow


def tracked(function):
    @functools.wraps(function)
    def call(**options):
        with mlflow.start_run(run_name=function.__name__):
            mlflow.log_params(options)
            return function(**options)

    return call


@tracked
def train(lr, epochs):
    for epoch in range(epochs):
        mlflow.log_metric("loss", lr / (epoch + 1), step=epoch)
    return lr


mlflow.set_experiment("decorated_training")
for rate in (0.5, 0.25):
    train(lr=rate, epochs=2)
