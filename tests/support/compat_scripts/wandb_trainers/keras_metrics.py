"""Keras on PyTorch with wandb's logger of metrics, which needs little of TensorFlow."""

import os
import sys
from types import ModuleType

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np

import wandb

if "tensorflow" not in sys.modules:  # the real wandb imports it
    sys.modules["tensorflow"] = types = ModuleType("tensorflow")
    types.Variable, types.Tensor, types.keras, types.__version__ = int, int, keras, "2.20.0"
    sys.modules["tensorflow.keras"] = keras
    types.keras = keras
from wandb.integration.keras import WandbMetricsLogger

x = np.linspace(-1, 1, 48, dtype="float32").reshape(16, 3)


def train(run, *callbacks):
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1, kernel_initializer="zeros")])
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse", metrics=["mae"])
    with run:
        model.fit(
            x,
            x.sum(1),
            validation_split=0.5,
            epochs=3,
            batch_size=2,
            verbose=0,
            shuffle=False,
            callbacks=[*callbacks],
        )


train(wandb.init(project="keras_metrics", config={"by": "epoch"}), WandbMetricsLogger())
train(wandb.init(project="keras_metrics", config={"by": "batch"}), WandbMetricsLogger(log_freq=2))
