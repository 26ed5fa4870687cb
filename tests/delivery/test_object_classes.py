"""Objects of different classes with equal fields are one configuration, which is said when a run begins."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from legm import ExperimentHandler


@dataclass
class Adam:
    lr: float = 0.1


@dataclass
class SGD:
    lr: float = 0.1


def run(root, **parameters: object) -> ExperimentHandler:
    handler = ExperimentHandler(root, "e")
    handler.set_dict_params(parameters)
    with handler.start():
        handler.set_metric("loss", 0.5)
    return handler


def test_another_class_with_equal_fields_is_said_when_a_run_begins(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "legm"):
        first = run(tmp_path, optimizer=Adam(), nested={"of": [Adam()]})
        run(tmp_path, optimizer=Adam(), nested={"of": [Adam()]})
        run(tmp_path, optimizer=SGD(0.2), nested={"of": [Adam()]})  # another configuration
        assert caplog.text == ""
        second = run(tmp_path, optimizer=SGD(), nested={"of": [SGD()]})
    assert second == first
    messages = [one.getMessage() for one in caplog.records]
    assert [message.split(" in the run")[0] for message in messages] == [
        f"{where} is an object of the class SGD, and of the class Adam"
        for where in ("nested.of[0]", "optimizer")
    ]
    assert "set_param('optimizer_class', 'SGD')" in messages[1]


def test_the_class_as_a_parameter_of_its_own_distinguishes_them_without_a_warning(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "legm"):
        first = run(tmp_path, optimizer=Adam(), optimizer_class="Adam")
        second = run(tmp_path, optimizer=SGD(), optimizer_class="SGD")
    assert second != first
    assert caplog.text == ""
