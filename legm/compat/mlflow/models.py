"""``mlflow.models``: what models take and return, what is known of a logged one, and how good it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from legm.compat.mlflow.evaluation import (
    EvaluationMetric,
    EvaluationResult,
    MetricThreshold,
    evaluate,
    make_metric,
    validate_evaluation_results,
)
from legm.compat.mlflow.logged_models import ModelInfo, find_model_folder, read_logged_model
from legm.compat.mlflow.signatures import ModelSignature, infer_signature
from legm.compat.unknown_names import unknown_attribute

__all__ = [
    "EvaluationMetric",
    "EvaluationResult",
    "MetricThreshold",
    "ModelSignature",
    "evaluate",
    "get_model_info",
    "infer_signature",
    "make_metric",
    "validate_evaluation_results",
]


def get_model_info(model_uri: str) -> ModelInfo:
    """What is known of a logged model.

    Raises:
        MlflowException: there is no such model.
    """
    folder, key = find_model_folder(model_uri)
    description = read_logged_model(Path(folder))
    signature = (
        None if description.signature is None else ModelSignature.from_dict(dict(description.signature))
    )
    run_id, _, path = key.partition("/")
    flavors: dict[str, Any] = {"python_function": {}, description.flavor: {}}
    metadata = None if description.metadata is None else dict(description.metadata)
    return ModelInfo(model_uri, run_id, path, flavors, signature, name=path, metadata=metadata)


def __getattr__(name: str) -> Any:
    return unknown_attribute("mlflow.models", name)
