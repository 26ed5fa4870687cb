"""``mlflow.models.signature``: the names and types of a model's inputs, outputs and parameters."""

from __future__ import annotations

import json
from typing import Any

from legm.compat.mlflow.types import ColSpec, DataType, ParamSchema, Schema, infer_param_schema, infer_schema

__all__ = ["ModelSignature", "infer_signature"]


class ModelSignature:
    """What a model takes and returns.

    Args:
        inputs, outputs: a schema each; None for none.
        params: of the inference.
    """

    def __init__(
        self, inputs: Schema | None = None, outputs: Schema | None = None, params: ParamSchema | None = None
    ) -> None:
        self.inputs, self.outputs, self.params = inputs, outputs, params

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ModelSignature) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"inputs: \n  {self.inputs!r}\noutputs: \n  {self.outputs!r}\nparams: \n  {self.params!r}\n"

    def to_dict(self) -> dict[str, Any]:
        """As MLflow writes it: each part in JSON."""
        return {name: None if one is None else one.to_json() for name, one in vars(self).items()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> ModelSignature:
        """The signature that is written so; arrays keep their text alone."""
        return cls(
            _signature_schema_of_json(content.get("inputs")),
            _signature_schema_of_json(content.get("outputs")),
        )


def _signature_schema_of_json(text: str | None) -> Schema | None:
    if not text:
        return None
    columns = [one for one in json.loads(text) if one.get("type") in DataType.__members__]
    if not columns:
        import numpy as np

        from legm.compat.mlflow.types import TensorSpec

        return Schema(
            [
                TensorSpec(
                    np.dtype(one["tensor-spec"]["dtype"]), one["tensor-spec"]["shape"], one.get("name")
                )
                for one in json.loads(text)
            ]
        )
    return Schema([ColSpec(one["type"], one.get("name"), one.get("required", True)) for one in columns])


def infer_signature(model_input: Any = None, model_output: Any = None, params: Any = None) -> ModelSignature:
    """The signature of a model with such inputs and outputs.

    Raises:
        MlflowException: a type has no name in MLflow.
    """
    return ModelSignature(infer_schema(model_input), infer_schema(model_output), infer_param_schema(params))
