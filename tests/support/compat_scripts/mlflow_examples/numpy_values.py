"""Values of NumPy as parameters and metrics."""

import mlflow
import numpy as np

mlflow.set_experiment("numpy_values")
with mlflow.start_run():
    mlflow.log_params({"f": np.float64(0.5), "i": np.int32(3), "b": np.bool_(True), "s": np.str_("text")})
    mlflow.log_metrics({"f32": np.float32(0.25), "i64": np.int64(7), "zero": np.array(1.5)}, step=2)
