"""Keras on PyTorch under mlflow's autologging."""

import os

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np

import mlflow

x = np.linspace(-1, 1, 48, dtype="float32").reshape(16, 3)
keras.utils.set_random_seed(0)
model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse", metrics=["mae"])
mlflow.set_experiment("keras_autologged")
mlflow.keras.autolog(log_models=False)
with mlflow.start_run():
    model.fit(x, x.sum(1), epochs=3, batch_size=8, verbose=0, shuffle=False)
    model.evaluate(x, x.sum(1), verbose=0)
