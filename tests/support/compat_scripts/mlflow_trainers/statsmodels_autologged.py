"""statsmodels under mlflow's autologging: least squares, and a logistic regression."""

import mlflow
import numpy as np
import statsmodels.api as sm

rng = np.random.default_rng(0)
x = sm.add_constant(rng.normal(size=(60, 2)))
y = x @ [1.0, 2.0, -1.0] + rng.normal(scale=0.1, size=60)
mlflow.set_experiment("statsmodels_autologged")
mlflow.statsmodels.autolog(log_models=False)
with mlflow.start_run(run_name="ols"):
    results = sm.OLS(y, x).fit()
    mlflow.log_metric("first_coefficient", results.params[0])
with mlflow.start_run(run_name="wls"):
    sm.WLS(y, x, weights=np.arange(1.0, 61)).fit(cov_type="HC1")
with mlflow.start_run(run_name="logit"):
    sm.Logit((y > 1).astype(int), x).fit(disp=0, method="bfgs", maxiter=50)
