"""Runs in folders of event files, by every writer: numbers, texts, pictures, hyperparameters, each once."""

from __future__ import annotations

import json
import os
import shutil
import time
import tracemalloc
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo

from legm import ExperimentHandler, ParameterError, StorageError
from legm.backends.local.event_records import encode_event_record
from legm.cli import main
from legm.delivery.client import connect_client
from legm.importers import import_runs
from legm.importers.detection import open_detected_source
from legm.importers.import_notes import ImportNotes
from legm.importers.ingest import Ingestion
from legm.importers.tensorboard.event_reader import EventReader
from legm.importers.tensorboard.run_layout import RunFolder, RunLayoutPart, group_into_run_layout
from legm.importers.tensorboard.source import TensorboardSource
from legm.importers.tensorboard.tfrecords import read_tfrecords
from legm.media.histograms import histogram_counts
from legm.records import Display, Points, Status
from legm.runlog.configuration_folders import configuration_folders
from legm.runlog.file_names import MEDIA
from tests.support.imported import bits, files_in, kill_an_import, log_of, results
from tests.support.paths import SAMPLES

WRITTEN = SAMPLES / "tensorboard"
CURVE = [0.1, 1 / 3, float("nan"), float("inf"), -float("inf"), 5e-324, 1e-20, -7.25, 0.0]


def torch_writer(folder: str, **options: str):
    """PyTorch's writer; it is imported when it is used."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(folder, **options)


def tensorboardx_writer(folder: str, **options: str):
    """tensorboardX's writer; it imports PyTorch where that is installed."""
    from tensorboardX import SummaryWriter

    return SummaryWriter(folder, **options)


WRITERS = {"torch": torch_writer, "tensorboardX": tensorboardx_writer}


@pytest.fixture(params=sorted(WRITERS))
def writer(request):
    """What makes a real writer."""
    return WRITERS[request.param]


def numbers_in(root: Path, result) -> dict[str, list[tuple[int, float, bytes]]]:
    """Each series of a run's log, in its order: step, time, value."""
    found: dict[str, list[tuple[int, float, bytes]]] = {}
    for points in log_of(root, result).records:
        if isinstance(points, Points):
            for layout, step, at, values in points.rows():
                for series, value in zip(layout, values, strict=True):
                    found.setdefault(str(series), []).append((step, at, bits(value)))
    return found


def displays_in(root: Path, result) -> list[tuple[str, str, int]]:
    found = [one for one in log_of(root, result).records if isinstance(one, Display)]
    return [(one.name, one.value, one.step) for one in found]


def parameters_in(result) -> dict[str, object]:
    return {**result.run.configuration.parameters, **result.run.parameters}


def artifacts_in(root: Path, result) -> dict[str, bytes]:
    """The files of a run beside its media."""
    folders = list(root.glob(f"*/*/artifacts/{result.run.run_id}"))
    found = files_in(folders[0]) if folders else {}
    return {name: content for name, content in found.items() if not name.startswith(f"{MEDIA}/")}


def media_in(root: Path, result) -> dict[tuple[str, str, int], list[bytes]]:
    """The contents of a run's media by kind, name and step."""
    found: dict[tuple[str, str, int], list[bytes]] = {}
    for one in connect_client(root).media(result.run):
        contents = [Path(file.path).read_bytes() for file in one.files]
        found.setdefault((one.kind.value, one.name, one.step), []).extend(contents)
    return found


def curve(result, name: str) -> list[float]:
    (found,) = (h.values.tolist() for s, h in result.histories.items() if s.name == name)
    return found


def write_event(folder: Path, message: Event) -> Path:
    """Put an event behind those of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "events.out.tfevents.1700000000.host.1.0"
    if not path.exists():
        first = Event(wall_time=1_700_000_000.5, file_version="brain.Event:2")
        path.write_bytes(encode_event_record(first.SerializeToString()))
    with path.open("ab") as file:
        file.write(encode_event_record(message.SerializeToString()))
    return path


def scalar(tag: str, value: float, step: int, at: float = 1_700_000_001.0) -> Event:
    return Event(wall_time=at, step=step, summary={"value": [{"tag": tag, "simple_value": value}]})


# What every writer says


def test_every_number_is_the_one_that_tensorboard_itself_reads(writer, tmp_path):
    with writer(str(tmp_path / "runs" / "a")) as made:
        for step, value in enumerate(CURVE):
            made.add_scalar("loss", value, 2 * step - 3)
            made.add_scalar("train/acc", -value, step, walltime=1_700_000_000.123456 + step)
            if writer is WRITERS["torch"]:
                made.add_scalar("single", value, step, new_style=True)
                made.add_scalar("double", value, step, new_style=True, double_precision=True)
        for step in range(3000):
            made.add_scalar("long", step / 7, step)
    report = import_runs(tmp_path / "runs", tmp_path / "root")
    assert report.is_complete, report
    (result,) = results(tmp_path / "root", "runs").values()
    expected = EventAccumulator(str(tmp_path / "runs" / "a"), {"scalars": 0, "tensors": 0}).Reload()
    scalars = {
        f"dev/{tag}": [(e.step, e.wall_time, bits(e.value)) for e in expected.Scalars(tag)]
        for tag in expected.Tags()["scalars"]
    }
    tensors = {
        f"dev/{tag}": [
            (e.step, e.wall_time, bits([*e.tensor_proto.float_val, *e.tensor_proto.double_val][0]))
            for e in expected.Tensors(tag)
        ]
        for tag in expected.Tags()["tensors"]
    }
    assert numbers_in(tmp_path / "root", result) == {**scalars, **tensors}
    assert len(tensors) == (2 if writer is WRITERS["torch"] else 0)
    if tensors:
        assert curve(result, "double")[1] == 1 / 3
    assert result.status is Status.COMPLETED
    assert result.run.started == expected.FirstEventTimestamp()
    assert (result.run.environment["imported"]["key"], report.created) == ("a", 1)


def test_texts_pictures_and_sounds_come_as_they_were_written(writer, tmp_path):
    folder = tmp_path / "runs" / "a"
    with writer(str(folder)) as made:
        made.add_scalar("loss", 1.0, 0)
        made.add_text("notes/first", "some *text*\nhere", 3)
        for _ in range(2):
            made.add_image("deep/picture", np.random.default_rng(0).random((3, 4, 4)), 7)
        if writer is WRITERS["torch"]:  # the other one wants a library for it
            made.add_audio("sound", np.zeros((1, 100), np.float32), 2, sample_rate=8000)
    assert import_runs(tmp_path / "runs", tmp_path / "root").is_complete
    (result,) = results(tmp_path / "root", "runs").values()
    assert displays_in(tmp_path / "root", result) == [("notes/first", "some *text*\nhere", 3)]
    expected = EventAccumulator(str(folder), {"images": 0, "audio": 0}).Reload()
    pictures = [image.encoded_image_string for image in expected.Images("deep/picture")]
    sounds = [one.encoded_audio_string for tag in expected.Tags()["audio"] for one in expected.Audio(tag)]
    assert (len(pictures), len(sounds)) == (2, int(writer is WRITERS["torch"]))
    media = {("image", "deep/picture", 7): pictures}
    media |= {("audio", "sound", step): [sound] for step, sound in enumerate(sounds, 2)}
    assert media_in(tmp_path / "root", result) == media
    assert artifacts_in(tmp_path / "root", result) == {}


def test_an_event_file_with_more_than_legm_has_words_for_is_kept_as_it_is(writer, tmp_path):
    for name in ("a", "b"):
        with writer(str(tmp_path / "runs" / name)) as made:
            made.add_scalar("loss", 1.0, 0)
            if name == "a":
                made.add_histogram("weights", np.arange(10.0), 1)
                made.add_pr_curve("pr", np.array([0, 1]), np.array([0.5, 0.6]), 1)
    report = import_runs(tmp_path / "runs", tmp_path / "root")
    assert report.is_complete, report
    found = results(tmp_path / "root", "runs")
    ((name, content),) = artifacts_in(tmp_path / "root", found["a"]).items()
    (path,) = (tmp_path / "runs" / "a").iterdir()
    assert (name, content) == (f"events/{path.name}", path.read_bytes())
    ((histogram,),) = media_in(tmp_path / "root", found["a"]).values()
    edges, counts = histogram_counts(histogram)
    assert (edges[0], edges[-1], sum(counts)) == (0, 9, 10)
    assert artifacts_in(tmp_path / "root", found["b"]) == {}
    reported = " ".join(report.omitted)
    assert "pr curves" in reported


def test_a_mesh_keeps_its_event_file(tmp_path):
    write_event(tmp_path / "runs" / "a", scalar("loss", 1.0, 0))
    metadata = {"plugin_data": {"plugin_name": "mesh", "content": b"\x08\x01"}}
    tensor = {
        "dtype": "DT_FLOAT",
        "float_val": [0.0] * 9,
        "tensor_shape": {"dim": [{"size": 3}, {"size": 3}]},
    }
    value = {"tag": "shape_VERTEX", "metadata": metadata, "tensor": tensor}
    path = write_event(tmp_path / "runs" / "a", Event(wall_time=1e9, step=1, summary={"value": [value]}))
    report = import_runs(tmp_path / "runs", tmp_path / "root")
    assert report.is_complete, report
    (found,) = results(tmp_path / "root", "runs").values()
    assert artifacts_in(tmp_path / "root", found) == {f"events/{path.name}": path.read_bytes()}
    assert "mesh" in " ".join(report.omitted)


def test_hyperparameters_have_their_types_and_belong_to_the_run_they_were_written_in(writer, tmp_path):
    with writer(str(tmp_path / "runs" / "a")) as made:
        made.add_scalar("loss", 1.0, 0)
        given = {"lr": 0.1, "layers": 3, "optimizer": "sgd", "nesterov": True, "name": "007"}
        made.add_hparams(given, {"hparam/accuracy": 0.75})
    if writer is WRITERS["torch"]:
        given["nesterov"] = 1  # it writes truth values as numbers
    report = import_runs(tmp_path / "runs", tmp_path / "root")
    assert report.is_complete, report
    (result,) = results(tmp_path / "root", "runs").values()
    found = {name.removesuffix("_"): value for name, value in parameters_in(result).items()}
    assert {name: (type(value), value) for name, value in found.items()} == {
        name: (type(value), value) for name, value in given.items()
    }
    assert {str(series) for series in result.histories} == {"dev/loss", "dev/hparam/accuracy"}


def test_sessions_with_different_hyperparameters_are_runs_of_their_own(writer, tmp_path):
    with writer(str(tmp_path / "runs" / "sweep")) as made:
        for i in range(3):
            made.add_hparams({"lr": 0.1 * i}, {"accuracy": i})
            time.sleep(0.002)  # their folders are named by the time
    report = import_runs(tmp_path / "runs", tmp_path / "root")
    assert (report.created, report.configurations) == (3, 3)
    found = results(tmp_path / "root", "sweep")
    assert sorted(parameters_in(one)["lr"] for one in found.values()) == [0.0, 0.1, 0.2]
    assert [remark for remark in report.omitted if "contain nothing of a run" in remark]


def test_scalars_that_were_added_together_are_metrics_of_their_run(writer, tmp_path):
    with writer(str(tmp_path / "runs" / "a")) as made:
        for step in range(3):
            made.add_scalar("loss", 0.0, step)
            made.add_scalars("both/loss", {"train": step, "val_x": -step}, step)
    assert import_runs(tmp_path / "runs", tmp_path / "root").created == 1
    (result,) = results(tmp_path / "root", "runs").values()
    assert curve(result, "both/loss/train") == [0, 1, 2]
    assert curve(result, "both/loss/val_x") == [0, -1, -2]
    assert len(result.histories) == 3


def test_restarts_in_one_folder_are_one_run_in_the_order_of_their_start(writer, tmp_path):
    folder = tmp_path / "runs" / "a"
    for start, suffix in ((1_700_000_010, ".a"), (1_700_000_002, ".z")):
        with writer(str(folder), filename_suffix=suffix) as made:
            for step in range(start % 100, start % 100 + 5):
                made.add_scalar("loss", start % 100, step)
        (path,) = folder.glob(f"*{suffix}")
        path.rename(folder / f"events.out.tfevents.{start}.host{suffix}")
    assert import_runs(tmp_path / "runs", tmp_path / "root").created == 1
    (result,) = results(tmp_path / "root", "runs").values()
    steps = [step for step, _, _ in numbers_in(tmp_path / "root", result)["dev/loss"]]
    assert steps == [2, 3, 4, 5, 6, 10, 11, 12, 13, 14]


def test_what_tensorflow_2_wrote_is_read_whatever_the_type_of_its_tensors(tmp_path):
    report = import_runs(WRITTEN / "tf2", tmp_path)
    assert report.is_complete, report
    found = results(tmp_path, "tf2")
    kinds = [f"{size}" for size in ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16")]
    kinds += ["int8", "uint8", "uint16", "uint32", "uint64"]
    for name in (f"{plugin}/{kind}" for plugin in ("plugin", "none") for kind in kinds):
        assert curve(found["run"], name) == [0.0, 3.0], name
    assert curve(found["run"], "loss") == [float(np.float32(1 / (step + 1))) for step in range(5)]
    assert displays_in(tmp_path, found["run"]) == [("note", "a *text*", 3), ("notes", "a\nb", 3)]
    media = media_in(tmp_path, found["run"])
    assert {key: len(contents) for key, contents in media.items()} == {
        ("audio", "sound", 4): 1,
        ("image", "picture", 4): 2,
    }
    assert media["image", "picture", 4][0].startswith(b"\x89PNG")
    assert media["audio", "sound", 4][0].startswith(b"RIFF")
    assert [name.partition("/")[0] for name in artifacts_in(tmp_path, found["more"])] == ["events"]
    assert {" ".join(remark.split()[3:4]) for remark in report.omitted} == {"tensors:"}


def test_what_tensorflow_1_wrote_is_read(tmp_path):
    assert import_runs(WRITTEN / "tf1", tmp_path).is_complete
    (result,) = results(tmp_path, "tf1").values()
    assert curve(result, "loss") == [float(np.float32(1 / (step + 1))) for step in range(5)]
    assert displays_in(tmp_path, result) == [("note", "a *text*", 4)]
    assert sorted(media_in(tmp_path, result)) == [
        ("audio", "sound/audio/0", 4),
        ("image", "picture/image/0", 4),
    ]


def test_what_keras_wrote_for_training_and_validation_is_one_run_with_its_hyperparameters(tmp_path):
    report = import_runs(WRITTEN / "keras", tmp_path)
    assert report.is_complete, report
    found = results(tmp_path, "keras")
    assert sorted(found) == ["run-2", "run-4"]
    assert {str(series) for series in found["run-2"].histories} == {
        "dev/train/epoch_loss",
        "dev/train/epoch_learning_rate",
        "dev/validation/epoch_loss",
        "dev/validation/evaluation_loss_vs_iterations",
    }
    assert len(curve(found["run-2"], "validation/epoch_loss")) == 3
    given = {"units": 4, "rate": 0.5, "optimizer": "sgd", "bias": True}
    assert parameters_in(found["run-4"]) == given
    assert type(parameters_in(found["run-4"])["units"]) is int
    assert "without a recorded end" not in str(report.adapted)  # Keras tells when a session ended


def test_what_lightning_wrote_has_the_types_of_its_hparams_yaml_and_its_files(tmp_path):
    source = tmp_path / "lightning_logs"
    shutil.copytree(WRITTEN / "lightning", source)
    (source / "version_0" / "checkpoints").mkdir()
    (source / "version_0" / "checkpoints" / "last.ckpt").write_bytes(b"weights")
    root = tmp_path / "root"
    report = import_runs(source, root)
    assert report.is_complete, report
    assert (report.created, report.configurations) == (2, 1)
    found = results(root, "lightning_logs")
    assert parameters_in(found["version_1"]) == {
        "data": "data/mnist",
        "device": "torch.device(cpu)",
        "layers": [8, 4],
        "optimizer.name": "sgd",
        "optimizer.momentum": None,
        "optimizer.betas": [0.5, 0.25],
        "rate": 0.1,
        "seed": 1,
    }
    assert len(curve(found["version_0"], "train/loss")) == 4
    files = artifacts_in(root, found["version_0"])
    assert sorted(files) == ["checkpoints/last.ckpt", "hparams.yaml"]
    assert files["checkpoints/last.ckpt"] == b"weights"
    (one,) = configuration_folders(root)
    best = ExperimentHandler.load_existent(one).aggregate_results()["best_train/loss"]
    assert best["n"] == 2


def test_how_a_session_ended_is_how_the_run_ended(tmp_path):
    endings = {"STATUS_SUCCESS": 2e9, "STATUS_FAILURE": 2e9, "STATUS_RUNNING": 0, "none": 0}
    for name, ended in endings.items():
        with WRITERS["torch"](str(tmp_path / "runs" / name)) as made:
            made.add_scalar("loss", 1.0, 0)
            if name != "none":
                info = SessionEndInfo(status=api_pb2.Status.Value(name), end_time_secs=ended)
                content = HParamsPluginData(session_end_info=info).SerializeToString()
                plugin = {"plugin_data": {"plugin_name": "hparams", "content": content}}
                end = Summary(value=[{"tag": "_hparams_/session_end_info", "metadata": plugin}])
                made._get_file_writer().add_summary(end)  # noqa: SLF001 - torch has no other way
    report = import_runs(tmp_path / "runs", tmp_path / "root")
    found = results(tmp_path / "root", "runs")
    assert {name: one.status.value for name, one in found.items()} == {
        "STATUS_SUCCESS": "completed",
        "STATUS_FAILURE": "failed",
        "STATUS_RUNNING": "interrupted",
        "none": "completed",
    }
    assert found["STATUS_SUCCESS"].ended == 2e9
    assert report.adapted["runs without a recorded end: imported as completed"] == 1


# Which folders are one run


def folder_of(tag: str | None = None, **parameters: object) -> SimpleNamespace:
    return SimpleNamespace(only_tag=tag, parameters=parameters)


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        ({"a": None, "b/c": None, ".": None}, {".": ["."], "a": ["a"], "b/c": ["b/c"]}),
        ({"a/train": None, "a/validation": None}, {"a": ["a/train:train/x", "a/validation:validation/x"]}),
        ({"a": None, "a/eval": None}, {"a": ["a", "a/eval:eval/x"]}),
        ({"train": None, "test": None}, {".": ["test:test/x", "train:train/x"]}),
        ({"a": None, "a/1700000000.25": None}, {"a": ["a", "a/1700000000.25"]}),
        ({"a/1700000000.25": None}, {"a/1700000000.25": ["a/1700000000.25"]}),
        ({"a": None, "a/l_x_t": "l/x"}, {"a": ["a", "a/l_x_t:l/x/t"]}),
        ({"a/l_t": "l", "a/l_v": "l"}, {"a": ["a/l_t:l/t", "a/l_v:l/v"]}),
        ({"a": None, "a/l/x/t": "l/x", "a/l/x/v": "l/x"}, {"a": ["a", "a/l/x/t:l/x/t", "a/l/x/v:l/x/v"]}),
        ({"l/t": "l", "l/v": "l"}, {"l/t": ["l/t"], "l/v": ["l/v"]}),
        ({"a": None, "a/l/train": "l"}, {"a": ["a", "a/l/train:l/train"]}),
        ({"a/l_t": "l", "a/m_v": "m"}, {"a/l_t": ["a/l_t"], "a/m_v": ["a/m_v"]}),
        ({"a": None, "a/l_t": "other"}, {"a": ["a"], "a/l_t": ["a/l_t"]}),
        ({"a/train": None, "a/train/l_t": "l"}, {"a": ["a/train:train/x", "a/train/l_t:train/l/t"]}),
    ],
)
def test_folders_are_joined_as_their_writers_part_them(folders, expected):
    found = group_into_run_layout({PurePosixPath(path): folder_of(tag) for path, tag in folders.items()})
    shown = {
        run.path.as_posix(): [
            part.folder.as_posix() + (f":{part.metric_name('x')}" if part.metric_name("x") != "x" else "")
            for part in run.parts
        ]
        for run in found
    }
    assert shown == expected


def test_equal_sessions_are_one_run_and_different_ones_are_not():
    paths = [PurePosixPath("a"), PurePosixPath("a/1700000000.1"), PurePosixPath("a/1700000000.2")]
    same = dict(zip(paths, (folder_of(), folder_of(lr=1), folder_of(lr=1)), strict=True))
    assert group_into_run_layout(same) == [RunFolder(paths[0], tuple(map(RunLayoutPart, paths)))]
    other = {**same, paths[2]: folder_of(lr=2)}
    assert group_into_run_layout(other) == [RunFolder(path, (RunLayoutPart(path),)) for path in paths]


def test_the_path_is_the_name_and_the_folder_above_it_the_experiment(tmp_path):
    for name in ("a", "deep/er/b", "c"):
        write_event(tmp_path / "logs" / name, scalar("loss", 1.0, 0))
    import_runs(tmp_path / "logs", tmp_path / "root")
    assert sorted(results(tmp_path / "root", "logs")) == ["a", "c"]
    assert sorted(results(tmp_path / "root", "deep/er")) == ["deep/er/b"]
    import_runs(tmp_path / "logs" / "a", tmp_path / "alone")
    (result,) = results(tmp_path / "alone", "logs").values()
    assert result.run.environment["imported"]["name"] == "a"


def test_runs_without_hyperparameters_are_distinguished_by_their_folders(tmp_path):
    for name in ("lr=0.1", "lr=0.2"):
        write_event(tmp_path / "logs" / name, scalar("loss", 1.0, 0))
    report = import_runs(tmp_path / "logs", tmp_path / "root")
    assert (report.configurations, report.identities["logs"].named) == (2, ("folder",))
    assert import_runs(tmp_path / "logs", tmp_path / "one", ignore=["folder"]).configurations == 1


def by_configuration(root: Path, experiment: str) -> list[list[str]]:
    """The keys of an experiment's runs by configuration."""
    found: dict[str, list[str]] = {}
    for key, one in results(root, experiment).items():
        found.setdefault(one.run.configuration.fingerprint, []).append(key)
    return sorted(sorted(keys) for keys in found.values())


def test_the_number_of_runs_is_known_before_they_are_read(tmp_path):
    for name in ("a/x", "a/y", "b"):
        write_event(tmp_path / name, scalar("loss", 1.0, 0))
    source = TensorboardSource(tmp_path)
    assert source.number_of_runs() == len(list(source.runs())) == 3


def test_seeds_in_the_names_of_folders_are_runs_of_one_configuration(tmp_path):
    """The folders that Stable-Baselines3 makes for a script with a folder of its own for each seed."""
    seeds = [f"seed_{seed}/PPO_1" for seed in range(3)]
    for name in seeds:
        write_event(tmp_path / "logs" / name, scalar("reward", 1.0, 0))
    report = import_runs(tmp_path / "logs", tmp_path / "root")
    assert report.is_complete, report
    assert {*report.identities} == {"logs"}
    assert by_configuration(tmp_path / "root", "logs") == [seeds]
    assert {one.run.parameters["seed"] for one in results(tmp_path / "root", "logs").values()} == {0, 1, 2}
    for name in ("a2c/seed_0/A2C_1", "a2c/seed_1/A2C_1"):
        write_event(tmp_path / "logs" / name, scalar("reward", 1.0, 0))
    import_runs(tmp_path / "logs", tmp_path / "root")
    assert by_configuration(tmp_path / "root", "logs") == [seeds]
    assert by_configuration(tmp_path / "root", "a2c") == [["a2c/seed_0/A2C_1", "a2c/seed_1/A2C_1"]]


def test_a_last_folder_that_all_runs_have_names_none_and_an_earlier_decision_is_kept(tmp_path):
    for name in ("small", "large"):
        write_event(tmp_path / "logs" / name / "PPO_1", scalar("reward", 1.0, 0))
    import_runs(tmp_path / "logs", tmp_path / "root")
    assert by_configuration(tmp_path / "root", "logs") == [["large/PPO_1"], ["small/PPO_1"]]
    write_event(tmp_path / "logs" / "large" / "PPO_2", scalar("reward", 1.0, 0))
    report = import_runs(tmp_path / "logs", tmp_path / "root")
    assert (report.created, report.unchanged) == (1, 2)
    assert by_configuration(tmp_path / "root", "logs") == [["large/PPO_1"], ["large/PPO_2"], ["small/PPO_1"]]
    # Where nothing was decided, folders with several runs are experiments; or what the user says.
    assert {*import_runs(tmp_path / "logs", tmp_path / "new").identities} == {"large", "small"}
    command = ["import", str(tmp_path / "logs"), str(tmp_path / "two"), "--run-folders", "2", "--json"]
    done = CliRunner().invoke(main, command, catch_exceptions=False)
    assert {*json.loads(done.output)["identities"]} == {"logs"}
    with pytest.raises(ParameterError, match="run_folders is for TensorBoard"):
        import_runs(tmp_path / "two", tmp_path / "other", run_folders=2)


def test_parameters_in_yaml_files_next_to_and_above_event_files_are_read(tmp_path):
    source = tmp_path / "logs"
    for name in ("ppo/run1", "ppo/run2", "other"):
        write_event(source / name, scalar("reward", 1.0, 0))
    (source / "ppo" / "args.yml").write_text(
        "!!python/object/apply:collections.OrderedDict\n- - [algo, ppo]\n  - [seed, 7]\n  - [steps, -1]\n"
    )
    (source / "ppo" / "config.yml").write_text("steps: 1000.0\npolicy: {layers: [64, 64]}\n")
    (source / "ppo" / "run2" / "opt.yaml").write_text("steps: 5\n")
    (source / "other" / "config.yaml").write_text("- just a list\n")
    report = import_runs(source, tmp_path / "root")
    assert report.is_complete, report
    found = {key: parameters_in(one) for key, one in results(tmp_path / "root", "ppo").items()}
    common = {"algo": "ppo", "seed": 7, "policy.layers": [64, 64]}
    assert found == {"ppo/run1": {**common, "steps": 1000.0}, "ppo/run2": {**common, "steps": 5}}
    assert [parameters_in(one) for one in results(tmp_path / "root", "logs").values()] == [
        {"folder": "other"}
    ]
    assert any("have no parameters" in remark for remark in report.omitted)


def test_a_text_that_is_called_like_an_event_file_is_a_file_of_the_run(tmp_path):
    write_event(tmp_path / "logs" / "a", scalar("loss", 1.0, 0))
    for name in ("notes-on-tfevents.txt", "events.out.tfevents.json"):
        (tmp_path / "logs" / "a" / name).write_text("just a text, of some length")
    report = import_runs(tmp_path / "logs", tmp_path / "root")
    assert (report.is_complete, report.omitted) == (True, {})
    (run,) = results(tmp_path / "root", "logs").values()
    assert sorted(artifacts_in(tmp_path / "root", run)) == [
        "events.out.tfevents.json",
        "notes-on-tfevents.txt",
    ]


def test_files_of_a_run_are_kept_but_those_of_other_runs_and_what_is_hidden_are_theirs(tmp_path):
    source = tmp_path / "logs"
    for name in (".", "a", "a/train"):
        write_event(source / name, scalar("loss", 1.0, 0))
    for name in ("top.txt", "a/model.pt", "a/train/plot.svg", ".git/config", "wandb/x", "images/p/0.png"):
        (source / name).parent.mkdir(exist_ok=True, parents=True)
        (source / name).write_text(name)
    picture = {"tag": "p", "image": {"encoded_image_string": b"\x89PNG"}}
    write_event(source, Event(wall_time=1.7e9, summary={"value": [picture]}))
    report = import_runs(source, tmp_path / "root")
    assert report.is_complete, report
    (top,) = results(tmp_path / "root", tmp_path.name).values()
    (run,) = results(tmp_path / "root", "logs").values()
    assert sorted(artifacts_in(tmp_path / "root", run)) == ["model.pt", "train/plot.svg"]
    assert artifacts_in(tmp_path / "root", top) == {
        "top.txt": b"top.txt",
        "images/p/0.png": b"images/p/0.png",
    }
    assert media_in(tmp_path / "root", top) == {("image", "p", 0): [b"\x89PNG"]}


# Again


def test_a_second_import_adds_nothing(tmp_path):
    root = tmp_path / "root"
    for name in ("keras", "tf2", "lightning"):
        import_runs(WRITTEN / name, root)
        before = {path: data for path, data in files_in(root).items() if ".legm/" not in path}
        report = import_runs(WRITTEN / name, root)
        assert (report.created, report.updated, report.unchanged) == (0, 0, 2)
        assert report.is_complete, report
        assert {path: data for path, data in files_in(root).items() if ".legm/" not in path} == before


def test_files_of_one_second_come_in_the_order_in_which_their_writer_counts_them(tmp_path):
    for count in (10, 9, 11):
        path = write_event(tmp_path / "runs" / "a", scalar("loss", float(count), 0))
        path.rename(path.with_name(f"events.out.tfevents.1700000000.host.1.{count}"))
    import_runs(tmp_path / "runs", tmp_path / "root")
    (result,) = results(tmp_path / "root", "runs").values()
    points = [one for one in log_of(tmp_path / "root", result).records if isinstance(one, Points)]
    assert [value for one in points for value in one.values.tolist()] == [9.0, 10.0, 11.0]


def test_a_run_that_trained_on_is_taken_again_and_counts_once(writer, tmp_path):
    source, root = tmp_path / "runs", tmp_path / "root"
    for seed in range(2):
        with writer(str(source / f"s{seed}")) as made:
            made.add_hparams({"lr": 0.5, "seed": seed}, {"hp": 0.0})
            made.add_scalar("loss", 4.0 + seed, 0)
    assert import_runs(source, root).created == 2
    with writer(str(source / "s0"), filename_suffix=".later") as made:
        made.add_scalar("loss", 2.0, 1)
    report = import_runs(source, root)
    assert (report.created, report.updated, report.unchanged) == (0, 1, 1)
    assert report.is_complete, report
    found = results(root, "runs")
    assert curve(found["s0"], "loss") == [4.0, 2.0]
    assert found["s0"].status is Status.COMPLETED
    (one,) = configuration_folders(root)
    best = ExperimentHandler.load_existent(one).aggregate_results()["best_loss"]
    assert (best["mean"], best["n"]) == (3.5, 2)
    assert len(list(root.glob("*/*/runs/**/*.log"))) == 2
    assert import_runs(source, root).unchanged == 2


def test_a_run_whose_hyperparameters_come_later_moves_to_their_configuration(tmp_path):
    source, root = tmp_path / "runs", tmp_path / "root"
    with WRITERS["torch"](str(source / "a")) as made:
        made.add_scalar("loss", 1.0, 0)
        made.flush()
        assert import_runs(source, root).created == 1
        made.add_hparams({"lr": 0.5}, {"hp": 0.0})
    (source / "a" / "model.pt").write_text("weights")
    report = import_runs(source, root)
    assert (report.created, report.updated) == (0, 1)
    assert report.is_complete, report
    assert len(list(root.glob("*/*/runs/**/*.log"))) == 1
    (result,) = results(root, "runs").values()
    assert parameters_in(result) == {"lr": 0.5}
    assert sorted(artifacts_in(root, result)) == ["model.pt"]
    entries = [path.read_text() for path in root.rglob("metrics.yml")]
    assert sum(text.count("experiment_0") for text in entries) == 1
    assert import_runs(source, root).unchanged == 1


def test_an_import_that_is_killed_while_a_run_moves_leaves_it_once_the_next_time(tmp_path, monkeypatch):
    source, root = tmp_path / "runs", tmp_path / "root"
    write_event(source / "a", scalar("loss", 1.0, 0))
    import_runs(source, root)
    (source / "a" / "hparams.yaml").write_text("lr: 0.5")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Ingestion, "_delete_from_other_configurations", killed)
        with pytest.raises(KeyboardInterrupt):
            import_runs(source, root)
    assert len(list(root.glob("*/*/runs/*.log"))) == 2
    assert import_runs(source, root).is_complete
    (log,) = root.glob("*/*/runs/**/*.log")
    (result,) = results(root, "runs").values()
    assert (log.stem, parameters_in(result)) == (result.run.run_id, {"lr": 0.5})


def test_what_is_written_while_it_is_imported_comes_the_next_time(tmp_path):
    source = TensorboardSource(tmp_path / "runs")
    path = write_event(tmp_path / "runs" / "a", scalar("loss", 1.0, 0))
    write_event(path.parent, Event(wall_time=1.7e9, graph_def=b""))
    (run,) = source.runs()
    write_event(path.parent, scalar("loss", 2.0, 1))
    with path.open("ab") as file:
        file.write(b"\0" * 5)
    (points,) = run.records()
    assert points.values.tolist() == [1.0]
    (file,) = run.files()
    with file.open() as opened:
        assert path.read_bytes().startswith(opened.read())
    assert import_runs(source, tmp_path / "root").is_complete
    report = import_runs(tmp_path / "runs", tmp_path / "root")
    assert (report.updated, report.is_complete) == (1, True)


def test_a_killed_import_continues_and_stores_nothing_twice(tmp_path):
    source, root = tmp_path / "runs", tmp_path / "root"
    for run in range(30):
        for step in range(40):
            path = write_event(source / f"r{run}", scalar("loss", step, step))
        with path.open("ab") as file:
            file.write(
                b"".join(encode_event_record(scalar("acc", s / 3, s).SerializeToString()) for s in range(400))
            )
    for logs in (3, 12):
        kill_an_import(source, root, logs)
    report = import_runs(source, root)
    assert report.is_complete, report
    assert report.created + report.unchanged == 30
    assert report.unchanged >= 10
    assert report.equal["numbers"] == 30 * 440
    assert len(list(root.glob("*/*/runs/**/*.log"))) == 30


# What a folder is taken for


def test_a_folder_is_known_by_its_event_files_wherever_they_are(tmp_path):
    write_event(tmp_path / "a" / "b" / "c", scalar("loss", 1.0, 0))
    done = CliRunner().invoke(main, ["import", str(tmp_path / "a"), str(tmp_path / "root")])
    assert done.exit_code == 0, done.output
    assert "(tensorboard): 1 run" in done.output
    (tmp_path / "empty").mkdir()
    with pytest.raises(StorageError, match="a folder with TensorBoard event files"):
        open_detected_source(tmp_path / "empty")


def test_a_root_of_legm_in_the_folder_is_not_imported_into_itself(tmp_path):
    write_event(tmp_path / "runs" / "a", scalar("loss", 1.0, 0))
    for new, before in ((1, 0), (0, 1)):
        report = import_runs(tmp_path, tmp_path / "results")
        assert (report.created, report.unchanged, report.kind) == (new, before, "tensorboard")
    assert open_detected_source(tmp_path / "results").kind == "legm"


def test_event_files_among_the_artifacts_of_other_stores_are_theirs(tmp_path):
    for name in ("mlruns/0/r/artifacts", "wandb/run-1/files", "results/e/0_0/tensorboard/r"):
        write_event(tmp_path / name, scalar("loss", 1.0, 0))
    (tmp_path / "results" / "e" / "0_0" / "params.yml").write_text("fingerprint: v1-0\n")
    for name in (".", "mlruns", "wandb", "results"):
        assert TensorboardSource.find_store(tmp_path / name) is None, name
    write_event(tmp_path / "logs", scalar("loss", 1.0, 0))
    assert [run.key for run in TensorboardSource(tmp_path).runs()] == ["logs"]


def test_a_folder_with_two_kinds_of_stores_is_an_error_that_names_both(tmp_path):
    write_event(tmp_path / "runs" / "a", scalar("loss", 1.0, 0))
    (tmp_path / "mlflow.db").write_bytes(b"SQLite format 3\0" + bytes(100))
    with pytest.raises(StorageError, match=r"name one of \S+mlflow\.db and \S+/runs$"):
        open_detected_source(tmp_path)
    assert open_detected_source(tmp_path / "runs").kind == "tensorboard"


# Damage and malice


def sound(folder: Path) -> bytes:
    """The bytes of an event file with ten numbers, a text and hyperparameters by a real writer."""
    with WRITERS["torch"](str(folder)) as made:
        for step in range(10):
            made.add_scalar("loss", step, step)
        made.add_text("note", "text", 1)
        made.add_hparams({"lr": 0.5}, {"acc": 1.0}, run_name=".")
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def everything(folder: Path) -> tuple[list[object], dict[str, int]]:
    """All that a source says of the runs in a folder, and its notes."""
    source = TensorboardSource(folder)
    found = [record for run in source.runs() for record in (run.parameters, *run.records(), *run.files())]
    return found, {remark: count for remark, count, _ in source.notes}


def test_a_truncated_file_is_used_up_to_its_end(tmp_path):
    whole = sound(tmp_path / "made")
    path = tmp_path / "runs" / "a" / "tfevents.1"
    path.parent.mkdir(parents=True)
    path.write_bytes(whole)
    ends, count = {0}, 0
    for at, message in read_tfrecords(path, len(whole), ImportNotes()):
        ends.add(at + len(message) + 16)
    assert max(ends) == len(whole)
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        found, notes = everything(tmp_path / "runs")
        points = sum(len(one) for one in found if isinstance(one, Points))
        assert points >= count
        count = points
        assert ("event files that end in the middle of a record were used up to there" in notes) == (
            size not in ends
        )
    assert count >= 10


def test_a_flipped_byte_costs_its_record_or_the_rest_of_the_file_and_is_reported(tmp_path):
    whole = sound(tmp_path / "made")
    path = tmp_path / "runs" / "a" / "tfevents.1"
    path.parent.mkdir(parents=True)
    path.write_bytes(whole)
    lost, (at, _) = 0, list(read_tfrecords(path, len(whole), ImportNotes()))[3]
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        found, notes = everything(tmp_path / "runs")
        reported = "damaged events were skipped" in notes
        assert reported or any("damaged lengths" in note for note in notes)
        if reported and place > at:
            lost += 1
            assert sum(len(one) for one in found if isinstance(one, Points)) >= 9
    assert lost > 100


def test_what_follows_a_damaged_event_is_read_on(tmp_path):
    for step in range(5):
        path = write_event(tmp_path / "runs" / "a", scalar("loss", step, step))
    data = bytearray(path.read_bytes())
    data[data.index(encode_event_record(scalar("loss", 2, 2).SerializeToString())) + 20] ^= 1
    path.write_bytes(data)
    report = import_runs(tmp_path / "runs", tmp_path / "root")
    assert report.is_complete
    (result,) = results(tmp_path / "root", "runs").values()
    assert curve(result, "loss") == [0, 1, 3, 4]
    ((count, place),) = report.omitted.values()
    assert (count, f"{path}, byte " in place) == (1, True)


def test_records_that_are_no_events_are_passed_over(tmp_path):
    rng = np.random.default_rng(0)
    event = scalar("loss", 1.0, 1).SerializeToString()
    path = write_event(tmp_path / "runs" / "a", scalar("loss", 1.0, 0))
    with path.open("ab") as file:
        for _ in range(2000):
            data = bytearray(event)
            for place in rng.integers(0, len(data), 3):
                data[place] = rng.integers(0, 256)
            file.write(encode_event_record(bytes(data[: rng.integers(0, len(data) + 1)])))
        for junk in (b"", b"\t", b"\x10" * 30, b"\xff" * 40, b"\t" + b"\x10" + b"\x80" * 30):
            file.write(encode_event_record(junk))
    assert import_runs(tmp_path / "runs", tmp_path / "root").is_complete
    assert path.exists()


@pytest.mark.parametrize("length", [2**60, 2**64 - 1, 200 << 20])
def test_a_length_that_claims_too_much_takes_no_memory(tmp_path, length):
    path = write_event(tmp_path / "runs" / "a", scalar("loss", 1.0, 0))
    head = length.to_bytes(8, "little")
    with path.open("ab") as file:
        file.write(head + encode_event_record(head)[8 + 4 + 8 :][:4])  # the check of what it frames
        if length < 1 << 30:
            file.truncate(file.tell() + length + 4)
    if length < 1 << 30:
        write_event(path.parent, scalar("loss", 2.0, 1))
    tracemalloc.start()
    report = import_runs(tmp_path / "runs", tmp_path / "root")
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()
    assert report.is_complete
    assert report.equal["numbers"] == (2 if length < 1 << 30 else 1)
    ((remark, _),) = report.omitted.items()
    kept = list((tmp_path / "root").glob("*/*/artifacts/*/events/*"))
    assert [one.stat().st_size for one in kept] == ([path.stat().st_size] if length < 1 << 30 else [])
    assert ("more than 64 MB" if length < 1 << 30 else "end in the middle") in remark


def test_an_event_file_that_cannot_be_read_costs_its_run_alone(tmp_path, monkeypatch):
    for name in ("a", "b"):
        write_event(tmp_path / "runs" / name, scalar("loss", 1.0, 0))
    opened = Path.open

    def refuse(self, *args, **kwargs):
        if self.parent.name == "a":
            raise PermissionError(13, "Permission denied")
        return opened(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    report = import_runs(tmp_path / "runs", tmp_path / "root")
    assert list(report.failed) == ["a"]
    assert (report.created, "permission is denied" in report.failed["a"]) == (1, True)


def test_tags_that_climb_stay_with_their_run(tmp_path):
    inside = tmp_path / "deep" / "er" / "root"
    tags = ["../../../../x", "/abs/x", "a/../../b", "", "C:\\x", "é", "a" * 300]
    for tag in tags:
        picture = {"tag": tag, "image": {"encoded_image_string": b"\x89PNG climbed"}}
        write_event(tmp_path / "runs" / "a", Event(wall_time=1.7e9, step=-1, summary={"value": [picture]}))
        write_event(tmp_path / "runs" / "a", scalar(tag, 1.0, 0))
    before = set(tmp_path.rglob("*"))
    report = import_runs(tmp_path / "runs", inside)
    assert report.is_complete, report
    (result,) = results(inside, "runs").values()
    assert len(result.histories) == len(tags)
    new = set(tmp_path.rglob("*")) - before
    assert all(path == tmp_path / "deep" or path.is_relative_to(inside.parent) for path in new)
    kept = [path for path in new if path.is_file() and path.read_bytes() == b"\x89PNG climbed"]
    assert len(kept) == 2  # that of the run, and a link to it for other runs
    assert len(media_in(inside, result)) == len(tags)
    assert all(path.resolve().is_relative_to(inside) for path in kept)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [*{name}, *{name}, *{name}, *{name}, *{name}, *{name}, *{name}, *{name}, *{name}]\n"
    for name, after in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "its aliases expand to more than 1000000 values"),
        (BOMB + "j: !!python/object/apply:evil [*i]\n", "its aliases expand to more than 1000000 values"),
        ("a: &a {b: *a}\n", "contains itself"),
        ("[" * 5000, "it is not valid YAML"),
        ("a: [", "line 2: it is not valid YAML"),
        ("- 1\n", "it is not a mapping"),
        ("a: " + "x" * (1 << 20), "larger than any"),
        ("a: !!int " + "9" * 5000, "it is not valid YAML"),
    ],
)
def test_hyperparameters_that_are_damaged_or_malicious_cost_their_run_alone(tmp_path, text, said):
    for name in ("a", "b"):
        write_event(tmp_path / "runs" / name, scalar("loss", 1.0, 0))
    (tmp_path / "runs" / "a" / "hparams.yaml").write_text(text)
    report = import_runs(tmp_path / "runs", tmp_path / "root")
    assert list(report.failed) == ["a"]
    assert said in report.failed["a"]
    assert "hparams.yaml" in report.failed["a"]
    assert report.created == 1


def test_tags_of_pythons_in_hyperparameters_make_plain_data_and_run_nothing(tmp_path):
    mark = tmp_path / "executed"
    write_event(tmp_path / "runs" / "a", scalar("loss", 1.0, 0))
    (tmp_path / "runs" / "a" / "hparams.yaml").write_text(
        f"""
evil: !!python/object/apply:os.system ['touch {mark}']
worse: !!python/object/new:subprocess.Popen {{args: [['touch', '{mark}']]}}
namespace: !!python/object:argparse.Namespace {{lr: 0.5, inner: {{x: 1}}}}
shape: !!python/tuple [1, 2]
name: !!python/name:torch.nn.ReLU ''
module: !!python/module:os ''
complex: !!python/complex 1+2j
long: !!python/long 5
none: !!python/none ''
unicode: !!python/unicode 'é'
other: !unheard [1]
base: &base {{k: v}}
merged: {{<<: *base, own: 1}}
day: 2020-01-02
1: one
""",
        encoding="utf-8",
    )
    report = import_runs(tmp_path / "runs", tmp_path / "root")
    assert report.is_complete, report
    assert not mark.exists()
    (result,) = results(tmp_path / "root", "runs").values()
    assert parameters_in(result) == {
        "evil": f"os.system(touch {mark})",
        "worse": f"subprocess.Popen(['touch', '{mark}'])",
        "namespace.lr": 0.5,
        "namespace.inner.x": 1,
        "shape": [1, 2],
        "name": "torch.nn.ReLU",
        "module": "os",
        "complex": {"legm:complex": [1.0, 2.0]},
        "long": 5,
        "none": None,
        "unicode": "é",
        "other": "!unheard(1)",
        "base.k": "v",
        "merged.<<.k": "v",
        "merged.own": 1,
        "day": "2020-01-02",
        "1": "one",
    }


def test_links_are_not_followed_and_a_cycle_of_them_ends(tmp_path):
    source = tmp_path / "runs"
    write_event(source / "a", scalar("loss", 1.0, 0))
    write_event(tmp_path / "outside", scalar("secret", 1.0, 0))
    (tmp_path / "outside" / "hparams.yaml").write_text("password: 1\n")
    (source / "a" / "loop").symlink_to(source)
    (source / "self").symlink_to("self")
    (source / "out").symlink_to(tmp_path / "outside")
    (source / "b").mkdir()
    (event_file,) = (tmp_path / "outside").glob("*tfevents*")
    (source / "b" / event_file.name).symlink_to(event_file)
    (source / "a" / "hparams.yaml").symlink_to(tmp_path / "outside" / "hparams.yaml")
    os.mkfifo(source / "a" / "tfevents.fifo")
    report = import_runs(source, tmp_path / "root")
    assert report.is_complete, report
    assert sorted(results(tmp_path / "root", "runs")) == ["a"]
    assert not [
        p for p, data in files_in(tmp_path / "root").items() if b"password" in data or b"secret" in data
    ]
    assert any("links" in remark for remark in report.omitted)


def test_times_that_are_no_times_do_not_stop_an_import(tmp_path):
    for at in (float("nan"), float("inf"), -1e300, 1e300, 0.0):
        write_event(tmp_path / "runs" / "a", scalar("loss", at, 0, at))
    report = import_runs(tmp_path / "runs", tmp_path / "root")
    assert report.is_complete, report
    (result,) = results(tmp_path / "root", "runs").values()
    assert result.run.started == 1_700_000_000.5


def test_memory_does_not_grow_with_the_number_of_runs(tmp_path):
    def write(runs: range) -> None:
        for run in runs:
            path = write_event(tmp_path / "runs" / f"r{run}", scalar("loss", 0, 0))
            rows = (scalar("loss", s, s).SerializeToString() for s in range(1000))
            path.write_bytes(path.read_bytes() + b"".join(map(encode_event_record, rows)))

    def peak(root: str) -> int:
        tracemalloc.start()
        try:
            assert import_runs(tmp_path / "runs", tmp_path / root).is_complete
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    write(range(1))
    peak("warm")
    write(range(1, 2))
    few = peak("few")
    write(range(2, 9))
    assert peak("many") < 1.3 * few


def test_numbers_come_in_batches(tmp_path):
    path = write_event(tmp_path / "runs" / "a", scalar("loss", 0, 0))
    rows = b"".join(
        encode_event_record(scalar(f"m{s % 3}", s, s).SerializeToString()) for s in range(150_000)
    )
    with path.open("ab") as file:
        file.write(rows)
    sizes = [
        len(one)
        for one in EventReader(ImportNotes()).read(path, path.stat().st_size)
        if isinstance(one, Points)
    ]
    assert (sum(sizes), max(sizes)) == (150_001, 1 << 16)
