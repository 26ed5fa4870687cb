# train.py
import numpy as np
import torch
from skorch import NeuralNetClassifier

from legm.integrations.skorch import LegmCallback

x = np.random.default_rng(0).random((300, 3), dtype="float32")
y = (x[:, 0] + np.random.default_rng(1).random(300) / 2 > 0.7).astype("int64")


class Classifier(torch.nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(3, width), torch.nn.ReLU(), torch.nn.Linear(width, 2), torch.nn.Softmax(-1)
        )

    def forward(self, x):
        return self.layers(x)


for lr in (0.01, 0.5):
    for seed in range(2):
        torch.manual_seed(seed)
        net = NeuralNetClassifier(
            Classifier,
            lr=lr,
            verbose=0,
            callbacks=[LegmCallback("results", "digits", params={"seed": seed})],
        )
        net.fit(x, y)
