"""What is stored is read back as it was, bit for bit."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from legm.core.result_equality import RESULT_FIELDS
from legm.delivery.client import BackendClient
from legm.delivery.registry import make_backend
from legm.hooks import Capability
from legm.testing.kit import ConformanceKit, kit_expects, kit_expects_same, kit_expects_same_pieces

__all__ = ["RoundTripTests"]


@dataclass(frozen=True)
class _Wide:
    width: int


@dataclass(frozen=True)
class _Deep:
    width: int


class RoundTripTests(ConformanceKit):
    """A run is read back with everything that was set."""

    def test_it_can_be_constructed_again(self, tmp_path: Path) -> None:
        """It has a name, capabilities, the hooks that these require, and options that construct it again."""
        backend = self._made(tmp_path)
        kit_expects(isinstance(backend.name, str) and backend.name, "a backend's name must be text")
        unknown = [one for one in backend.capabilities if not isinstance(one, Capability)]
        kit_expects(not unknown, f"not a legm.hooks.Capability: {unknown}")
        client = BackendClient(backend, tmp_path)
        options = json.loads(json.dumps(client.options))
        again = BackendClient(make_backend(type(backend), tmp_path, options), tmp_path)
        kit_expects_same(again.options, client.options, "the options of the backend that they construct")

    def test_a_run_is_read_back_as_it_was_stored(self, tmp_path: Path) -> None:
        """Parameters with their types, inactive ones, the description, the best step and its rule."""
        backend = self._made(tmp_path)
        given = {
            "rate": 0.1,
            "layers": 3,
            "bias": True,
            "net": "lenet",
            "sizes": [1, [2.5, "x"]],
            "none": None,
        }
        handler = self._handler(tmp_path, backend, "first try")
        handler.set_dict_params({**given, "options": {"a": 1, "b": {"c": 1e-8}}, "seed": 7, "device": "cpu"})
        handler.disable_params(["seed", "device"])
        with handler.start():
            for step, loss in enumerate([0.5, 0.25, 0.75]):
                handler.set_dict_metrics({"loss": loss, "accuracy": 1 - loss}, step=step)
            handler.set_metric("sparse", 2.5, step=0)
            handler.set_metric("accuracy", 0.625, test=True)
            handler.set_best("early_stopping", metric="loss", higher_better=False)
            expected = handler.log()
        (found,) = self._read(tmp_path, backend)
        kit_expects_same_pieces(found, expected, *RESULT_FIELDS)

    def test_absent_values_are_read_back(self, tmp_path: Path) -> None:
        """Old runs without a parameter, and new ones with its absent value, are of one configuration."""
        backend = self._made(tmp_path)
        for given in ({}, {"dropout": 0.0}, {"dropout": 0.5}):
            handler = self._handler(tmp_path, backend)
            handler.set_dict_params({"rate": 0.1, **given})
            if given:
                handler.set_param_metadata({"dropout": {"absent_value": 0.0}})
            with handler.start():
                handler.set_metric("loss", 0.5)
        runs = sorted(self._read(tmp_path, backend), key=lambda result: result.run.run_id)
        kit_expects_same(len(runs), 3, "the runs")
        old, new, other = (result.run.configuration for result in runs)
        kit_expects_same(new.fingerprint, old.fingerprint, "the configuration of a run with the absent value")
        kit_expects(other.fingerprint != old.fingerprint, "another value makes another configuration")
        kit_expects_same(other.metadata.get("dropout"), {"absent_value": 0.0}, "the metadata of 'dropout'")

    def test_classes_of_objects_are_read_back(self, tmp_path: Path) -> None:
        """A mapping, and objects of two classes with equal fields, are three configurations."""
        backend = self._made(tmp_path)
        for given in ({"net": {"width": 3}}, {"net": _Wide(3)}, {"net": _Deep(3)}):
            with self._handler(tmp_path, backend).start_with(given) as handler:
                handler.set_metric("loss", 0.5)
        runs = sorted(self._read(tmp_path, backend), key=lambda result: result.run.run_id)
        kit_expects_same(len(runs), 3, "the runs")
        found = [result.run.configuration for result in runs]
        kit_expects(len({one.fingerprint for one in found}) == 3, "another class makes another configuration")
        wanted = [{"width": 3}, {"legm:class": "_Wide", "width": 3}, {"legm:class": "_Deep", "width": 3}]
        kit_expects_same([one.parameters["net"] for one in found], wanted, "the objects")
        classes = [result.run.environment.get("classes") for result in runs]
        kit_expects_same(classes, [{}, {"net": "_Wide"}, {"net": "_Deep"}], "the classes in the environment")

    def test_numbers_are_read_back_bit_for_bit(self, tmp_path: Path) -> None:
        """NaN, infinities, negative zero, the smallest and the largest float, and thirds."""
        backend = self._made(tmp_path)
        numbers = [
            0.1 + 0.2,
            1 / 3,
            math.nan,
            math.inf,
            -math.inf,
            -0.0,
            5e-324,
            1.7976931348623157e308,
            2**53,
        ]
        with self._handler(tmp_path, backend).start() as handler:
            for step, number in enumerate(numbers):
                handler.set_metric("number", number, step=step)
                handler.set_metric(f"last {step}", number, test=True)
            expected = handler.log()
        (found,) = self._read(tmp_path, backend)
        kit_expects_same_pieces(found, expected, "values", "test values", "best values")

    def test_metrics_without_a_step_are_counted(self, tmp_path: Path) -> None:
        """Without a step, the number of earlier values of the metric is the step."""
        backend = self._made(tmp_path)
        with self._handler(tmp_path, backend).start() as handler:
            for number in range(5):
                handler.set_metric("counted", number)
                if number % 2:
                    handler.set_metric("counted/rarely", number)
            expected = handler.log()
        (found,) = self._read(tmp_path, backend)
        kit_expects_same_pieces(found, expected, "steps", "best step")
        steps = {str(series): history.steps.tolist() for series, history in found.histories.items()}
        kit_expects_same(steps, {"dev/counted": list(range(5)), "dev/counted/rarely": [0, 1]}, "the steps")

    def test_steps_may_come_in_any_order_and_twice(self, tmp_path: Path) -> None:
        """Steps are returned in increasing order, with the last value of each step."""
        backend = self._made(tmp_path)
        with self._handler(tmp_path, backend).start() as handler:
            for step, value in [(5, 0.5), (1, 0.25), (10**12, 3.5), (5, 4.5), (-3, 0.125), (1, 6.5)]:
                handler.set_metric("loss", value, step=step)
            expected = handler.log()
        (found,) = self._read(tmp_path, backend)
        kit_expects_same_pieces(found, expected, "steps", "last step", "number of points")
        ((series, history),) = found.histories.items()
        given = dict(zip(history.steps.tolist(), history.values.tolist(), strict=True))
        kit_expects_same(given, {-3: 0.125, 1: 6.5, 5: 4.5, 10**12: 3.5}, f"the values of {series} by step")

    def test_names_may_be_awkward(self, tmp_path: Path) -> None:
        """Unicode, separators, quotes, names like legm's or the tracker's own, and long names."""
        backend = self._made(tmp_path)
        awkward = [
            "größe",
            "損失 😀",
            "a/b/c",
            "..",
            "per cent %41",
            'it\'s "so"',
            "x: [y]",
            "best_x",
            "_step",
        ]
        names = [*awkward, "test_x", "a.b", " padded ", "A", "a", "n" * 250]
        with self._handler(tmp_path, backend, 'déjà vu / "β-ß"').start_with(
            {"größe ü/%": "ä\n\t\"'"}
        ) as handler:
            for number, name in enumerate(names):
                handler.set_metric(name, number, step=1)
                handler.set_metric(name, -number, test=True)
            expected = handler.log()
        (found,) = self._read(tmp_path, backend)
        kit_expects_same_pieces(
            found, expected, "best values", "test values", "description", "active parameters"
        )

    def test_a_parameter_may_be_a_megabyte(self, tmp_path: Path) -> None:
        """Long values are not truncated."""
        backend = self._made(tmp_path)
        with self._handler(tmp_path, backend).start_with({"prompt": "ab ü\n" * 200_000}) as handler:
            handler.set_metric("loss", 0.5)
            expected = handler.log()
        (found,) = self._read(tmp_path, backend)
        kit_expects_same_pieces(found, expected, "active parameters", "fingerprint")

    def test_a_run_may_have_100_000_points(self, tmp_path: Path) -> None:
        """All of its points are returned."""
        backend = self._made(tmp_path)
        with self._handler(tmp_path, backend).start() as handler:
            for step in range(self.many // 10):
                handler.set_dict_metrics({f"m{number}": step / 7 + number for number in range(10)}, step=step)
            expected = handler.log()
        (found,) = self._read(tmp_path, backend)
        kit_expects_same(found.points, self.many, "the number of points")
        kit_expects_same_pieces(found, expected, "number of points", "steps", "values")

    def test_metrics_may_be_indexed(self, tmp_path: Path) -> None:
        """A number for each example, dev and test."""
        backend = self._made(tmp_path)
        with self._handler(tmp_path, backend).start() as handler:
            for step in range(3):
                handler.set_dict_metrics({f"ex {i}": {"iou": i + step / 3} for i in range(3)}, step=step)
            handler.set_dict_metrics({"ex 0": {"iou": 0.5}, "ö/1": {"iou": 0.25}}, test=True)
            expected = handler.log()
        (found,) = self._read(tmp_path, backend)
        kit_expects_same_pieces(found, expected, "best values", "test values", "values")
