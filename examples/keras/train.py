# train.py
import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np

from legm.integrations.keras import LegmCallback

x = np.random.default_rng(0).random((96, 2), dtype="float32")
y = x @ np.array([2.0, -1.0], "float32") + 0.5
for learning_rate in (0.3, 0.03):
    for seed in range(2):
        keras.utils.set_random_seed(seed)
        model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(learning_rate, momentum=0.5), loss="mse")
        callback = LegmCallback("results", "line", params={"seed": seed})
        model.fit(
            x[:64],
            y[:64],
            validation_data=(x[64:80], y[64:80]),
            epochs=5,
            batch_size=16,
            verbose=0,
            callbacks=[keras.callbacks.EarlyStopping("val_loss", patience=2), callback],
        )
        model.evaluate(x[80:], y[80:], verbose=0, callbacks=[callback])
