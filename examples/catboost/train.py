# train.py
import numpy as np
from catboost import CatBoostClassifier

from legm.integrations.catboost import LegmCallback

x = np.random.default_rng(0).random((300, 3), dtype="float32")
y = (x[:, 0] + np.random.default_rng(1).random(300) / 2 > 0.7).astype("int64")
for learning_rate in (0.01, 0.5):
    for seed in range(2):
        model = CatBoostClassifier(
            iterations=20,
            learning_rate=learning_rate,
            random_seed=seed,
            verbose=False,
            allow_writing_files=False,
        )
        model.fit(
            x[:200],
            y[:200],
            eval_set=(x[200:], y[200:]),
            callbacks=[LegmCallback("results", "adult")],
        )
