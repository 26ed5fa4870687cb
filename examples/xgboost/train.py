# train.py
import numpy as np
import xgboost as xgb

from legm.integrations.xgboost import LegmCallback

x = np.random.default_rng(0).random((300, 3), dtype="float32")
y = (x[:, 0] + np.random.default_rng(1).random(300) / 2 > 0.7).astype("int64")
train, valid = xgb.DMatrix(x[:200], y[:200]), xgb.DMatrix(x[200:], y[200:])
for learning_rate in (0.01, 0.5):
    for seed in range(2):
        xgb.train(
            {"objective": "binary:logistic", "eta": learning_rate, "subsample": 0.5, "seed": seed},
            train,
            num_boost_round=20,
            evals=[(train, "train"), (valid, "valid")],
            verbose_eval=False,
            callbacks=[LegmCallback("results", "adult")],
        )
