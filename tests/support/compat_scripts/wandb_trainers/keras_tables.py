"""Keras on PyTorch with wandb's tables of predictions, which need little of TensorFlow."""

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
    sys.modules["tensorflow.keras.callbacks"] = keras.callbacks
from wandb.integration.keras import WandbEvalCallback

x = np.linspace(-1, 1, 48, dtype="float32").reshape(16, 3)
rows = []


class Predictions(WandbEvalCallback):
    def log_data_table(self):  # the real one asks a server for the table that it has just sent
        self.data_table_ref = self.data_table

    def add_ground_truth(self, logs=None):
        for at in range(4):
            self.data_table.add_data(at, float(x[at].sum()))

    def add_model_predictions(self, epoch, logs=None):
        for at in self.data_table_ref.get_index():
            predicted = float(self.model(x[at : at + 1])[0, 0])
            self.pred_table.add_data(epoch, self.data_table_ref.data[at][1], predicted)
            assert at.get_row() == {"at": at, "sum": float(x[at].sum())}

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        columns = self.pred_table.columns
        rows.extend(dict(zip(columns, row, strict=True)) for _, row in self.pred_table.iterrows())


model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1, kernel_initializer="zeros")])
model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse")
with wandb.init(project="keras_tables", config={"rate": 0.01}) as run:
    tables = Predictions(data_table_columns=["at", "sum"], pred_table_columns=["epoch", "sum", "predicted"])
    model.fit(x, x.sum(1), epochs=2, verbose=0, shuffle=False, callbacks=[tables])
    results = wandb.Table(columns=["sum", "predicted"], data=[[row["sum"], row["predicted"]] for row in rows])
    results.add_computed_columns(lambda _, row: {"error": row["predicted"] - row["sum"]})
    for row, error in zip(rows, results.get_column("error"), strict=True):
        run.log({**row, "error": error})
    run.log({"results": results})
