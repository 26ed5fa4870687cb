"""What a model takes and returns, inferred from data of many kinds."""

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature, infer_signature
from mlflow.types.schema import ColSpec, Schema, TensorSpec

mlflow.set_experiment("signatures")
frame = pd.DataFrame(
    {
        "i": np.arange(3, dtype="int32"),
        "f": [0.5, None, 1.5],
        "s": ["a", "b", "c"],
        "b": [True, False, True],
        "d": pd.to_datetime(["2024-01-01"] * 3),
        "many": [[1, 2], [3], [4]],
    }
)
found = {
    "frame": infer_signature(frame, frame["f"]),
    "arrays": infer_signature(np.zeros((2, 3), "float32"), np.zeros(2)),
    "named": infer_signature({"left": np.zeros(2), "right": np.zeros((2, 2))}),
    "values": infer_signature({"question": "why", "count": 3}, "because"),
    "list": infer_signature(["a", "b"], [1.5, 2.5], {"temperature": 0.5, "stop": ["x"], "n": 2}),
    "own": ModelSignature(
        inputs=Schema([ColSpec("double", "x"), ColSpec("string", "y", required=False)]),
        outputs=Schema([TensorSpec(np.dtype("float32"), (-1, 3))]),
    ),
}
with mlflow.start_run():
    for name, signature in found.items():
        for part, text in signature.to_dict().items():
            mlflow.log_param(f"{name}.{part}", text)
        mlflow.log_text(str(signature), f"{name}.txt")
assert found["frame"].inputs.input_names() == ["i", "f", "s", "b", "d", "many"]
assert found["own"].inputs.required_input_names() == ["x"]
assert found["own"].outputs.is_tensor_spec()
