"""Configuration objects: dataclasses, attrs, pydantic, OmegaConf and Hydra, straight into a handler."""

from __future__ import annotations

import argparse
import dataclasses
import enum
import subprocess
import sys
from collections import OrderedDict, UserDict
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import NamedTuple

import attrs
import hydra
import pydantic
import pydantic.v1
import pytest
import yaml
from omegaconf import MISSING, DictConfig, OmegaConf

from legm import ExperimentHandler, ParameterError, StateError, UnstableValue
from legm.core.config_objects import object_class_name, object_fields, parameters_from_config
from legm.core.plain_form import ObjectFields, to_plain


class Kind(enum.Enum):
    LSTM = 1


@dataclasses.dataclass(frozen=True)
class NetData:
    depth: int = 2
    kind: Kind = Kind.LSTM
    widths: tuple[int, ...] = (3, 4)


@dataclasses.dataclass(slots=True)
class TrainData:
    lr: float = 0.1
    net: NetData = dataclasses.field(default_factory=NetData)


@attrs.frozen
class NetAttrs:
    depth: int = 2
    kind: Kind = Kind.LSTM
    widths: tuple[int, ...] = (3, 4)


@attrs.define
class TrainAttrs:
    lr: float = 0.1
    net: NetAttrs = attrs.field(factory=NetAttrs)


class NetModel(pydantic.BaseModel):
    depth: int = 2
    kind: Kind = Kind.LSTM
    widths: list[int] = [3, 4]


class NetModel1(pydantic.v1.BaseModel):
    depth: int = 2
    kind: str = "LSTM"
    widths: list = [3, 4]


class TrainModel1(pydantic.v1.BaseModel):
    lr: float = 0.1
    net: NetModel1 = NetModel1()


class TrainModel(pydantic.BaseModel):
    lr: float = 0.1
    net: NetModel = NetModel()


class NetTuple(NamedTuple):
    depth: int = 2
    kind: Kind = Kind.LSTM
    widths: tuple[int, ...] = (3, 4)


class TrainTuple(NamedTuple):
    lr: float = 0.1
    net: NetTuple = NetTuple()


@dataclasses.dataclass
class Unset:
    late: int = dataclasses.field(init=False)


class Options:
    def __init__(self):
        self.lr = 0.1
        self.net = {"depth": 2, "kind": "LSTM", "widths": [3, 4]}


NET = {"depth": 2, "kind": "LSTM", "widths": [3, 4]}
CONFIGS = {
    "dict": {"lr": 0.1, "net": NET},
    "ordered": OrderedDict(lr=0.1, net=OrderedDict(NET)),
    "proxy": MappingProxyType({"lr": 0.1, "net": MappingProxyType(NET)}),
    "userdict": UserDict(lr=0.1, net=UserDict(NET)),
    "dataclass": TrainData(),
    "attrs": TrainAttrs(),
    "pydantic": TrainModel(),
    "pydantic 1": TrainModel1(),
    "namedtuple": TrainTuple(),
    "simple": SimpleNamespace(lr=0.1, net=SimpleNamespace(**NET)),
    "argparse": argparse.Namespace(lr=0.1, net=argparse.Namespace(**NET)),
    "omegaconf": OmegaConf.create({"lr": 0.1, "net": NET}),
    "structured": OmegaConf.structured(TrainData(net=NetData())),
    "mixed": {"lr": 0.1, "net": NetAttrs()},
    "a node": {"lr": 0.1, "net": OmegaConf.create({"rate": 9, "net": NET}).net},
}
CLASSES = {
    "dataclass": "NetData",
    "attrs": "NetAttrs",
    "pydantic": "NetModel",
    "pydantic 1": "NetModel1",
    "namedtuple": "NetTuple",
    "mixed": "NetAttrs",
}
"""The class of the object that is ``net``, where it is one."""


def handler() -> ExperimentHandler:
    return ExperimentHandler("unused", "e")


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("call", ["set_dict_params", "set_namespace_params"])
def test_any_configuration_object_sets_the_same_flat_parameters_beside_its_class_and_is_returned(kind, call):
    made, config = handler(), CONFIGS[kind]
    assert getattr(made, call)(config, flatten=True) is config
    wanted = handler()
    wanted.set_dict_params({"lr": 0.1, "net.depth": 2, "net.kind": "LSTM", "net.widths": [3, 4]})
    wanted.set_param("net.class", CLASSES.get(kind))
    assert made.explain_difference(wanted) == ()
    assert getattr(made, "net.depth") == 2


@pytest.mark.parametrize("kind", [name for name in CONFIGS if name != "namedtuple"])
@pytest.mark.parametrize("call", ["set_dict_params", "set_namespace_params"])
def test_without_flatten_what_is_nested_is_one_parameter_and_compares_as_a_mapping_with_its_class(kind, call):
    made, config = handler(), CONFIGS[kind]
    assert getattr(made, call)(config) is config
    wanted = handler()
    wanted.set_dict_params({"lr": 0.1, "net": ObjectFields(CLASSES[kind], NET) if kind in CLASSES else NET})
    assert made.explain_difference(wanted) == ()


def test_a_field_called_class_is_that_field_in_flat_parameters():
    class Open(pydantic.BaseModel, extra="allow"):
        lr: float = 0.1

    made = parameters_from_config("", {"net": Open(**{"class": "dog"})}, flatten=True, with_class_names=True)
    assert made == {"net.class": "dog", "net.lr": 0.1}


class Space(SimpleNamespace):
    pass


class Namespace(argparse.Namespace):
    """Like jsonargparse's."""


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (NetData(), "NetData"),
        (Space(lr=0.1), "Space"),
        (Namespace(lr=0.1), None),
        (SimpleNamespace(lr=0.1), None),
        (dataclasses.make_dataclass("Local", ["lr"])(0.1), "Local"),
    ],
)
def test_the_class_is_named_by_itself_and_a_namespace_has_none(value, name):
    assert object_class_name(value) == name


def test_the_function_around_a_class_is_no_part_of_its_name():
    class Net:
        @attrs.define
        class Options:
            depth: int = 2

    assert object_class_name(Net.Options()) == "Net.Options"


@pytest.mark.parametrize("flatten", [False, True])
def test_an_object_of_any_class_gives_its_attributes(flatten):
    made, wanted = handler(), handler()
    options = Options()
    assert made.set_namespace_params(options, flatten=flatten) is options
    wanted.set_dict_params(CONFIGS["dict"], flatten=flatten)
    assert made == wanted


def test_configuration_objects_in_lists_and_mappings_have_a_stable_form():
    for net in (NetData(), NetAttrs(), NetModel(), OmegaConf.create(NET)):
        assert to_plain("nets", {"nets": [net]}) == {"nets": [NET]}
    assert to_plain("widths", OmegaConf.create([1, {"a": None}])) == [1, {"a": None}]


def test_classes_of_configurations_are_values_by_their_name():
    for kind in (NetData, NetAttrs, NetModel):
        assert object_fields(kind) is None
        assert to_plain("kind", kind) == f"{__name__}.{kind.__name__}"


def test_extra_fields_of_a_pydantic_model_count():
    class Open(pydantic.BaseModel, extra="allow"):
        lr: float = 0.1

    assert parameters_from_config("", Open(momentum=0.9)) == {"lr": 0.1, "momentum": 0.9}


def test_private_attributes_and_computed_fields_of_a_pydantic_model_are_no_parameters():
    class Model(pydantic.BaseModel):
        lr: float = 0.1
        _cache: int = 3

        @pydantic.computed_field
        @property
        def double(self) -> float:
            return 2 * self.lr

    assert parameters_from_config("", Model()) == {"lr": 0.1}


def test_interpolations_are_resolved():
    config = OmegaConf.create({"seed": 3, "net": {"seed": "${seed}", "name": "run${net.seed}"}})
    made = handler()
    made.set_dict_params(config)
    assert made.net == {"seed": 3, "name": "run3"}
    flat = handler()
    flat.set_dict_params({"all": config}, flatten=True)
    assert getattr(flat, "all.net.name") == "run3"


def test_a_changed_omegaconf_configuration_does_not_change_the_parameters():
    config = OmegaConf.create({"net": {"depth": 2}})
    made = handler()
    made.set_dict_params(config)
    config.net.depth = 3
    assert made.net == {"depth": 2}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"net": {"depth": MISSING}}, r"no value for 'net.depth', only '\?\?\?'"),
        ({"widths": [1, MISSING]}, r"no value for 'widths\[1\]'"),
        ({"lr": "${rate}"}, "'lr' of the configuration cannot be resolved: .*'rate' not found"),
        ({"lr": "${rate}", "rate": MISSING}, "'lr' .* Missing mandatory value: rate"),
        ({"lr": "${oc.env:LEGM_NO_SUCH_VARIABLE}"}, "'lr' .*LEGM_NO_SUCH_VARIABLE"),
    ],
)
@pytest.mark.parametrize("flatten", [False, True])
def test_a_missing_value_is_an_error_that_names_it_and_nothing_is_set(config, said, flatten):
    made = handler()
    with pytest.raises(ParameterError, match=said):
        made.set_dict_params(OmegaConf.create({"first": 1, **config}), flatten=flatten)
    assert "first" not in dir(made)


def test_a_missing_value_in_a_parameter_is_an_error_that_names_both(tmp_path):
    made = ExperimentHandler(tmp_path, "e")
    made.set_param("net", OmegaConf.create({"depth": MISSING}))
    with pytest.raises(UnstableValue, match="in parameter 'net' has no value for 'depth'"):
        made.start()
    made.disable_param("net")
    made.start()


def test_a_field_without_a_value_is_an_error_that_names_it():
    with pytest.raises(ParameterError, match="field 'late' of a Unset has no value"):
        handler().set_dict_params(Unset())


def test_a_configuration_that_hydra_composed_sets_parameters(tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "config.yaml").write_text("defaults:\n  - net: lstm\n  - _self_\nlr: 0.1\nseed: 3\n")
    (tmp_path / "net" / "lstm.yaml").write_text("depth: 2\nseed: ${seed}\n")
    (tmp_path / "net" / "cnn.yaml").write_text("kernel: 3\nsize: ???\n")
    with hydra.initialize_config_dir(str(tmp_path), version_base=None):
        config = hydra.compose("config", overrides=["net.depth=4"])
        made = handler()
        assert isinstance(made.set_dict_params(config, flatten=True), DictConfig)
        assert [getattr(made, n) for n in ("net.depth", "net.seed", "lr", "seed")] == [4, 3, 0.1, 3]
        with pytest.raises(ParameterError, match=r"no value for 'net\.size'"):
            made.set_dict_params(hydra.compose("config", overrides=["net=cnn"]))


@pytest.mark.slow
def test_a_hydra_program_distinguishes_configurations(tmp_path):
    (tmp_path / "config.yaml").write_text("lr: 0.1\nnet:\n  depth: 2\nseed: 0\n")
    (tmp_path / "train.py").write_text(
        "import hydra\n"
        "from legm import ExperimentHandler\n"
        "@hydra.main(config_path='.', config_name='config', version_base=None)\n"
        "def main(config):\n"
        "    handler = ExperimentHandler('results', 'e')\n"
        "    handler.set_dict_params(config, flatten=True)\n"
        "    handler.disable_param('seed')\n"
        "    with handler.start():\n"
        "        handler.set_metric('loss', handler.lr)\n"
        "main()\n"
    )
    overrides = ["seed=0,1", "net.depth=2,3", f"hydra.sweep.dir={tmp_path / 'sweep'}"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "train.py", "-m", *overrides],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    root = tmp_path / "results" / "e"
    runs = {path.parent.name: yaml.safe_load(path.read_text()) for path in root.glob("*/metrics.yml")}
    assert {name: len(entries) for name, entries in runs.items()} == {"_0": 2, "_1": 2}


# Flat names


def test_flat_names_can_be_parents_and_have_metadata():
    def made(kind, depth):
        made = handler()
        made.set_dict_params({"net": {"kind": kind, "depth": depth}}, flatten=True)
        made.set_param_metadata({"net.depth": {"parent": "net.kind", "parent_active": "lstm"}})
        return made

    assert made("lstm", 2) != made("lstm", 3)
    assert made("cnn", 2) == made("cnn", 3)


def test_a_parent_is_made_the_parent_of_every_flat_name():
    def made(use, depth):
        made = handler()
        made.set_param("use", use)
        made.set_dict_params({"net": {"depth": depth}}, parent="use", flatten=True)
        return made

    assert made(False, 2) == made(False, 3)
    assert made(True, 2) != made(True, 3)


@pytest.mark.parametrize("value", [{}, {0: "a"}, {"a": 1, 2: 3}, SimpleNamespace(), [{"a": 1}], (1, 2)])
def test_what_has_no_names_inside_stays_one_value(value):
    assert parameters_from_config("", {"net": {"x": value}}, flatten=True) == {"net.x": value}


def test_nothing_but_none_switches_a_nested_configuration_off():
    made = handler()
    made.set_dict_params({"scheduler": None, "net": {"dropout": False}}, flatten=True)
    assert made == handler()


@pytest.mark.parametrize("config", [{"a.b": 1, "a": {"b": 2}}, {"a": {"b": 2}, "a.b": 1}])
def test_two_flat_names_that_are_the_same_are_an_error_and_nothing_is_set(config):
    made = handler()
    with pytest.raises(ParameterError, match=r"two parameters are called 'a\.b'"):
        made.set_dict_params({"first": 1, **config}, flatten=True)
    assert "first" not in dir(made)
    made.set_dict_params(config)
    assert made.a == {"b": 2}


def test_a_configuration_that_contains_itself_is_an_error():
    config: dict = {}
    config["a"] = config
    with pytest.raises(ParameterError, match="contains itself"):
        handler().set_dict_params(config, flatten=True)


def test_a_flat_credential_stays_out_of_the_comparison():
    made, other = handler(), handler()
    made.set_dict_params({"tracker": {"api_key": "abcdefgh"}}, flatten=True)
    assert made == other


def test_nested_names_of_the_handlers_own_methods_are_allowed_when_flat():
    made = handler()
    made.set_dict_params({"net": {"start": 1}}, flatten=True)
    assert getattr(made, "net.start") == 1
    with pytest.raises(ParameterError, match="cannot be called 'start'"):
        made.set_dict_params({"first": 1, "start": {}}, flatten=True)
    assert "first" not in dir(made)


# Bad input


@pytest.mark.parametrize("bad", [[("lr", 0.1)], 3, None, "lr", OmegaConf.create([1]), print])
@pytest.mark.parametrize("call", ["set_dict_params", "set_namespace_params"])
def test_what_has_no_names_is_an_error_that_says_what_is_right(bad, call):
    with pytest.raises(ParameterError, match=rf"{call}\(\) takes a mapping, namespace or configuration"):
        getattr(handler(), call)(bad)


class TrainDefaults:
    lr = 0.5
    net = NET

    def train(self):
        raise AssertionError


class TrainClass(TrainDefaults):
    lr = 0.1
    _hidden = 1

    @property
    def width(self):
        raise AssertionError


def test_the_attributes_of_a_class_are_parameters_of_a_namespace():
    for flatten, net in (
        (True, {f"net.{name}": value for name, value in NET.items()}),
        (False, {"net": NET}),
    ):
        made, wanted = handler(), handler()
        assert made.set_namespace_params(TrainClass, flatten=flatten) is TrainClass
        wanted.set_dict_params({"lr": 0.1, **net})
        assert made.explain_difference(wanted) == ()
    with pytest.raises(ParameterError, match="pass an instance of it"):
        handler().set_dict_params(TrainClass)


@pytest.mark.parametrize("kind", [TrainData, TrainAttrs, TrainModel, TrainTuple, Options])
def test_a_class_instead_of_an_instance_is_an_error(kind):
    with pytest.raises(ParameterError, match=f"the class {kind.__name__}; pass an instance of it"):
        handler().set_namespace_params(kind)


@pytest.mark.parametrize("name", [3, "", ("a",)])
def test_a_name_that_is_no_text_is_an_error(name):
    for flatten in (False, True):
        with pytest.raises(ParameterError, match="name of a parameter"):
            handler().set_dict_params({name: 1}, flatten=flatten)


def test_a_configuration_after_the_start_is_an_error(tmp_path):
    made = ExperimentHandler(tmp_path, "e").start()
    with pytest.raises(StateError, match="set_dict_params"):
        made.set_dict_params(TrainData())


def test_metadata_take_any_configuration_for_names_that_are_set_later():
    for config in (TrainData(), TrainAttrs(), TrainModel(), CONFIGS["omegaconf"], {"lr": 1}):
        handler().set_param_metadata({"lr": {"name": True}}, config)
    with pytest.raises(ParameterError, match=r"set_param_metadata\(\) takes a mapping"):
        handler().set_param_metadata({"lr": {"name": True}}, [TrainData()])


def test_none_of_the_libraries_is_imported_by_legm(tmp_path: Path):
    code = (
        "import dataclasses, sys\n"
        "from legm import ExperimentHandler\n"
        "@dataclasses.dataclass\n"
        "class Config:\n"
        "    lr: float = 0.1\n"
        f"handler = ExperimentHandler({str(tmp_path)!r}, 'e')\n"
        "handler.set_dict_params(Config(), flatten=True)\n"
        "handler.start()\n"
        "handler.log()\n"
        "print({'attrs', 'attr', 'pydantic', 'omegaconf', 'hydra'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
