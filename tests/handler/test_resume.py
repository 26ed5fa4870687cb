"""A run that survives its process: resumed, rewound, ended by hand."""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from legm import ExperimentHandler, MetricError, ParameterError, StateError, StorageError
from legm.core.run_environment import run_stretches
from legm.records import RunResult, Status
from legm.runlog import log_writer
from legm.runlog.log_folder import LogFolder, find_logs
from legm.runlog.log_reader import read_log
from tests.support.prepared import Prepared
from tests.support.processes import run_at_once
from tests.support.reading import runs_of


def make(root: Path, description: str | None = None, **params) -> ExperimentHandler:
    handler = ExperimentHandler(root, "e", description)
    handler.set_dict_params({"lr": 0.1, "seed": 0, **params})
    handler.disable_param("seed")
    return handler


SCRIPT = """
import os, sys
from legm import ExperimentHandler
handler = ExperimentHandler(sys.argv[1], "e")
handler.set_dict_params({"lr": 0.1, "seed": 0})
handler.disable_param("seed")
handler.start(resume=True)
handler.set_best("early_stopping", metric="loss", higher_better=False)
for step in range(10):
    handler.set_metric("loss", abs(step - 4) / 10)
    handler.set_metric("epoch_loss", step, step=step)
handler.set_metric("accuracy", 0.5, test=True)
handler.tensorboard_write("note", 1.0, 9)
handler.flush()
os.kill(os.getpid(), 9)
"""


def killed(prepared: Prepared, root: Path) -> None:
    """Leave a run behind as a kill does."""
    assert prepared.run(["-c", SCRIPT, root]).returncode == -signal.SIGKILL


def series(result: RunResult, name: str = "loss") -> dict[int, float]:
    (found,) = (history for one, history in result.histories.items() if one.name == name)
    return dict(zip(found.steps.tolist(), found.values.tolist(), strict=True))


def the_run(root: Path) -> RunResult:
    (found,) = runs_of(root)
    return found


# Resuming


def test_a_killed_run_is_resumed_with_everything_that_was_set(tmp_path, prepared_core):
    killed(prepared_core, tmp_path)
    (log,) = find_logs(tmp_path)

    handler = make(tmp_path)
    handler.start(resume=True)

    assert (handler.run_id, handler.is_resumed, handler.last_step) == (log.stem, True, 9)
    handler.set_metric("loss", 7.0)
    assert handler.last_step == 10
    result = handler.log()
    assert series(result)[10] == 7.0
    assert len(series(result)) == 11
    assert result.best_step == 4
    assert list(result.test.values()) == [0.5]
    assert the_run(tmp_path).status is Status.COMPLETED


def test_a_new_run_begins_where_there_is_none_to_resume(tmp_path):
    handler = make(tmp_path).start(resume=True, rewind_to=3)

    assert (handler.is_resumed, handler.last_step) == (False, None)


def test_positions_count_on_from_what_is_there(tmp_path, prepared_core):
    killed(prepared_core, tmp_path)
    handler = make(tmp_path).start(resume=True, rewind_to=5)

    handler.set_dict_metrics({"loss": 1.0, "new": 2.0})

    result = handler.log()
    assert series(result)[6] == 1.0
    assert series(result, "new") == {0: 2.0}
    assert handler.last_step == 6


@pytest.mark.parametrize(
    ("other", "status"),
    [
        ({"seed": 1}, "failed"),
        ({"lr": 0.2}, "failed"),
        ({"description": "x"}, "failed"),
        ({}, "completed"),
        ({}, "pruned"),
    ],
)
def test_only_an_unfinished_run_with_these_parameters_seeds_and_description_is_resumed(
    tmp_path, other, status
):
    first = make(tmp_path).start()
    first.set_metric("loss", 1.0)
    first.end(status)

    assert not make(tmp_path, **other).start(resume=True).is_resumed


def test_a_resumed_failed_run_has_no_error(tmp_path):
    with pytest.raises(ZeroDivisionError), make(tmp_path).start() as handler:
        handler.set_metric("loss", 1 / 0)

    with make(tmp_path).start(resume=True) as handler:
        handler.set_metric("loss", 1.0)

    assert handler.run_id is None
    assert (the_run(tmp_path).status, the_run(tmp_path).error) == (Status.COMPLETED, None)


def test_the_newest_of_several_is_resumed(tmp_path):
    for _ in range(3):
        make(tmp_path).start().end("interrupted")

    handler = make(tmp_path).start(resume=True)

    assert handler.run_id == max(path.stem for path in find_logs(tmp_path))


def test_a_run_that_a_living_process_holds_is_never_taken(tmp_path):
    first = make(tmp_path).start()
    first.set_metric("loss", 1.0)

    second = make(tmp_path).start(resume=True)

    assert second.run_id != first.run_id
    with pytest.raises(StateError, match="while a process is writing it"):
        make(tmp_path).start(resume=first.run_id)


@pytest.mark.slow
def test_processes_that_ask_at_once_get_different_runs(tmp_path):
    for _ in range(2):
        make(tmp_path).start().end("interrupted")
    code = """
from pathlib import Path
handler = ExperimentHandler(sys.argv[1], "e")
handler.set_dict_params({"lr": 0.1, "seed": 0})
handler.disable_param("seed")
handler.start(resume=True)
handler.set_metric("loss", 1.0)
Path(sys.argv[1], f"{os.getpid()}.txt").write_text(f"{handler.run_id} {handler.is_resumed}")
while len(list(Path(sys.argv[1]).glob("*.txt"))) < 4:
    os.sched_yield()
handler.log()
"""
    run_at_once(code, [[tmp_path]] * 4, "from legm import ExperimentHandler", timeout=60)

    found = [path.read_text().split() for path in tmp_path.glob("*.txt")]
    assert len({run_id for run_id, _ in found}) == 4
    assert sorted(resumed for _, resumed in found) == ["False", "False", "True", "True"]
    assert len(runs_of(tmp_path)) == 4


def test_a_claim_replaces_the_interrupted_run(tmp_path, prepared_core):
    killed(prepared_core, tmp_path)
    handler = make(tmp_path)

    with handler.claim(1) as ok:
        assert ok
        with handler.start(resume=True):
            assert handler.is_resumed
            assert not make(tmp_path).should_run(1)

    assert [run.status for run in runs_of(tmp_path)] == [Status.COMPLETED]


def test_a_run_that_should_run_is_the_interrupted_one_again(tmp_path, prepared_core):
    killed(prepared_core, tmp_path)
    handler = make(tmp_path)

    assert handler.should_run(1)
    handler.start(resume=True)

    assert handler.is_resumed
    assert not make(tmp_path).should_run(1)
    handler.log()
    assert not make(tmp_path).should_run(1)


def test_a_run_is_resumed_where_its_folder_was_moved(tmp_path, prepared_core):
    killed(prepared_core, tmp_path)
    (folder,) = (path for path in (tmp_path / "e").iterdir() if (path / "params.yml").exists())
    folder.rename(folder.with_name("renamed"))

    with make(tmp_path).start(resume=True) as handler:
        assert handler.is_resumed
        handler.set_metric("loss", 1.0)

    assert the_run(tmp_path).status is Status.COMPLETED
    assert (folder.with_name("renamed") / "metrics.yml").exists()
    assert not folder.exists()


def test_a_run_is_resumed_although_the_clock_was_set_back(tmp_path, monkeypatch, prepared_core):
    killed(prepared_core, tmp_path)
    started = the_run(tmp_path).run.started
    monkeypatch.setattr("time.time", lambda: started - 1000.0)

    with make(tmp_path).start(resume=True) as handler:
        handler.set_metric("loss", 1.0, step=10)

    result = the_run(tmp_path)
    assert (result.status, result.last_step) == (Status.COMPLETED, 10)


ON_HOST = ("unshare", "--uts", "sh", "-c", 'hostname "$0"; exec "$@"')
"""Runs a command on a host of this name: in a namespace of its own, where a user may make one."""


def may_run_on_another_host() -> bool:
    return shutil.which("hostname") is not None and (
        shutil.which("unshare") is not None
        and subprocess.run([*ON_HOST, "other", "true"], capture_output=True, check=False).returncode == 0
    )


@pytest.mark.skipif(
    not may_run_on_another_host(), reason="this user may not give a process another host name"
)
@pytest.mark.slow
def test_a_process_on_another_host_resumes_the_run(tmp_path, monkeypatch):
    monkeypatch.setenv("LEGM_PROVENANCE", "1")
    log = SCRIPT.replace("os.kill(os.getpid(), 9)", "handler.log()")
    ended = [
        subprocess.run([*ON_HOST, host, sys.executable, "-c", script, tmp_path], check=False).returncode
        for host, script in (("first-host", SCRIPT), ("second-host", log))
    ]
    assert ended == [-signal.SIGKILL, 0]
    result = the_run(tmp_path)
    assert [one["host"] for one in run_stretches(result.run)] == ["first-host", "second-host"]
    assert result.status is Status.COMPLETED
    assert series(result) == {step: abs(step % 10 - 4) / 10 for step in range(20)}


def test_another_host_and_parameters_are_noted_for_the_stretch(tmp_path, monkeypatch, prepared_core):
    monkeypatch.setenv("LEGM_PROVENANCE", "1")
    killed(prepared_core, tmp_path)
    monkeypatch.setattr("platform.node", lambda: "elsewhere")
    handler = make(tmp_path, device="cuda:1")
    handler.disable_param("device")

    with handler.start(resume=True):
        handler.set_metric("loss", 1.0)

    run = the_run(tmp_path).run
    first, second = run_stretches(run)
    assert first["host"] != "elsewhere"
    assert (second["host"], second["parameters"]) == ("elsewhere", {"device": "cuda:1"})
    assert run.environment["host"] == "elsewhere"
    assert run.parameters == {"seed": 0}


# By its id


@pytest.mark.parametrize("status", ["failed", "pruned", "interrupted"])
def test_an_unfinished_run_is_resumed_by_its_id_and_completed(tmp_path, status):
    first = make(tmp_path).start()
    first.set_metric("loss", 1.0)
    run_id = first.run_id
    first.end(status, "why")

    with make(tmp_path).start(resume=run_id) as second:
        assert (second.run_id, second.is_resumed, second.last_step) == (run_id, True, 0)
        second.set_metric("loss", 0.5)

    found = the_run(tmp_path)
    assert (found.status, found.error, series(found)) == (Status.COMPLETED, None, {0: 1.0, 1: 0.5})


def test_a_run_is_resumed_by_the_end_of_its_id_whatever_its_status(tmp_path):
    first = make(tmp_path).start()
    first.set_metric("loss", 1.0)
    run_id = first.run_id
    first.end()

    second = make(tmp_path).start(resume=run_id[-6:])

    assert (second.run_id, second.is_resumed) == (run_id, True)
    assert the_run(tmp_path).status is Status.COMPLETED  # nothing new was set yet
    second.set_metric("loss", 0.5)
    second.log()
    assert series(the_run(tmp_path)) == {0: 1.0, 1: 0.5}


def test_an_id_that_fits_no_run_is_an_error_that_says_why(tmp_path, prepared_core):
    killed(prepared_core, tmp_path)
    run_id = the_run(tmp_path).run.run_id

    with pytest.raises(ParameterError, match=f"there is no run '{run_id[:-1]}!'.*{run_id}"):
        make(tmp_path).start(resume=run_id[:-1] + "!")
    with pytest.raises(ParameterError, match=r"is of another configuration .*: lr: 0\.1 \| 0\.5"):
        make(tmp_path, lr=0.5).start(resume=run_id)
    with pytest.raises(ParameterError, match="seed was 0 and is 3"):
        make(tmp_path, seed=3).start(resume=run_id)
    with pytest.raises(ParameterError, match="its description is '', and this handler's is 'x'"):
        make(tmp_path, "x").start(resume=run_id)
    with pytest.raises(ParameterError, match="must be True, False, or the id"):
        make(tmp_path).start(resume="")


def test_a_repaired_log_is_not_resumed_since_new_values_could_be_lost_in_it(tmp_path, caplog, prepared_core):
    killed(prepared_core, tmp_path)
    (log,) = find_logs(tmp_path)
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 1
    log.write_bytes(data)

    with pytest.raises(StorageError, match=log.name):
        make(tmp_path).start(resume=log.stem)
    assert not make(tmp_path).start(resume=True).is_resumed
    assert f"the run {log.stem} cannot be resumed" in caplog.text


# Logs that cannot be resumed


def test_a_log_that_is_moved_meanwhile_is_still_that_of_its_own_seed(tmp_path, monkeypatch):
    make(tmp_path, seed=1).start().end("interrupted")
    (log,) = find_logs(tmp_path)
    ours = LogFolder.containing(log).pending_path(log.stem)
    log.rename(ours)  # as a process leaves it that was killed
    logs_being_written = log_writer.logs_being_written

    def finalized_by_another_process(paths, **options):
        found = logs_being_written(paths, **options)
        if ours.exists():
            ours.rename(log)
        return found

    monkeypatch.setattr(log_writer, "logs_being_written", finalized_by_another_process)

    assert not make(tmp_path, seed=0).start(resume=True).is_resumed
    log.rename(ours)
    second = make(tmp_path, seed=1).start(resume=True)
    assert (second.run_id, second.is_resumed) == (log.stem, True)


def link_to_elsewhere(folder: Path, root: Path) -> None:
    folder.rename(root / "elsewhere")
    folder.symlink_to(root / "elsewhere", target_is_directory=True)


@pytest.mark.parametrize("above", [1, 2], ids=["configuration", "experiment"])
def test_a_run_is_resumed_where_a_folder_above_its_logs_is_a_link(tmp_path, above):
    make(tmp_path).start().end("interrupted")
    (log,) = find_logs(tmp_path)
    folder = log.parents[above]
    link_to_elsewhere(folder, tmp_path)

    with make(tmp_path).start(resume=True) as handler:
        assert (handler.run_id, handler.is_resumed) == (log.stem, True)
        handler.set_metric("loss", 1.0)

    assert the_run(tmp_path).status is Status.COMPLETED
    assert folder.is_symlink()


def test_a_folder_of_logs_that_is_a_link_is_not_written_through(tmp_path):
    make(tmp_path).start().end("interrupted")
    (log,) = find_logs(tmp_path)
    before = log.read_bytes()
    link_to_elsewhere(log.parent, tmp_path)

    with pytest.raises(StorageError, match=f"{log.parent} is a link"):
        make(tmp_path).start(resume=True)

    assert log.read_bytes() == before
    assert [path.name for path in (tmp_path / "elsewhere").glob("*.log")] == [log.name]


def test_a_log_with_a_damaged_beginning_is_reported_and_an_older_run_is_resumed(tmp_path, caplog):
    for _ in range(2):
        make(tmp_path).start().end("interrupted")
    older, newer = sorted(find_logs(tmp_path))
    newer.write_bytes(b"something else")

    handler = make(tmp_path).start(resume=True)

    assert handler.run_id == older.stem
    assert f"the run {newer.stem} cannot be resumed: {newer}, byte 0: it is not a run log" in caplog.text


def test_a_log_that_may_not_be_written_is_no_running_one(tmp_path, caplog):
    make(tmp_path).start().end("interrupted")
    (log,) = find_logs(tmp_path)
    log.rename(tmp_path / "kept.log")
    log.symlink_to(tmp_path / "kept.log")  # a log that is a link is read, and never written

    with pytest.raises(StorageError, match=f"cannot write the run log {log}"):
        make(tmp_path).start(resume=log.stem)
    assert not make(tmp_path).start(resume=True).is_resumed
    assert f"the run {log.stem} cannot be resumed: cannot write the run log {log}" in caplog.text


OF_ANOTHER_USER = """
import tempfile
with tempfile.TemporaryDirectory() as elsewhere:  # imports all that is imported on first use
    for _ in range(2):
        ExperimentHandler(elsewhere, "e").start(resume=True).end("interrupted")
os.setuid(65534)
handler = ExperimentHandler(sys.argv[1], "e")
handler.set_dict_params({"lr": 0.1, "seed": 0})
handler.disable_param("seed")
try:
    handler.start(resume=sys.argv[2])
except LegmError as error:
    open(sys.argv[3], "w").write(f"{type(error).__name__} {error}")
"""


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else")
def test_the_run_of_another_user_cannot_be_resumed_for_lack_of_permission():
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to others
        root = Path(folder) / "root"
        make(root).start().end("interrupted")
        (log,) = find_logs(root)
        for path in (Path(folder), *root.rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o444)
        imports = "from legm import ExperimentHandler, LegmError"
        run_at_once(OF_ANOTHER_USER, [[root, log.stem, Path(folder) / "said"]], imports, timeout=60)

        said = (Path(folder) / "said").read_text()
    assert said.startswith(f"StorageError cannot write the run log {log}: permission is denied")


# By the environment


def test_a_script_that_does_not_ask_resumes_as_the_environment_says(
    tmp_path, monkeypatch, caplog, prepared_core
):
    killed(prepared_core, tmp_path)
    run_id = the_run(tmp_path).run.run_id

    for text in ("auto", " Auto ", "1", "true"):
        monkeypatch.setenv("LEGM_RESUME", text)
        assert make(tmp_path).start().run_id == run_id
    for text in ("", "0", "no", "OFF"):
        monkeypatch.setenv("LEGM_RESUME", text)
        assert not make(tmp_path).start().is_resumed
    monkeypatch.setenv("LEGM_RESUME", "auto")
    assert make(tmp_path).start(resume=False).run_id != run_id
    monkeypatch.setenv("LEGM_RESUME", run_id)
    assert make(tmp_path).start().run_id == run_id
    other = make(tmp_path, lr=0.5).start()
    assert not other.is_resumed
    assert "is of another configuration" in caplog.text


def test_a_run_that_has_begun_is_no_other_one(tmp_path, prepared_core):
    killed(prepared_core, tmp_path)
    run_id = the_run(tmp_path).run.run_id
    handler = make(tmp_path).start()

    for resume in (True, run_id):
        with pytest.raises(StateError, match="during a run"):
            handler.start(resume=resume)

    assert handler.start() is handler
    assert handler.start(resume=handler.run_id) is handler
    assert not handler.is_resumed


# Rewinding


def test_a_rewind_voids_later_values_at_once(tmp_path):
    handler = make(tmp_path).start()
    for step in range(10):
        handler.set_metric("loss", step, step=step)
    handler.set_metric("accuracy", 0.25, test=True)

    handler.rewind(4)

    assert handler.last_step == 4
    handler.set_metric("loss", 50.0)
    result = handler.log()
    assert series(result) == {0: 0.0, 1: 1.0, 2: 2.0, 3: 3.0, 4: 4.0, 5: 50.0}
    assert (result.points, list(result.test.values())) == (7, [0.25])
    assert series(the_run(tmp_path)) == series(result)


def test_the_log_of_a_run_that_is_resumed_and_rewound_is_only_appended_to(tmp_path, prepared_core):
    killed(prepared_core, tmp_path)
    (log,) = find_logs(tmp_path)
    whole = log.read_bytes()[: read_log(log).end]

    for step in (7, 3):
        handler = make(tmp_path).start(resume=True, rewind_to=step)
        handler.set_metric("epoch_loss", -1.0, step=step + 1)
        handler.rewind(step)
        handler.flush()
        handler.end("interrupted")
        (log,) = find_logs(tmp_path)
        before, whole = whole, log.read_bytes()
        assert whole.startswith(before)
        assert len(whole) > len(before)


def test_a_completed_run_that_is_rewound_counts_when_it_is_logged_again(tmp_path):
    handler = make(tmp_path).start()
    for step in range(4):
        handler.set_metric("loss", step, step=step)
    handler.log()

    handler.rewind(1)
    handler.log()

    assert series(the_run(tmp_path)) == {0: 0.0, 1: 1.0}


@pytest.mark.parametrize("step", [1.5, "x", math.nan, 2**63])
def test_a_step_that_is_none_is_an_error(tmp_path, step):
    handler = make(tmp_path).start()

    with pytest.raises(MetricError, match="must"):
        handler.rewind(step)
    with pytest.raises(MetricError, match="must"):
        make(tmp_path).start(resume=True, rewind_to=step)


def test_a_rewind_needs_an_earlier_run(tmp_path):
    with pytest.raises(ParameterError, match="pass resume=True too"):
        make(tmp_path).start(rewind_to=3)
    with pytest.raises(StateError, match="before start"):
        make(tmp_path).rewind(3)


def test_steps_in_tensorboard_only_increase(tmp_path, prepared_core):
    killed(prepared_core, tmp_path)
    with make(tmp_path).start(resume=True, rewind_to=3) as handler:
        for step in range(4, 12):
            handler.set_metric("epoch_loss", -step, step=step)
        handler.flush()
        assert curve(tmp_path, "dev/epoch_loss") == [*range(4), *(-step for step in range(4, 12))]
        handler.set_metric("epoch_loss", 0.5, step=12)

    assert curve(tmp_path, "dev/epoch_loss") == [*range(4), *(-step for step in range(4, 12)), 0.5]
    assert curve(tmp_path, "note") == []


def test_a_tensorboard_that_follows_the_run_shows_it_however_often_it_is_resumed_meanwhile(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def train(first: int, shift: float) -> ExperimentHandler:
        handler = make(tmp_path).start(resume=True, rewind_to=first - 1)
        for step in range(first, first + 10):
            handler.set_metric("loss", step + shift, step=step)
        handler.flush()
        return handler

    first = train(0, 0.5)
    (folder,) = {path.parent for path in tmp_path.rglob("events.out.tfevents.*")}
    reader = EventAccumulator(str(folder))
    reader.Reload()
    first.end("interrupted")
    second = train(5, 0.25)
    reader.Reload()
    second.end("interrupted")
    train(8, 0.0).log()
    reader.Reload()
    reader.Reload()

    expected = [*(step + 0.5 for step in range(5)), *(step + 0.25 for step in (5, 6, 7)), *range(8, 18)]
    assert [(one.step, one.value) for one in reader.Scalars("dev/loss")] == list(enumerate(expected))


def curve(root: Path, tag: str) -> list[float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (folder,) = {path.parent for path in root.rglob("events.out.tfevents.*")}
    reader = EventAccumulator(str(folder))
    reader.Reload()
    return [one.value for one in reader.Scalars(tag)] if tag in reader.Tags()["scalars"] else []


# Ending by hand


@pytest.mark.parametrize("status", ["completed", "failed", "pruned", "interrupted"])
def test_a_run_is_ended_with_a_status_and_a_reason(tmp_path, status):
    handler = make(tmp_path).start()
    handler.set_metric("loss", 1.0)

    handler.end(status, None if status == "completed" else "why")

    result = the_run(tmp_path)
    assert result.status.value == status
    assert result.error == (None if status == "completed" else "why")
    assert handler.run_id is None
    handler.reset(seed=2)
    assert handler.run_id is not None


def test_an_end_that_cannot_be_is_an_error(tmp_path):
    handler = make(tmp_path)
    with pytest.raises(StateError, match="before start"):
        handler.end()
    handler.start()
    with pytest.raises(ParameterError, match=r"no status 'prune'.*pruned"):
        handler.end("prune")
    with pytest.raises(ParameterError, match="needs none"):
        handler.end("completed", "because")
    with pytest.raises(ParameterError, match="the reason 3, which must be text"):
        handler.end("failed", 3)
    handler.set_metric("loss", 1.0)
    handler.log()
    with pytest.raises(StateError, match="after log"):
        handler.end("pruned")


def test_the_runs_that_may_be_resumed_are_listed_before_a_run_begins(tmp_path):
    def made(seed: int, rate: float = 0.1) -> ExperimentHandler:
        handler = ExperimentHandler(tmp_path, "e")
        handler.set_dict_params({"rate": rate, "seed": seed})
        handler.disable_param("seed")
        return handler

    assert made(0).unfinished_runs() == {}
    ended = []
    for seed, status in ((0, "completed"), (0, "failed"), (1, "failed"), (0, "interrupted"), (0, "pruned")):
        handler = made(seed).start()
        handler.set_metric("loss", 1.0)
        ended.append(handler.run_id)
        folder = handler.configuration_folder
        handler.end(status)
    made(0, rate=0.2).start().end("failed")
    found = made(0).unfinished_runs()
    assert [*found] == [ended[3], ended[1]]
    assert {*found.values()} == {folder}
    resumed = made(0).start(resume=True)
    assert resumed.run_id == ended[3]
    assert [*made(0).unfinished_runs()] == [ended[3], ended[1]]  # also while it is running
    resumed.log()
    assert [*made(0).unfinished_runs()] == [ended[1]]
