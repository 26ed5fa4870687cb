# train.py
import numpy as np
import torch
from fastai.basics import DataLoaders, Learner, set_seed
from fastai.callback.progress import ProgressCallback
from fastai.metrics import accuracy

from legm.integrations.fastai import LegmCallback

x = np.random.default_rng(0).random((300, 3), dtype="float32")
y = (x[:, 0] + np.random.default_rng(1).random(300) / 2 > 0.7).astype("int64")
samples = list(zip(torch.tensor(x), torch.tensor(y), strict=True))
for lr in (0.001, 0.1):
    for seed in range(2):
        set_seed(seed)
        loaders = DataLoaders.from_dsets(samples[:200], samples[200:], bs=20, device="cpu")
        learner = Learner(loaders, torch.nn.Linear(3, 2), torch.nn.CrossEntropyLoss(), metrics=accuracy)
        learner.remove_cb(ProgressCallback)
        with learner.no_logging():
            learner.fit(5, lr, cbs=LegmCallback("results", "pets", params={"seed": seed}))
