"""Writes the samples beside it with the real writers, which are too large to be installed for the tests.

``pip install tensorflow-cpu tensorboard && python make.py tensorflow``, and
``pip install lightning tensorboard && python make.py lightning``. What the samples hold is said in
``tests/importers/test_tensorboard.py``; the host in their names was changed.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent


def tensorflow() -> None:
    """The writers of TensorFlow 1 and 2, and Keras' callbacks."""
    import keras
    import numpy as np
    import tensorflow as tf
    from tensorboard.plugins.hparams import api

    with tf.summary.create_file_writer(str(HERE / "tf2" / "run")).as_default():
        for step in range(5):
            tf.summary.scalar("loss", 1 / (step + 1), step=step)
        scalars = tf.compat.v1.SummaryMetadata()
        scalars.plugin_data.plugin_name = "scalars"
        for kind in ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8",
                     "uint16", "uint32", "uint64"):  # fmt: skip
            for value in (0, 3):
                number = tf.constant(value, getattr(tf, kind))
                tf.summary.write(f"plugin/{kind}", number, step=value, metadata=scalars)
                tf.summary.write(f"none/{kind}", number, step=value)
        tf.summary.text("note", "a *text*", step=3)
        tf.summary.text("notes", ["a", "b"], step=3)
        tf.summary.image("picture", np.full((2, 4, 4, 3), 0.5, np.float32), step=4)
        tf.summary.audio("sound", np.zeros((1, 10, 1), np.float32), 8000, step=4)

    with tf.summary.create_file_writer(str(HERE / "tf2" / "more")).as_default():
        tf.summary.scalar("loss", 0.5, step=1)
        tf.summary.histogram("weights", [1.0, 2.0], step=1, buckets=2)
        tf.summary.write("vector", tf.constant([1.0, 2.0]), step=1)

    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        place = v1.placeholder(tf.float32, ())
        loss = v1.summary.scalar("loss", place)
        picture = v1.summary.image("picture", np.full((1, 4, 4, 3), 0.5, np.float32))
        sound = v1.summary.audio("sound", np.zeros((1, 10, 1), np.float32), 8000)
        note = v1.summary.text("note", tf.constant("a *text*"))
        writer = v1.summary.FileWriter(str(HERE / "tf1" / "run"))
        for step in range(5):
            writer.add_summary(session.run(loss, {place: 1 / (step + 1)}), step)
        for summary in (picture, sound, note):
            writer.add_summary(session.run(summary), 4)
        writer.close()

    keras.utils.set_random_seed(0)
    for units in (2, 4):
        folder = str(HERE / "keras" / f"run-{units}")
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(units), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        x = np.arange(8, dtype=np.float32)[:, None]
        callbacks = [
            keras.callbacks.TensorBoard(folder, write_graph=False),
            api.KerasCallback(folder, {"units": units, "rate": 0.5, "optimizer": "sgd", "bias": True}),
        ]
        model.fit(x, x, epochs=3, validation_data=(x, x), callbacks=callbacks, verbose=0)
    with tf.summary.create_file_writer(str(HERE / "keras")).as_default():
        api.hparams_config(
            hparams=[api.HParam("units", api.Discrete([2, 4]))], metrics=[api.Metric("epoch_loss")]
        )


def lightning() -> None:
    """Lightning's logger."""
    import torch
    from lightning import LightningModule, Trainer
    from lightning.pytorch.loggers import TensorBoardLogger

    class Model(LightningModule):
        def __init__(self, rate, layers, optimizer, data):
            super().__init__()
            self.save_hyperparameters()
            self.layer = torch.nn.Linear(1, 1)

        def training_step(self, batch, _):
            loss = self.layer(batch).square().mean()
            self.log("train/loss", loss)
            return loss

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), self.hparams["rate"])

    torch.manual_seed(0)
    for seed in range(2):
        optimizer = {"name": "sgd", "momentum": None, "betas": (0.5, 0.25)}
        model = Model(0.1, [8, 4], optimizer, Path("data") / "mnist")
        logger = TensorBoardLogger(str(HERE), name="lightning", version=seed)
        logger.log_hyperparams({**model.hparams, "seed": seed, "device": torch.device("cpu")})
        trainer = Trainer(
            max_epochs=2, logger=logger, log_every_n_steps=1, accelerator="cpu", enable_progress_bar=False,
            enable_checkpointing=False,
        )  # fmt: skip
        trainer.fit(model, torch.utils.data.DataLoader(torch.ones(4, 1), batch_size=2))


{"tensorflow": tensorflow, "lightning": lightning}[sys.argv[1]]()
