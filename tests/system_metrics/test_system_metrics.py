"""System metrics: what the machine and the process use, shown with a run and never among its metrics."""

from __future__ import annotations

import builtins
import contextlib
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from legm import ExperimentHandler, LegmError, MetricError
from legm.records import Display, Points, Run
from legm.runlog.log_folder import find_logs
from legm.runlog.log_reader import read_log
from legm.system_metrics import sampler
from legm.system_metrics.gpus import GpuReader
from legm.system_metrics.machine import MachineReader
from legm.system_metrics.sampler import SystemSampler
from tests.support.waiting import until


def displays(root: Path) -> list[Display]:
    (log,) = find_logs(root)
    return [one for one in read_log(log).records if isinstance(one, Display)]


def test_a_run_has_system_metrics_and_they_are_none_of_its_metrics(tmp_path):
    with ExperimentHandler(tmp_path, "e", system_metrics=True) as handler:
        handler.start()
        handler.set_metric("loss", 1.0)
        run_id = handler.run_id
    found = {one.name: one.value for one in displays(tmp_path)}
    assert {
        "system/cpu_utilization_percentage",
        "system/system_memory_usage_percentage",
        "system/disk_available_megabytes",
        "system/network_receive_megabytes",
        "system/process_cpu_percentage",
        "system/process_memory_megabytes",
    } <= set(found)
    assert 0 < found["system/system_memory_usage_percentage"] < 100
    assert found["system/process_memory_megabytes"] > 10
    (log,) = find_logs(tmp_path)
    points = [one for one in read_log(log).records if isinstance(one, Points)]
    assert {series.name for one in points for layout in one.layouts for series in layout} == {"loss"}
    assert set(handler.aggregate_results()) == {"best_loss"}
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (folder,) = tmp_path.glob(f"e/*/tensorboard/*{run_id[-6:]}*")
    shown = EventAccumulator(str(folder)).Reload()
    assert "system/process_memory_megabytes" in shown.Tags()["scalars"]


def test_samples_come_until_the_run_ends_at_whole_seconds_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sampler, "_INTERVAL", 0.05)
    records: list[Display] = []
    run = SimpleNamespace(started=time.time() - 100)
    owner = ModuleType("owner")
    one = SystemSampler(run, tmp_path, records.append, owner, interval=0.05)
    until(lambda: len({record.time for record in records}) >= 3)
    assert one.end() == []
    taken = len(records)
    assert not one._thread.is_alive()  # noqa: SLF001 - nothing comes any more
    assert len(records) == taken
    assert {record.step for record in records} <= set(range(100, 200))


def test_a_sample_is_taken_every_15_seconds(tmp_path, monkeypatch):
    """The clock is set forward by what is waited for, and the run ends at the fifth time."""
    waited: list[float] = []

    class Clock(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            waited.append(timeout)
            return len(waited) == 5

    monkeypatch.setattr(sampler, "threading", SimpleNamespace(Event=Clock, Thread=threading.Thread))
    monkeypatch.setattr(sampler, "time", SimpleNamespace(time=lambda: 1_000.0 + sum(waited)))
    records: list[Display] = []
    owner = ModuleType("owner")
    one = SystemSampler(SimpleNamespace(started=1_000.0), tmp_path, records.append, owner)
    until(lambda: not one._thread.is_alive())  # noqa: SLF001 - it has no other name
    assert waited == [15.0] * 5
    assert sorted({record.step for record in records}) == [15, 30, 45, 60, 75]


def test_the_thread_ends_with_a_handler_that_is_dropped(tmp_path):
    before = {*threading.enumerate()}
    handler = ExperimentHandler(tmp_path, "e", system_metrics=True).start()
    (thread,) = [one for one in {*threading.enumerate()} - before if one.name == "legm-system"]
    assert thread.is_alive()
    del handler
    until(lambda: not thread.is_alive())


def test_children_are_counted(tmp_path):
    reader = MachineReader(tmp_path)
    alone = reader.read()["process_memory_megabytes"]
    code = "block = bytearray(b'x' * 100_000_000); print('there', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout.readline() == b"there\n"
        found = reader.read()
        child.communicate(b"\n")
    assert found["process_memory_megabytes"] > alone + 90
    assert found["process_cpu_percentage"] > 0


def test_other_threads_may_run_after_each_process_that_is_read(tmp_path, monkeypatch):
    """However many children a training has, it never waits until all of them have been read."""
    done: list[str] = []

    class Child:
        """Notes that it is read, and uses nothing."""

        pid = 1

        def oneshot(self) -> contextlib.AbstractContextManager[None]:
            done.append("read")
            return contextlib.nullcontext()

        def create_time(self) -> float:
            return float(len(done))

        def cpu_times(self) -> SimpleNamespace:
            return SimpleNamespace(user=0.0, system=0.0)

        def memory_info(self) -> SimpleNamespace:
            return SimpleNamespace(rss=1_000_000)

    reader = MachineReader(tmp_path, lambda: done.append("pause"))
    done.clear()
    monkeypatch.setattr(reader, "_children", lambda: [Child() for _ in range(300)])
    found = reader.read()
    assert done == ["pause", *["read", "pause"] * 300]  # its own process first
    assert found["process_memory_megabytes"] > 300


def test_what_a_process_writes_is_counted_from_the_begin_of_the_run(tmp_path):
    reader = MachineReader(tmp_path)
    assert reader.read()["process_disk_write_megabytes"] < 1
    with (tmp_path / "data").open("wb") as file:
        file.write(b"x" * 20_000_000)
    written = reader.read()["process_disk_write_megabytes"]
    assert written == pytest.approx(20, abs=2) or written == 0  # a file system in memory counts nothing


def test_trouble_ends_the_sampling_and_not_the_training(tmp_path, monkeypatch, caplog):
    def broken(self):
        raise RuntimeError("no such device")

    monkeypatch.setattr(MachineReader, "read", broken)
    with ExperimentHandler(tmp_path, "e", system_metrics=True) as handler:
        handler.start()
        handler.set_metric("loss", 1.0)
    assert caplog.text.count("system metrics are no longer recorded: RuntimeError: no such device") == 1


def test_without_psutil_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(sampler.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LegmError, match=r"pip install 'legm\[system\]'"):
        ExperimentHandler(tmp_path, "e", system_metrics=True)
    ExperimentHandler(tmp_path, "e")


# GPUs: there is none here, so a stand-in has the interface of NVIDIA's bindings


class NVMLError(Exception):
    """As NVIDIA's bindings raise it."""


def library(gpus: int = 2, **replaced) -> ModuleType:
    """NVIDIA's bindings as a machine with some GPUs answers through them."""
    found = ModuleType("pynvml")

    def of(index):
        return {
            "nvmlInit": lambda: None,
            "nvmlDeviceGetCount": lambda: gpus,
            "nvmlDeviceGetHandleByIndex": lambda index: index,
            "nvmlDeviceGetUUID": lambda gpu: f"GPU-{gpu}abc",
            "nvmlDeviceGetUtilizationRates": lambda gpu: SimpleNamespace(gpu=10 + gpu, memory=5),
            "nvmlDeviceGetMemoryInfo": lambda gpu: SimpleNamespace(used=2_000_000_000, total=8_000_000_000),
            "nvmlDeviceGetTemperature": lambda gpu, sensor: 60 + gpu + sensor,
            "nvmlDeviceGetPowerUsage": lambda gpu: 150_000,
            "nvmlDeviceGetEnforcedPowerLimit": lambda gpu: 300_000,
        }[index]

    for name in (
        "nvmlInit",
        "nvmlDeviceGetCount",
        "nvmlDeviceGetHandleByIndex",
        "nvmlDeviceGetUUID",
        "nvmlDeviceGetUtilizationRates",
        "nvmlDeviceGetMemoryInfo",
        "nvmlDeviceGetTemperature",
        "nvmlDeviceGetPowerUsage",
        "nvmlDeviceGetEnforcedPowerLimit",
    ):
        setattr(found, name, replaced.get(name, of(name)))
    found.NVMLError = NVMLError
    found.NVML_TEMPERATURE_GPU = 0
    return found


def refused(*_):
    raise NVMLError("not supported")


def test_gpus_are_read_with_use_memory_temperature_and_power(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setitem(sys.modules, "pynvml", library())
    assert GpuReader().read() == {
        f"gpu_{index}_{name}": value
        for index in (0, 1)
        for name, value in {
            "utilization_percentage": 10.0 + index,
            "memory_usage_megabytes": 2000.0,
            "memory_usage_percentage": 25.0,
            "temperature_celsius": 60.0 + index,
            "power_usage_watts": 150.0,
            "power_usage_percentage": 50.0,
        }.items()
    }


@pytest.mark.parametrize(("visible", "read"), [("1", {1}), ("GPU-0a", {0}), ("", set()), ("0,1", {0, 1})])
def test_only_the_gpus_that_cuda_shows_are_read(monkeypatch, visible, read):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setitem(sys.modules, "pynvml", library())
    assert {int(name.split("_")[1]) for name in GpuReader().read()} == read


def test_what_a_gpu_does_not_show_is_missing(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setitem(sys.modules, "pynvml", library(1, nvmlDeviceGetPowerUsage=refused))
    assert set(GpuReader().read()) == {
        "gpu_0_utilization_percentage",
        "gpu_0_memory_usage_megabytes",
        "gpu_0_memory_usage_percentage",
        "gpu_0_temperature_celsius",
    }


def test_without_a_driver_or_bindings_there_are_no_gpus(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", library(nvmlInit=refused))
    assert GpuReader().read() == {}
    monkeypatch.delitem(sys.modules, "pynvml")
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name == "pynvml":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    assert GpuReader().read() == {}


@pytest.mark.libraries
def test_the_names_are_all_those_that_mlflow_gives_its_own(tmp_path, monkeypatch):
    from mlflow.system_metrics.metrics import cpu_monitor, disk_monitor, gpu_monitor, network_monitor

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setitem(sys.modules, "pynvml", library())
    monkeypatch.setattr(gpu_monitor, "pynvml", library(), raising=False)
    monitors = [
        cpu_monitor.CPUMonitor(),
        disk_monitor.DiskMonitor(),
        network_monitor.NetworkMonitor(),
        gpu_monitor.GPUMonitor(),
    ]
    for one in monitors:
        one.collect_metrics()
    own = {name: value for one in monitors for name, value in one.aggregate_metrics().items()}
    found = {**MachineReader(tmp_path).read(), **GpuReader().read()}
    assert own.keys() - found.keys() == set()
    gpus = {name: value for name, value in own.items() if name.startswith("gpu")}
    assert {name: found[name] for name in gpus} == gpus


def test_mlflow_shows_them_under_its_own_names_and_gives_them_back(mlflow_store, tmp_path):
    from mlflow import MlflowClient

    from legm.backends.mlflow.names import mlflow_sqlite_uri
    from legm.importers import import_runs

    with ExperimentHandler(mlflow_store, "e", backend="mlflow", system_metrics=True) as handler:
        handler.start()
        handler.set_metric("loss", 1.0)
    client = MlflowClient(mlflow_sqlite_uri(mlflow_store / "mlflow.db"))
    found = [
        run.data.metrics
        for experiment in client.search_experiments()
        for run in client.search_runs([experiment.experiment_id])
    ]
    (metrics,) = [one for one in found if "dev/loss" in one]
    assert 0 < metrics["system/system_memory_usage_percentage"] < 100
    with pytest.raises(MetricError):  # read back, they are not among the metrics
        handler.get_best("system/system_memory_usage_percentage")
    root = tmp_path / "imported"
    assert import_runs(mlflow_store / "mlflow.db", root).is_complete
    assert "system/process_memory_megabytes" in {one.name for one in displays(root)}


def test_system_metrics_that_mlflow_recorded_itself_are_imported_as_such(mlflow_store, tmp_path):
    from mlflow import MlflowClient

    from legm.backends.mlflow.names import mlflow_sqlite_uri
    from legm.importers import import_runs
    from tests.support.local_runs import local_runs

    client = MlflowClient(mlflow_sqlite_uri(mlflow_store / "mlflow.db"))
    run_id = client.create_run(client.create_experiment("foreign")).info.run_id
    for step in range(3):
        client.log_metric(run_id, "loss", 1.0 / (step + 1), step=step)
        client.log_metric(run_id, "system/cpu_utilization_percentage", 10.0 * step, step=step)
    client.set_terminated(run_id)
    root = tmp_path / "imported"
    assert import_runs(mlflow_store / "mlflow.db", root).is_complete
    (run,) = local_runs(root)
    assert {series.name for series in run.histories} == {"loss"}
    assert [(one.name, one.value, one.step) for one in displays(root)] == [
        ("system/cpu_utilization_percentage", 10.0 * step, step) for step in range(3)
    ]
    assert isinstance(run.run, Run)


_MEBIBYTE = 1 << 20
_WANDB = {  # W&B's name of each, and W&B's unit of those in megabytes
    "system/process_cpu_utilization_percentage": ("system/cpu", None),
    "system/system_memory_usage_percentage": ("system/memory_percent", None),
    "system/system_memory_usage_megabytes": ("system/memory.used", 1),
    "system/process_memory_megabytes": ("system/proc.memory.rssMB", _MEBIBYTE),
    "system/disk_usage_percentage": ("system/disk.root_directory.usagePercent", None),
    "system/disk_usage_megabytes": ("system/disk.root_directory.usageGB", 1024 * _MEBIBYTE),
    "system/network_receive_megabytes": ("system/network.recv", 1),
    "system/network_transmit_megabytes": ("system/network.sent", 1),
    "system/gpu_1_utilization_percentage": ("system/gpu.1.gpu", None),
    "system/gpu_1_memory_usage_megabytes": ("system/gpu.1.memoryAllocatedBytes", 1),
    "system/gpu_1_memory_usage_percentage": ("system/gpu.1.memoryAllocated", None),
    "system/gpu_1_temperature_celsius": ("system/gpu.1.temp", None),
    "system/gpu_1_power_usage_watts": ("system/gpu.1.powerWatts", None),
    "system/gpu_1_power_usage_percentage": ("system/gpu.1.powerPercent", None),
}


@pytest.mark.libraries
@pytest.mark.usefixtures("wandb_home")
def test_tensorboard_and_wandb_show_each_value_and_wandb_gives_it_back(tmp_path, monkeypatch):
    """TensorBoard under legm's names, W&B under those of its own monitor and in its units."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from legm.importers import import_runs
    from tests.support.wandb_log import RunLog

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setitem(sys.modules, "pynvml", library())
    backends = {"backend": ["local", "wandb"], "backend_options": {"wandb": {"mode": "offline"}}}
    with ExperimentHandler(tmp_path, "e", system_metrics=True, **backends) as handler:
        handler.start()
        handler.set_metric("loss", 1.0)
    recorded = displays(tmp_path)
    expected = {one.name: one.value for one in recorded}
    assert _WANDB.keys() <= expected.keys()
    (folder,) = {path.parent for path in tmp_path.rglob("events.out.tfevents.*")}
    reader = EventAccumulator(str(folder))
    reader.Reload()
    drawn = {name: reader.Scalars(name)[-1].value for name in expected}  # with 32 bits
    assert drawn == pytest.approx(expected, rel=1e-6)
    (run,) = {path.parent for path in tmp_path.rglob("run-*.wandb")}
    rows = RunLog(run).rows
    shown = {name: value for row in rows for name, value in row.items() if name.startswith("system/")}
    own_names = {_WANDB.get(name, (name,))[0]: name for name in expected}
    assert shown.keys() == own_names.keys()
    for key, name in own_names.items():
        unit = _WANDB.get(name, ("", None))[1]
        assert shown[key] == (expected[name] if unit is None else pytest.approx(expected[name] * 1e6 / unit))
    root = tmp_path / "imported"
    assert import_runs(run.parent, root).is_complete
    assert sorted(displays(root), key=str) == sorted(recorded, key=str)  # bit for bit


@pytest.mark.libraries
def test_the_names_in_wandb_are_those_that_its_own_viewer_has_charts_for():
    import wandb

    program = Path(wandb.__file__).parent / "bin" / "wandb-core"
    patterns = re.findall(rb"\^[a-z][\w.\\+\[\]^]{2,60}\(/l:\.\+\)\?\$", program.read_bytes())
    if not patterns:
        pytest.skip("this version of W&B has no viewer of its own")
    known = [re.compile(one.decode()) for one in patterns]
    keys = [key.removeprefix("system/") for key, _ in _WANDB.values()]
    assert [key for key in keys if not any(one.match(key) for one in known)] == []
