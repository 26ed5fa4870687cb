# train.py
import lightgbm as lgb
import numpy as np

from legm.integrations.lightgbm import LegmCallback

x = np.random.default_rng(0).random((300, 3), dtype="float32")
y = (x[:, 0] + np.random.default_rng(1).random(300) / 2 > 0.7).astype("int64")
bagging = {"bagging_fraction": 0.5, "bagging_freq": 1}
for learning_rate in (0.01, 0.2):
    for seed in range(2):
        train = lgb.Dataset(x[:200], y[:200])
        lgb.train(
            {"objective": "binary", "learning_rate": learning_rate, **bagging, "seed": seed, "verbosity": -1},
            train,
            num_boost_round=20,
            valid_sets=[lgb.Dataset(x[200:], y[200:], reference=train)],
            callbacks=[LegmCallback("results", "adult")],
        )
