# train.py
import jax
import numpy as np
import optax
from flax import nnx

from legm import ExperimentHandler

x = np.random.default_rng(0).random((300, 3), dtype="float32")
y = (x[:, 0] + np.random.default_rng(1).random(300) / 2 > 0.7).astype("int64")


@nnx.jit
def train_step(model, optimizer, x, y):
    def loss(model):
        return optax.softmax_cross_entropy_with_integer_labels(model(x), y).mean()

    value, gradients = nnx.value_and_grad(loss)(model)
    optimizer.update(model, gradients)
    return value


for lr in (0.01, 0.5):
    for seed in range(2):
        with ExperimentHandler("results", "line") as handler:
            handler.set_dict_params({"optimizer": "sgd", "lr": lr, "seed": seed})
            handler.infer_metadata()  # another seed is the same configuration
            handler.start()
            model = nnx.Linear(3, 2, rngs=nnx.Rngs(seed))
            optimizer = nnx.Optimizer(model, optax.sgd(lr), wrt=nnx.Param)
            for step in range(20):
                handler.set_metric("loss", train_step(model, optimizer, x[:200], y[:200]), step=step)
            accuracy = (jax.numpy.argmax(model(x[200:]), -1) == y[200:]).mean()
            handler.set_metric("accuracy", accuracy, test=True)
