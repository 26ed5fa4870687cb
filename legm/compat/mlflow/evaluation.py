"""``mlflow.evaluate``: how good a classifier or regressor is on data, logged with the active run."""

from __future__ import annotations

import inspect
import io
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from legm.compat.mlflow import fluent
from legm.compat.mlflow.data import Dataset, NumpyDataset, PandasDataset
from legm.compat.mlflow.evaluation_scores import (
    EvaluatedPredictions,
    classifier_scores,
    evaluated_classifier_figures,
    per_class_scores,
    regressor_scores,
)
from legm.compat.mlflow.exceptions import MlflowException, invalid_value_exception
from legm.compat.script_session import SESSION

__all__ = [
    "EvaluationArtifact",
    "EvaluationMetric",
    "EvaluationResult",
    "MetricThreshold",
    "ModelValidationFailedException",
    "evaluate",
    "make_metric",
    "validate_evaluation_results",
]

_EVALUATED = ("classifier", "regressor")


@dataclass(frozen=True)
class EvaluationArtifact:
    """A file of an evaluation.

    Args:
        uri: its path among the run's artifacts.
        content: what is in it; None for pictures.
    """

    uri: str
    content: Any = None


@dataclass(frozen=True)
class EvaluationResult:
    """What an evaluation found.

    Args:
        metrics: by name.
        artifacts: by name.
        run_id: the run with which they are logged.
        tables: by name.
    """

    metrics: dict[str, Any]
    artifacts: dict[str, EvaluationArtifact] = field(default_factory=dict)
    run_id: str | None = None
    tables: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EvaluationMetric:
    """A metric of a script.

    Args:
        eval_fn: computes it from predictions and targets, or from a data frame with both.
        name: of the metric.
        greater_is_better: whether higher values are better.
    """

    eval_fn: Callable[..., Any]
    name: str
    greater_is_better: bool


def make_metric(
    *, eval_fn: Callable[..., Any], greater_is_better: bool, name: str | None = None, **_: Any
) -> EvaluationMetric:
    """A metric of a script, for ``extra_metrics``.

    Raises:
        MlflowException: the function has no name, and none is given.
    """
    found = name or getattr(eval_fn, "__name__", "<lambda>")
    if found == "<lambda>":
        raise invalid_value_exception("`name` must be specified if `eval_fn` is a lambda function.")
    if not str(found).isidentifier():
        raise invalid_value_exception(f"Invalid metric name {found!r}: it must be a valid Python identifier")
    return EvaluationMetric(eval_fn, str(found), greater_is_better)


def evaluate(
    model: Any = None,
    data: Any = None,
    *,
    model_type: str | None = None,
    targets: Any = None,
    predictions: str | None = None,
    evaluators: Any = None,
    evaluator_config: Mapping[str, Any] | None = None,
    extra_metrics: Sequence[Any] | None = None,
    custom_artifacts: Sequence[Callable[..., Any]] | None = None,
    feature_names: Sequence[str] | None = None,
    **options: Any,
) -> EvaluationResult:
    """Evaluate a classifier or regressor, and log its scores, figures and data with the active run.

    Args:
        model: its address, the loaded model, a function, or None where the data has predictions.
        data: a data frame, array, or data set of ``mlflow.data``.
        model_type: "classifier" or "regressor"; None for the script's own metrics alone.
        targets: the column of the true values, or the values.
        predictions: the column of the predictions.
        evaluators: whose choice is not recorded.
        evaluator_config: settings, by name.
        extra_metrics: further metrics, by :func:`make_metric`.
        custom_artifacts: functions that make files.
        feature_names: the columns that the model gets.
        **options: what else mlflow takes.

    Raises:
        MlflowException: there are no targets or predictions, or neither a model type nor metrics.
    """
    if model_type is not None and model_type not in _EVALUATED:
        SESSION.notices.report_unsupported(
            f"mlflow.evaluate(model_type={model_type!r})", f"legm evaluates {' and '.join(_EVALUATED)}s alone"
        )
    if model_type is None and not extra_metrics:
        raise invalid_value_exception("The extra_metrics argument must be specified model_type is None.")
    del evaluators, options
    config = dict(evaluator_config or {})
    config = dict(config.get("default", config))
    inputs, true, predicted = _split_evaluation_data(data, targets, predictions, feature_names)
    predict, raw = _evaluated_predict_function(model)
    if predict is not None:
        predicted = predict(inputs)
    elif predicted is None:
        raise MlflowException("Either a model or the column of its predictions is needed: pass predictions=")
    run_id = fluent.active_run_id()
    _log_evaluation_data(data, inputs, targets, true)
    evaluation = _Evaluation(run_id, config, inputs, true, predicted)
    if model_type == "classifier":
        evaluation.evaluate_classifier(raw)
    elif model_type == "regressor":
        evaluation.metrics |= regressor_scores(
            EvaluatedPredictions(true, predicted, weights=config.get("sample_weights"))
        )
    if model_type in _EVALUATED and raw is not None and hasattr(raw, "score"):
        evaluation.add_score_of(raw)
    return evaluation.finished(extra_metrics or (), custom_artifacts or ())


class _Evaluation:
    """One evaluation: its metrics and files so far."""

    def __init__(
        self, run_id: str, config: Mapping[str, Any], inputs: Any, true: Any, predicted: Any
    ) -> None:
        self._run_id = run_id
        self._config = config
        self._inputs, self._true, self._predicted = inputs, true, predicted
        self._prefix = str(config.get("metric_prefix") or "")
        self.metrics: dict[str, Any] = {}
        self._artifacts: dict[str, EvaluationArtifact] = {}

    def evaluate_classifier(self, raw: Any) -> None:
        import numpy as np

        config = self._config
        labels = config.get("label_list")
        found = np.unique(np.concatenate([np.asarray(self._true), np.asarray(self._predicted)]))
        labels = found if labels is None else np.sort(np.asarray(labels))
        if len(labels) < 2:
            raise MlflowException(
                f"Evaluation dataset for classification must contain at least two unique labels, but has "
                f"{list(labels)}: pass evaluator_config={'label_list': …}"
            )
        positive = config.get("pos_label")
        positive = labels[-1] if positive is None else positive
        has_probabilities = raw is not None and hasattr(raw, "predict_proba")
        probabilities = np.asarray(raw.predict_proba(self._inputs)) if has_probabilities else None
        of = EvaluatedPredictions(
            self._true, self._predicted, probabilities, labels, positive, config.get("sample_weights")
        )
        self.metrics |= classifier_scores(of, config.get("average", "weighted"))
        if not of.is_binary:
            self._keep_table("per_class_metrics", per_class_scores(of))
        for name, figure in evaluated_classifier_figures(of, config):
            file = f"{self._prefix}{name}.png"
            fluent.log_figure(figure, file)
            self._artifacts[self._prefix + name] = EvaluationArtifact(fluent.get_artifact_uri(file))

    def _keep_table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        import pandas as pd

        frame, text = pd.DataFrame(list(rows)), io.StringIO()
        frame.to_csv(text, index=False)
        fluent.log_text(text.getvalue(), f"{name}.csv")
        uri = fluent.get_artifact_uri(f"{name}.csv")
        self._artifacts[name] = EvaluationArtifact(uri, frame)

    def add_score_of(self, raw: Any) -> None:
        try:
            self.metrics["score"] = raw.score(
                self._inputs, self._true, sample_weight=self._config.get("sample_weights")
            )
        except Exception as error:  # noqa: BLE001 - the model is of any kind
            SESSION.notices.report_unsupported("the score of a model by mlflow.evaluate", str(error))

    def finished(
        self, extra_metrics: Sequence[Any], custom_artifacts: Sequence[Callable[..., Any]]
    ) -> EvaluationResult:
        for metric in extra_metrics:
            if not isinstance(metric, EvaluationMetric):
                SESSION.notices.report_unsupported(f"a metric {metric!r:.60} by mlflow.evaluate")
                continue
            self.metrics |= self._own_metric(metric)
        for make in custom_artifacts:
            self._keep_artifacts(make)
        metrics = {f"{self._prefix}{name}": value for name, value in self.metrics.items()}
        fluent.log_metrics({name: float(value) for name, value in metrics.items()}, step=0)
        return EvaluationResult(metrics, self._artifacts, self._run_id)

    def _frame(self) -> Any:
        import pandas as pd

        frame = pd.DataFrame({"prediction": self._predicted})
        if self._true is not None:
            frame["target"] = list(self._true)
        return frame

    def _own_metric(self, metric: EvaluationMetric) -> dict[str, Any]:
        """The values of a script's metric, by name."""
        frame, names = self._frame(), list(inspect.signature(metric.eval_fn).parameters)
        if len(names) == 2 and names[0] != "predictions" and names[1] != "targets":
            value = metric.eval_fn(frame, dict(self.metrics))
        else:
            known = {
                "predictions": frame["prediction"],
                "targets": frame.get("target"),
                "metrics": dict(self.metrics),
                **(
                    {name: self._inputs[name] for name in self._inputs}
                    if hasattr(self._inputs, "columns")
                    else {}
                ),
                **self._config,
            }
            missing = [name for name in names if name not in known]
            if missing:
                raise invalid_value_exception(
                    f"Metric calculation failed for {metric.name!r}: there is no {', '.join(missing)}"
                )
            value = metric.eval_fn(*(known[name] for name in names))
        results = getattr(value, "aggregate_results", None)
        if results is not None:
            return {
                name if name == metric.name else f"{metric.name}/{name}": one for name, one in results.items()
            }
        return {metric.name: value}

    def _keep_artifacts(self, make: Callable[..., Any]) -> None:
        """Log the files of a script's function; figures and texts, and what is plain data, become files."""
        with tempfile.TemporaryDirectory() as folder:
            for name, made in (make(self._frame(), dict(self.metrics), folder) or {}).items():
                if isinstance(made, (str, Path)) and Path(made).is_file():
                    fluent.log_artifact(str(made))
                    self._artifacts[name] = EvaluationArtifact(fluent.get_artifact_uri(Path(made).name))
                elif hasattr(made, "savefig"):
                    fluent.log_figure(made, f"{name}.png")
                    self._artifacts[name] = EvaluationArtifact(fluent.get_artifact_uri(f"{name}.png"), made)
                elif hasattr(made, "to_csv"):
                    fluent.log_text(made.to_csv(index=False), f"{name}.csv")
                    self._artifacts[name] = EvaluationArtifact(fluent.get_artifact_uri(f"{name}.csv"), made)
                elif isinstance(made, (dict, list)):
                    fluent.log_dict(made, f"{name}.json")
                    self._artifacts[name] = EvaluationArtifact(fluent.get_artifact_uri(f"{name}.json"), made)
                else:
                    SESSION.notices.report_unsupported(
                        f"the artifact {name!r} of mlflow.evaluate", f"a {type(made).__qualname__} is no file"
                    )


def _split_evaluation_data(
    data: Any, targets: Any, predictions: str | None, feature_names: Sequence[str] | None
) -> tuple[Any, Any, Any]:
    """The inputs of the model, the true values, and the predictions that the data has."""
    import numpy as np

    if isinstance(data, PandasDataset):
        targets, predictions, data = targets or data.targets, predictions or data.predictions, data.df
    elif isinstance(data, NumpyDataset):
        targets, data = data.targets, data.features
    if not hasattr(data, "columns"):
        return np.asarray(data), None if targets is None else np.asarray(targets), None
    for column in (targets, predictions):
        if isinstance(column, str) and column not in data.columns:
            raise invalid_value_exception(f"The data has no column {column!r}, only {list(data.columns)}")
    true = data[targets] if isinstance(targets, str) else targets
    taken = [one for one in (targets, predictions) if isinstance(one, str)]
    inputs = data[list(feature_names)] if feature_names is not None else data.drop(columns=taken)
    values = None if true is None else np.asarray(true)
    return inputs, values, None if predictions is None else data[predictions].to_numpy()


def _evaluated_predict_function(model: Any) -> tuple[Callable[[Any], Any] | None, Any]:
    """What returns a model's predictions, and the model of a library behind it, if it is one."""
    if model is None:
        return None, None
    pyfunc = import_module("legm.compat.mlflow.pyfunc")
    if isinstance(model, (str, Path)):
        model = pyfunc.load_model(model)
    if isinstance(model, pyfunc.PyFuncModel):
        return model.predict, model.get_raw_model() if model.context is None else None
    if callable(model):
        return model, None
    raise invalid_value_exception(
        f"The model must be an address, a loaded pyfunc model or a function, not a {type(model).__qualname__}"
    )


def _log_evaluation_data(data: Any, inputs: Any, targets: Any, true: Any) -> None:
    """Note the data with the run."""
    try:
        if isinstance(data, Dataset):
            fluent.log_input(data)
        elif hasattr(data, "columns"):
            fluent.log_input(PandasDataset(data, targets=targets if isinstance(targets, str) else None))
        else:
            fluent.log_input(NumpyDataset(inputs, targets=true))
    except Exception as error:  # noqa: BLE001 - the data may hold anything
        SESSION.notices.report_unsupported("the data of mlflow.evaluate", str(error))


# Thresholds


class MetricThreshold:
    """What a metric has to reach.

    Args:
        threshold: the value; None for none.
        min_absolute_change: how much better than a baseline's; None for none.
        min_relative_change: the same, as a share of the baseline's.
        greater_is_better: whether higher values are better.

    Raises:
        MlflowException: there is no threshold, or a value is invalid.
    """

    def __init__(
        self,
        threshold: float | None = None,
        min_absolute_change: float | None = None,
        min_relative_change: float | None = None,
        greater_is_better: bool | None = None,
    ) -> None:
        if threshold is None and min_absolute_change is None and min_relative_change is None:
            raise invalid_value_exception("a MetricThreshold needs a threshold or a change")
        if not isinstance(greater_is_better, bool):
            raise invalid_value_exception(
                f"greater_is_better must be True or False, not {greater_is_better!r}"
            )
        if min_absolute_change is not None and min_absolute_change <= 0:
            raise invalid_value_exception(
                f"min_absolute_change must be positive, not {min_absolute_change!r}"
            )
        if min_relative_change is not None and not 0 <= min_relative_change <= 1:
            raise invalid_value_exception(
                f"min_relative_change must be between 0 and 1, not {min_relative_change!r}"
            )
        self.threshold = threshold
        self.min_absolute_change = min_absolute_change
        self.min_relative_change = min_relative_change
        self.greater_is_better = greater_is_better

    def problems(self, name: str, value: float | None, baseline: float | None) -> list[str]:
        """What is wrong with a value.

        Args:
            name: of the metric.
            value: of the model; None for none.
            baseline: of the other model; None for none.
        """
        if value is None:
            return [f"{name} was not evaluated"]
        sign = 1 if self.greater_is_better else -1
        found = []
        if self.threshold is not None and sign * value < sign * self.threshold:
            found.append(f"{name} is {value}, the threshold is {self.threshold}")
        if self.min_absolute_change is None and self.min_relative_change is None:
            return found
        if baseline is None:
            return [*found, f"{name} of the baseline was not evaluated"]
        gain = sign * (value - baseline)
        if self.min_absolute_change is not None and gain < self.min_absolute_change:
            found.append(f"{name} is {value}, not {self.min_absolute_change} better than {baseline}")
        if self.min_relative_change is not None:
            wanted = self.min_relative_change * abs(baseline) or 1e-10
            if gain < wanted:
                found.append(f"{name} is {value}, not {self.min_relative_change:.0%} better than {baseline}")
        return found


class ModelValidationFailedException(MlflowException):
    """A model does not reach the thresholds."""


def validate_evaluation_results(
    validation_thresholds: Mapping[str, MetricThreshold],
    candidate_result: EvaluationResult,
    baseline_result: EvaluationResult | None = None,
) -> None:
    """Check that a model reaches thresholds.

    Raises:
        MlflowException: it does not (ModelValidationFailedException), or something else is no threshold.
    """
    if not all(isinstance(one, MetricThreshold) for one in validation_thresholds.values()):
        raise invalid_value_exception("the thresholds must be a mapping of names to MetricThreshold")
    baseline = {} if baseline_result is None else baseline_result.metrics
    problems = [
        problem
        for name, threshold in validation_thresholds.items()
        for problem in (
            threshold.problems(name, candidate_result.metrics.get(name), baseline.get(name))
            if baseline_result is not None
            else _evaluation_without_baseline(threshold).problems(
                name, candidate_result.metrics.get(name), None
            )
        )
    ]
    if problems:
        raise ModelValidationFailedException("; ".join(problems), "BAD_REQUEST")


def _evaluation_without_baseline(threshold: MetricThreshold) -> MetricThreshold:
    made = object.__new__(MetricThreshold)
    made.__dict__.update(vars(threshold), min_absolute_change=None, min_relative_change=None)
    return made
