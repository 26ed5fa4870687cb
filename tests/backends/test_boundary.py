"""The boundary: any backend gets the same runs, whole and in order, or is refused clearly."""

from __future__ import annotations

import inspect
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import legm
from legm import BackendError, ExperimentHandler, LegmError, NotSupported, StorageError, errors, hookimpl
from legm.delivery.client import connect_client
from legm.hooks import Capability
from legm.records import BestRule, Outcome, Points, Query, Status
from tests.support.memory_backend import Memory, flat
from tests.support.paths import ROOT
from tests.support.sample_runs import comparable, script

# The same answers


@pytest.mark.parametrize("made", ["class", "instance"])
def test_another_backend_gets_the_same_results_bit_for_bit(tmp_path, made):
    memory = Memory(tmp_path / "m")
    given = type("Made", (Memory,), {"__new__": lambda cls, *args: memory}) if made == "class" else memory
    ours = ExperimentHandler(tmp_path / "local", "e", "d")
    theirs = ExperimentHandler(tmp_path / "m", "e", "d", backend=given)
    expected = [comparable(result) for result in script(ours)]
    assert [comparable(result) for result in script(theirs)] == expected
    read = []
    for backend, of in (("local", tmp_path / "local"), (memory, tmp_path / "m")):
        query = Query("e", ours.fingerprint, "d", None)
        found = sorted(connect_client(of, backend).runs_as_stored(query), key=lambda r: r.run.run_id)
        read.append([comparable(r) for r in found if r.status is Status.COMPLETED])
    assert read[0] == read[1] == [expected[1], expected[3]]
    best = [handler.get_best("loss")[0].value for handler in (ours, theirs)]
    assert repr(best[0]) == repr(best[1])  # in which NaN is NaN
    assert best[0].n == 2


def test_a_class_is_made_with_the_root_directory_and_the_options(tmp_path):
    made = []

    class Noted(Memory):
        def __init__(self, root, **options):
            super().__init__(root, **options)
            made.append((root, options))

    ExperimentHandler(tmp_path, "e", backend=Noted, backend_options={"host": "h", "port": 3})
    assert made == [(tmp_path, {"host": "h", "port": 3})]


def test_handlers_may_share_an_instance(tmp_path):
    memory = Memory(tmp_path)
    for lr in (0.5, 0.25):
        with ExperimentHandler(tmp_path, "e", backend=memory) as handler:
            handler.set_param("lr", lr)
            handler.start()
            handler.set_metric("loss", lr)
    assert [place.value.mean for place in handler.get_best("loss", higher_better=False)] == [0.25, 0.5]


def test_records_come_once_and_in_the_order_they_were_set(tmp_path):
    memory = Memory(tmp_path)
    handler = ExperimentHandler(tmp_path, "e", backend=memory).start()
    expected = []
    for number in range(6):
        handler.set_dict_metrics({"a": number, "b": -number}, step=number)
        handler.set_best("early_stopping", step=number)
        handler.set_metric("c", number, test=True, step=0)
        handler.flush()
        points = [("dev/a", number, number), ("dev/b", number, -number), ("test/c", 0, number)]
        expected += [*points, BestRule("early_stopping", number)]
    handler.log()
    assert memory.written() == expected
    before = len(memory.calls)
    handler.log()
    assert memory.calls[before:] == ["close"]
    (closing,) = memory.closing.values()
    assert flat(closing) == expected
    assert isinstance(closing[-1], Outcome)


# A backend that is away for a while


class Shaky(Memory):
    """A server that cannot always be reached."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.away = False
        self.error: Exception = ConnectionError("no route to host")
        self.refused = 0

    @hookimpl
    def legm_write(self, run, records, position):
        if self.away:
            self.refused += 1
            raise self.error
        super().legm_write(run, records, position)


@pytest.mark.parametrize("error", [ConnectionError("no route"), StorageError("the server said no")])
def test_what_a_backend_could_not_take_comes_once_and_in_order(tmp_path, error, caplog):
    shaky = Shaky(tmp_path)
    shaky.error = error
    handler = ExperimentHandler(tmp_path, "e", backend=shaky).start()
    expected = []

    def work(first):
        for step in range(first, first + 3):
            handler.set_metric("loss", step, step=step)
            handler.set_dict_metrics({"loss": -step, "acc": step}, step=100 + step)
            expected.extend([("dev/loss", step, step), ("dev/loss", 100 + step, -step)])
            expected.append(("dev/acc", 100 + step, step))
            handler.flush()

    work(0)
    for first in (3, 9):
        shaky.away = True
        work(first)
        shaky.away = False
        work(first + 3)
    assert shaky.refused == 6
    assert sum(record.levelno >= logging.ERROR for record in caplog.records) == 2  # one for each outage
    assert "Training continues" in caplog.text
    assert shaky.written() == expected
    handler.log()
    assert shaky.written() == expected
    (result,) = shaky.results.values()
    assert result.points == len(expected)


def test_what_is_undelivered_at_log_is_an_error_and_delivered_by_the_next_log(tmp_path):
    shaky = Shaky(tmp_path)
    handler = ExperimentHandler(tmp_path, "e", backend=shaky).start()
    handler.set_metric("loss", 0, step=0)
    handler.flush()
    shaky.away = True
    handler.set_metric("loss", 1, step=1)
    handler.flush()
    handler.set_metric("loss", 2, step=2)
    with pytest.raises(BackendError, match="'memory' failed in legm_write"):
        handler.log()
    assert not shaky.results
    shaky.away = False
    handler.log()
    assert shaky.written() == [("dev/loss", step, step) for step in range(3)]
    assert len(shaky.results) == 1
    handler.set_metric("loss", 3, step=3)
    handler.log()
    assert shaky.written() == [("dev/loss", step, step) for step in range(4)]


def test_what_is_undelivered_at_the_end_is_delivered_by_the_next_read(tmp_path, caplog):
    shaky = Shaky(tmp_path)
    with pytest.raises(BackendError), ExperimentHandler(tmp_path, "e", backend=shaky) as handler:  # noqa: PT012
        handler.start()
        handler.set_metric("loss", 0, step=0)
        shaky.away = True
        handler.set_metric("loss", 1, step=1)
    shaky.away = False
    assert not shaky.results
    with pytest.raises(errors.MetricError), caplog.at_level(logging.CRITICAL):
        handler.get_best("acc")  # knows no configuration yet
    other = ExperimentHandler(tmp_path, "e", backend=shaky)
    with other.start():
        other.set_metric("loss", 2, step=0)
    (ranked,) = other.get_best("loss")
    assert (ranked.completed, ranked.value.mean) == (2, 1.5)
    first, _ = sorted(shaky.batches)
    assert flat(r for records in shaky.batches[first].values() for r in records) == [
        ("dev/loss", 0, 0),
        ("dev/loss", 1, 1),
    ]


def test_a_backend_that_cannot_close_a_run_is_an_error_of_log_which_may_be_called_again(tmp_path):
    class Closed(Memory):
        closed = True

        @hookimpl
        def legm_close_run(self, run, result, records):
            if self.closed:
                raise OSError("no")
            super().legm_close_run(run, result, records)

    backend = Closed(tmp_path)
    handler = ExperimentHandler(tmp_path, "e", backend=backend).start()
    handler.set_metric("loss", 1)
    with pytest.raises(BackendError, match="'memory' failed in legm_close_run") as raised:
        handler.log()
    assert isinstance(raised.value.__cause__, OSError)
    backend.closed = False
    handler.log()
    assert [result.points for result in backend.results.values()] == [1]


def test_a_run_that_the_backend_cannot_open_does_not_begin(tmp_path):
    class Shut(Memory):
        @hookimpl
        def legm_open_run(self, run):
            raise ConnectionError("no")

    handler = ExperimentHandler(tmp_path, "e", backend=Shut)
    with pytest.raises(BackendError, match="legm_open_run"):
        handler.start()
    assert not list(tmp_path.rglob("*.log"))
    handler.set_param("lr", 1)  # nothing is frozen


# Where the run logs are, and what a kill leaves

KILLED = """
import os, pathlib, signal, sys
sys.path.insert(0, sys.argv[2])
from tests.support.memory_backend import Memory
from legm import ExperimentHandler
handler = ExperimentHandler(sys.argv[1], "e/ä", backend=Memory)
handler.set_param("lr", 0.1)
handler.start()
for step in range(100):
    handler.set_metric("loss", step)
if sys.argv[3] == "completed":
    handler.log()
    handler.set_metric("loss", 100)
handler.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("state", ["running", "completed"])
def test_without_folders_the_logs_are_below_the_root_and_recovered_after_a_kill(tmp_path, state):
    arguments = [sys.executable, "-c", KILLED, str(tmp_path), str(ROOT), state]
    assert subprocess.run(arguments, check=False).returncode == -signal.SIGKILL
    (path,) = tmp_path.rglob("*.log")
    assert path.relative_to(tmp_path).parts[0] == ".legm"
    assert path.parent.name == "open"
    assert [child.name for child in tmp_path.iterdir()] == [".legm"]

    memory = Memory(tmp_path)
    handler = ExperimentHandler(tmp_path, "e/ä", backend=memory)
    handler.set_param("lr", 0.1)
    with handler.start():
        handler.set_metric("loss", 99.0)
    (ranked,) = handler.get_best("loss")
    killed, _ = sorted(memory.results.values(), key=lambda result: result.run.run_id)
    assert killed.run.run_id == path.stem
    was_logged = state == "completed"  # but continued: it is interrupted with all its values
    assert killed.status is Status.INTERRUPTED
    assert killed.points == 100 + was_logged
    assert (ranked.completed, ranked.interrupted, ranked.value.mean) == (1, 1, 99.0)
    assert not path.exists()
    assert (path.parents[1] / path.name).exists()
    assert handler.get_best("loss")[0].completed == ranked.completed
    given = [record for records in memory.batches[path.stem].values() for record in records]
    assert [value for _, _, value in flat(given)] == ([100] if was_logged else list(range(100)))
    assert sum(len(record) for record in memory.closing[path.stem] if isinstance(record, Points)) >= 100


def test_files_of_a_run_are_below_the_root_too(tmp_path):
    handler = ExperimentHandler(tmp_path, "e", backend=Memory).start()
    assert Path(handler.model_save_filename).relative_to(tmp_path).parts[0] == ".legm"
    handler.set_custom_data({"a": 1})
    assert Path(handler.get_save_filename("custom_data.yml")).exists()


# What does not fit


def test_an_unknown_name_is_reported_with_what_there_is():
    with pytest.raises(BackendError, match="no backend 'lokal'; did you mean 'local'"):
        ExperimentHandler("unused", "e", backend="lokal")


def test_options_that_the_backend_does_not_know_are_named():
    with pytest.raises(BackendError, match="colour"):
        ExperimentHandler("unused", "e", backend_options={"colour": 1})


def test_options_with_an_instance_are_refused(tmp_path):
    with pytest.raises(BackendError, match=r"\['port'\]"):
        ExperimentHandler("unused", "e", backend=Memory(tmp_path), backend_options={"port": 1})


@pytest.mark.parametrize("backend", [None, 3, object(), str])
def test_what_is_no_backend_is_refused(backend):
    with pytest.raises(BackendError):
        ExperimentHandler("unused", "e", backend=backend)


def without(hook: str, **instead: object) -> type[Memory]:
    return type("Broken", (Memory,), {hook: None, **instead})


REQUIRED = sorted(name for name in vars(Memory) if name.startswith("legm_"))


@pytest.mark.parametrize("hook", REQUIRED)
def test_a_missing_required_hook_is_named(hook):
    with pytest.raises(BackendError, match=f"'memory' lacks {hook}: .*hookimpl"):
        ExperimentHandler("unused", "e", backend=without(hook))


@pytest.mark.parametrize("hook", REQUIRED)
def test_a_hook_without_the_marker_is_missing(hook):
    with pytest.raises(BackendError, match=f"'memory' lacks {hook}: .*hookimpl"):
        ExperimentHandler("unused", "e", backend=without(hook, **{hook: lambda self: None}))


@pytest.mark.parametrize(
    ("capability", "hook"),
    [
        (Capability.FOLDERS, "legm_folder"),
        (Capability.SUMMARIES, "legm_write_summary"),
        (Capability.FIGURES, "legm_write_figure"),
    ],
)
def test_a_capability_without_its_hook_is_refused(capability, hook):
    boastful = type("Boastful", (Memory,), {"capabilities": frozenset({capability})})
    with pytest.raises(BackendError, match=f"lacks {hook}"):
        ExperimentHandler("unused", "e", backend=boastful)


def test_a_misspelled_hook_is_named():
    misspelled = hookimpl(lambda self, run: None)
    with pytest.raises(BackendError, match="legm_relaese_run"):
        ExperimentHandler(
            "unused", "e", backend=type("Misspelled", (Memory,), {"legm_relaese_run": misspelled})
        )


def test_a_hook_with_an_unknown_argument_is_named():
    odd = hookimpl(lambda self, run, colour: None)
    with pytest.raises(BackendError, match=r"legm_open_run[\s\S]*colour"):
        ExperimentHandler("unused", "e", backend=without("legm_open_run", legm_open_run=odd))


UNSUPPORTED = {
    Capability.SUMMARIES: lambda h: h.aggregate_results(),
    Capability.FIGURES: lambda h: h.plot(),
    Capability.ARTIFACTS: lambda h: h.log_artifact("no such file"),
    Capability.DISPLAYS: lambda h: h.tensorboard_write("a", 1, 0),
    "bars": lambda h: h.plot_comparison_bars("loss"),
}


@pytest.mark.parametrize("capability", UNSUPPORTED, ids=str)
@pytest.mark.parametrize("started", [False, True])
def test_what_the_backend_cannot_do_is_refused_before_anything_is_done(tmp_path, capability, started):
    memory = Memory(tmp_path)
    handler = ExperimentHandler(tmp_path, "e", backend=memory)
    if started:
        handler.start().set_metric("loss", 1)
        handler.log()
    calls = list(memory.calls)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    named = Capability.FIGURES if capability == "bars" else capability
    with pytest.raises(NotSupported, match=f"'{named.value}', which the backend 'memory' does not support"):
        UNSUPPORTED[capability](handler)
    assert memory.calls == calls
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_every_capability_that_a_backend_may_lack_is_tried_here():
    changes_no_answer = {Capability.FOLDERS, Capability.REMOTE, Capability.CURVES}
    changes_no_answer |= {Capability.RESUME, Capability.PROVENANCE, Capability.MARKS, Capability.MEDIA}
    no_call_of_a_handler = {Capability.EXPERIMENTS, Capability.DISCARD, Capability.AMEND}
    tried = {c for c in UNSUPPORTED if isinstance(c, Capability)}
    assert tried == set(Capability) - changes_no_answer - no_call_of_a_handler


def test_what_only_a_client_asks_for_is_refused_too(tmp_path):
    memory = Memory(tmp_path)
    handler = ExperimentHandler(tmp_path, "e", backend=memory).start()
    handler.set_metric("loss", 1)
    run = handler.log().run
    client = connect_client(tmp_path, memory)
    with pytest.raises(NotSupported, match="'memory' does not list its experiments"):
        client.experiments()
    with pytest.raises(NotSupported, match="'discard', which the backend 'memory' does not support"):
        client.discard_run(run)


# What is imported, and when


def imported_by(statement: str) -> set[str]:
    """The modules that a statement imports in a fresh interpreter."""
    code = f"import sys; before = set(sys.modules); {statement}; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_legm_imports_nothing_heavy():
    heavy = "numpy matplotlib tensorboard mlflow wandb yaml pandas rich filelock pluggy click google_crc32c"
    found = {name.partition(".")[0] for name in imported_by("import legm")}
    assert "legm" in found
    assert not found & set(heavy.split())


# The public names


def test_the_public_names_are_exactly_those_that_there_are():
    here = {
        name
        for name, value in vars(legm).items()
        if not inspect.ismodule(value)
        and not name.startswith("_")
        and name not in {"annotations", "TYPE_CHECKING"}
    }
    lazy = {name for name in legm.__all__ if name not in here}
    assert legm.__all__ == sorted(here | lazy)
    assert lazy >= {"ExperimentHandler", "__version__", "hookimpl"}
    assert dir(legm) == legm.__all__
    assert all(hasattr(legm, name) for name in legm.__all__)
    with pytest.raises(AttributeError, match="'legm' has no attribute 'ExperimentHandlr'"):
        legm.ExperimentHandlr  # noqa: B018


def test_every_error_is_public():
    def below(kind):
        return {kind}.union(*map(below, kind.__subclasses__()))

    ours = {kind for kind in below(LegmError) if kind.__module__.startswith("legm")}
    ours = {kind for kind in ours if not kind.__name__.startswith("_")}  # caught where it is raised
    assert ours == {
        value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, LegmError)
    }
    for kind in ours:
        assert getattr(legm, kind.__name__) is kind
        assert kind.__name__ in errors.__doc__


USER_CODE = '''
"""What a user writes; the type checker must accept all of it, and know the types."""

from __future__ import annotations

import argparse
from pathlib import Path

from typing_extensions import assert_type

import legm
from legm import (
    ExperimentHandler,
    LegmError,
    add_arguments,
    add_metadata,
    from_namespace,
    hookimpl,
    parse_args_and_metadata,
    splitify_namespace,
)


class Model:
    argparse_args = {"width": {"type": int, "metadata": {"name": True}, "searchable": True}}

    @from_namespace
    def __init__(self, width: int = 3, **options: object) -> None:
        self.width = width


def configure(root: Path) -> Model:
    parser = argparse.ArgumentParser()
    metadata: dict[str, dict[str, object]] = {}
    add_arguments(parser, Model, exclude=["width"], replace_underscores=True)
    add_metadata(metadata, Model, exclude="width")
    namespace, metadata = parse_args_and_metadata(
        [Model], ["--width", "2"], conditional_args={"width": lambda width: None}
    )
    handler = ExperimentHandler(root, "e")
    assert_type(handler.set_dict_params(Model(), parent=None, flatten=True), Model)
    handler.set_namespace_params(namespace, flatten=True)
    handler.set_param_metadata(metadata, namespace)
    assert_type(splitify_namespace(argparse.Namespace(train_width=2), "train"), argparse.Namespace)
    return Model(init__namespace=[namespace, {"width": 4}])


def train(root: Path) -> float:
    with ExperimentHandler(root, "LeNet@MNIST", description="test", backend="local") as handler:
        assert_type(handler, ExperimentHandler)
        assert_type(handler.set_param("learning_rate", 0.1), float)
        handler.set_param("momentum", None, parent="learning_rate")
        assert_type(handler.set_dict_params({"seed": 3}), dict[str, int])
        assert_type(handler.set_namespace_params(argparse.Namespace(depth=2)), argparse.Namespace)
        handler.set_parent("depth", "learning_rate", lambda value: value > 0)
        handler.disable_params(["seed"])
        handler.name_param("learning_rate", name_transform=lambda value: f"lr{value}", name_priority=2)
        handler.set_param_metadata({"depth": {"name": True}})
        rate: float = handler.learning_rate
        assert_type(handler.should_run(5), bool)
        with handler.claim(5, timeout=60) as ok:
            assert_type(ok, bool)
        assert_type(handler.fingerprint, str)
        assert_type(handler.start(), ExperimentHandler)

        @handler.capture_metrics(["loss", "acc"])
        def evaluate(scale: float) -> tuple[float, float]:
            return scale, 1 - scale

        evaluate(rate)
        assert_type(handler.set_metric("loss", 1, step=2), int)
        assert_type(handler.set_dict_metrics({"acc": 0.5}, test=True), dict[str, float])
        handler.set_dict_metrics({"img": {"iou": 0.5}})
        handler.set_best("early_stopping", metric="loss", higher_better=False)
        assert_type(handler.get_save_filename(), str)
        handler.set_custom_data([1, 2], "list.json")
        result = handler.log()
        assert_type(result.best_step, int | None)
        handler.reset(seed=4)
    summary = handler.aggregate_results({"loss": "median", "other": "mean"})
    print(summary["best_loss"]["mean"])
    for picture in handler.plot(groups=[["loss", "acc"]], exclude=["time"]):
        assert_type(picture, str)
    try:
        ranked = handler.get_best("acc", higher_better=True, test=True, depth=2)
    except LegmError as error:
        print(error, legm.__version__)
        return 0.0
    assert_type(handler.compare(handler, ranked[1], "loss").p, float)
    assert_type(handler.compare("lr0.1_0", ranked[1:], "acc", test=True, seed="seed")[0].pairs, int)
    assert_type(handler.compare(root / "a", [handler, "b"], "loss", level=0.9)[0].notes, tuple[str, ...])
    assert_type(ranked[0].value.mean, float)
    for difference in handler.explain_difference(ExperimentHandler.load_existent(root / "a" / "b")):
        print(difference)
    return ranked[0].value.mean


class Backend:
    name = "mine"

    @hookimpl
    def legm_release_run(self) -> None:
        return None
'''


def test_strict_mypy_accepts_what_a_user_writes(tmp_path, monkeypatch):
    from mypy import api

    (tmp_path / "user.py").write_text(USER_CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MYPY_CACHE_DIR", os.fspath(tmp_path / "cache"))
    said, errors_said, code = api.run(["--strict", "--follow-imports=silent", "user.py"])
    assert (code, errors_said) == (0, ""), said
