"""A classifier of scikit-learn whose report is logged number by number."""

import numpy as np
import wandb
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import classification_report

rng = np.random.default_rng(0)
x = rng.normal(size=(60, 2))
y = (x[:, 0] > 0).astype(int)
with wandb.init(project="sklearn_report", config={"C": 0.5}) as run:
    model = LogisticRegression(C=run.config.C).fit(x, y)
    run.log(classification_report(y, model.predict(x), output_dict=True))
