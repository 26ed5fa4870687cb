"""W&B's logs, written by the real SDK and by hostile hands, read without W&B."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from wandb.proto import wandb_internal_pb2 as theirs

from legm import CorruptFile
from legm.importers.wandb import json_items
from legm.importers.wandb.log_messages import FIELDS
from legm.importers.wandb.run_fold import WandbRunFold
from legm.importers.wandb.transaction_log import TransactionLogReader
from legm.records import BestRule, Display, Points
from tests.support.wandb_log import chunk, framed, records
from tests.support.wandb_scripts import logs, run_script

Metrics = dict[str, tuple[list, list, list]]
SCRIPT = """
run = begin(project="vision", id="whole", entity="team", name="a run", group="g", job_type="train",
    notes="two\\nlines", tags=["t1", "ä"], config={"lr": 0.1, "n": 3, "flag": True, "none": None,
    "model": {"depth": 2, "sizes": [1, 2], "deep": {"x": "y"}}, "model.literal": 7, "gone": 1})
run.config.update({"late": "é", "model": {"depth": 5}}, allow_val_change=True)
run.tags += ("t2",)
run.define_metric("accuracy", summary="max")
run.define_metric("val/*", summary="min")
for i in range(3000):
    run.log({"loss": 1 / (i + 1), "accuracy": i, "val/x": -i / 3, "nested": {"a": i, "b": {"c": 0.5}},
        "nan": float("nan"), "inf": float("-inf"), "zero": 0.0, "text": f"row {i % 2}", "flag": i % 2 == 0,
        "none": None, "big": 2**70, "small": 5e-324, "numpy": np.float32(1.5), "k" * 130: i,
        "mostly": "nothing" if i % 1000 else i})
run.log({"late": 7}, step=5000)
run.log({"picture": wandb.Image(np.zeros((4, 4, 3), np.uint8)), "counts": wandb.Histogram([1, 2, 3]),
    "table": wandb.Table(columns=["a"], data=[[1]]), "list": [1, 2, 3], "loss": 0.25,
    "inner": {"picture": wandb.Image(np.zeros((4, 4, 3), np.uint8)), "width": 9}})
run.summary["best"] = 0.5
run.summary["stale"] = 5
run.summary["stale words"] = "old"
run.log({"stale": 6, "stale words": "new"})
run.summary["words"] = "hello"
run.summary["deep"] = {"u": {"v": 3, "w": 4}}
run.summary["loss"] = 9
run.summary["gone"] = 1
del run.summary["gone"]
open("m.bin", "w").write("abc")
artifact = wandb.Artifact("model", "model")
artifact.add_file("m.bin", name="weights/m.bin")
artifact.add_reference("https://example.com/x.csv", checksum=False)
run.log_artifact(artifact, aliases=["best"])
run.alert("title", "text")
run.finish(exit_code=3)

typed = begin(project="vision", id="typed", settings={"x_history_value_encoding": "json,typed"})
for i in range(10):
    typed.log({"loss": i / 7, "count": i, "word": "w", "on": True, "list": [i]})
typed.finish()
begin(project="vision", id="empty").finish()
killed = begin(project="vision", id="killed", config={"a": 1},
    settings={"x_transaction_log_flush_interval": 0.2})
for i in range(50):
    killed.log({"loss": i})
wait_for_row(killed, "loss", 49)
killed.log({"loss": 99})
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory, prepared) -> dict[str, Path]:
    """The logs of some runs, by their ids."""
    folder = tmp_path_factory.mktemp("wandb-logs")
    done = run_script(prepared, folder, SCRIPT)
    found = {path.stem.removeprefix("run-"): path for path in logs(folder)}
    assert {*found} == {"whole", "typed", "empty", "killed"}, done.stderr
    return found


def read(path: Path) -> tuple[WandbRunFold, Metrics, list[Display]]:
    """A whole log: what it tells, for each metric steps, times and values, and its texts."""
    run_fold = WandbRunFold()
    for record in TransactionLogReader(path).new_records():
        run_fold.add_record(record)
    return run_fold, *drained(run_fold)


def drained(run_fold: WandbRunFold) -> tuple[Metrics, list[Display]]:
    metrics: Metrics = {}
    texts = []
    for one in run_fold.take_new():
        if isinstance(one, Display):
            texts.append(one)
            continue
        assert isinstance(one, Points)
        for (series,), steps, times, values in one.blocks():
            columns = metrics.setdefault(series.name, ([], [], []))
            for column, more in zip(columns, (steps, times, values.ravel()), strict=True):
                column.extend(more.tolist())
    return metrics, texts


def expected(path: Path) -> dict[str, list[tuple[int, float]]]:
    """The numbers of a log as W&B's own messages have them: pictures and what is nested apart."""
    found: dict[str, list[tuple[int, float]]] = {}
    for record in records(path):
        for item in record.history.item:
            name = ".".join(item.nested_key) or item.key
            value = json.loads(item.value_json)
            if isinstance(value, (bool, int, float)) and name[0] != "_":
                found.setdefault(name, []).append((record.history.step.num, float(value)))
    return found


def test_the_messages_are_those_of_the_installed_sdk():
    kinds = {
        getattr(theirs.Record.DESCRIPTOR.fields[0], f"TYPE_{kind}"): kind
        for kind in ("STRING", "BOOL", "INT32", "INT64", "SINT64", "DOUBLE", "MESSAGE", "ENUM")
    }
    raw = {"item", "update", "remove", "history", "summary"}
    pool = theirs.DESCRIPTOR.pool
    for name, fields in FIELDS.items():
        package = "google.protobuf" if name == "Timestamp" else "wandb_internal"
        message = pool.FindMessageTypeByName(f"{package}.{name}")
        for field, (number, kind) in fields.items():
            real = message.fields_by_name[field]
            plain = kind.removesuffix("*")
            assert (real.number, real.is_repeated) == (number, plain != kind), (name, field)
            if plain in FIELDS:
                assert real.message_type.name == plain
            elif plain == "bytes":  # a message that is decoded when it is needed
                assert field in raw
                assert kinds[real.type] == "MESSAGE"
                of_items = real.message_type.name.endswith("Item")
                for key in ("key", "nested_key", "value_json") if of_items else ():
                    assert real.message_type.fields_by_name[key].number == FIELDS["HistoryItem"][key][0]
                assert of_items or real.message_type.name in FIELDS
            else:
                assert kinds[real.type] in ({"INT32", "ENUM"} if plain == "int32" else {plain.upper()})
    assert bytes([16 << 3 & 127 | 2 | 128, 16 >> 4]) == json_items.VALUE_MARK


def test_wandb_is_not_imported_and_may_be_imported_in_the_same_process(written):
    code = """
import sys
from pathlib import Path
from legm.importers.wandb.transaction_log import TransactionLogReader
first = len(list(TransactionLogReader(Path(sys.argv[1])).new_records()))
assert not [name for name in sys.modules if name.partition(".")[0] == "wandb"]
from wandb.proto import wandb_internal_pb2
assert first == len(list(TransactionLogReader(Path(sys.argv[1])).new_records()))
assert wandb_internal_pb2.Record(run=wandb_internal_pb2.RunRecord(run_id="x")).run.run_id == "x"
"""
    subprocess.run([sys.executable, "-c", code, str(written["typed"])], check=True)


def test_every_number_is_there_with_its_step_and_its_time(written):
    run_fold, metrics, _ = read(written["whole"])
    truth = expected(written["whole"])
    pictures = {
        name for name in truth if name.startswith(("picture.", "table.", "inner.picture.", "counts."))
    }
    assert {*metrics} == {*truth} - pictures
    assert {"loss", "nested.a", "nested.b.c", "k" * 130, "flag", "mostly", "late", "inner.width"} <= {
        *metrics
    }
    for name, (steps, times, values) in metrics.items():
        assert len(times) == len(steps) > 0
        assert repr(list(zip(steps, values, strict=True))) == repr(truth[name])
        assert all(run_fold.started <= time <= run_fold.ended for time in times)
    assert metrics["mostly"][0] == [0, 1000, 2000]
    assert metrics["big"][2][0] == 2.0**70
    assert metrics["small"][2][0] == 5e-324
    assert run_fold.undecoded == 0


def test_the_run_has_its_latest_configuration(written):
    run_fold, _, _ = read(written["whole"])
    assert (run_fold.run_id, run_fold.project, run_fold.entity, run_fold.name) == (
        "whole",
        "vision",
        "team",
        "a run",
    )
    assert (run_fold.group, run_fold.job_type, run_fold.notes) == ("g", "train", "two\nlines")
    assert run_fold.tags == ("t1", "ä", "t2")
    assert run_fold.parameters == {
        "lr": 0.1, "n": 3, "flag": True, "none": None, "model.depth": 5, "model.literal": 7, "gone": 1,
        "late": "é",
    }  # fmt: skip
    assert run_fold.exit_code == 3
    assert run_fold.origin["python"].startswith("CPython")
    assert run_fold.best == BestRule("early_stopping", metric="accuracy", higher_better=True)


def test_the_summary_has_what_the_script_set_and_not_what_the_history_has(written):
    run_fold, _, _ = read(written["whole"])
    assert run_fold.summary == {"best": 0.5, "words": "hello", "deep.u.v": 3, "deep.u.w": 4, "loss": 9}


def test_texts_and_what_is_no_number_are_displays_and_files_are_left_to_the_folder(written):
    run_fold, _, texts = read(written["whole"])
    by_name: dict[str, list[Display]] = {}
    for text in texts:
        by_name.setdefault(text.name, []).append(text)
    assert {*by_name} == {"text", "mostly", "list", "alert", "stale words"}
    assert [one.value for one in by_name["text"]] == [f"row {i % 2}" for i in range(3000)]
    assert [one.step for one in by_name["text"]] == list(range(3000))
    assert by_name["list"][0].value == "[1, 2, 3]"
    assert by_name["alert"][0].value == "title: text"
    (model,) = [one for one in run_fold.artifacts if one.name == "model"]
    assert {*model.aliases} == {"latest", "best"}
    assert Path(model.files["weights/m.bin"].path).read_text() == "abc"
    assert [name for name, file in model.files.items() if file.is_reference] == ["x.csv"]


def test_typed_values_are_the_same_as_json(written):
    _, metrics, texts = read(written["typed"])
    assert metrics["loss"][2] == [i / 7 for i in range(10)]
    assert metrics["count"][2] == list(range(10))
    assert metrics["on"][2] == [1.0] * 10
    assert [one.value for one in texts if one.name == "word"] == ["w"] * 10
    only = theirs.Record()
    for key, field, value in [("a", "number", math.nan), ("b", "integer", -3), ("c", "boolean", True),
                              ("d", "text", "x"), ("e", "json", "[1]"), ("f", "none", 0)]:  # fmt: skip
        item = only.history.item.add(nested_key=[key])
        setattr(item, field, value)
    only.history.step.num = 4
    path = written["typed"].with_name("only.wandb")
    path.write_bytes(framed([only.SerializeToString()]))
    _, metrics, texts = read(path)
    assert repr({name: columns[2] for name, columns in sorted(metrics.items())}) == (
        "{'a': [nan], 'b': [-3.0], 'c': [1.0]}"
    )
    assert [(one.name, one.value, one.step) for one in texts] == [("d", "x", 4), ("e", "[1]", 4)]


def test_a_killed_run_has_no_end_and_all_that_was_flushed(written):
    run_fold, metrics, _ = read(written["killed"])
    assert run_fold.exit_code is None
    assert metrics["loss"][2][:50] == list(range(50))
    assert read(written["empty"])[0].exit_code == 0


def test_a_growing_log_gives_each_record_once_as_soon_as_it_is_complete(written, tmp_path):
    data = written["whole"].read_bytes()
    whole = [record.SerializeToString() for record in TransactionLogReader(written["whole"]).new_records()]
    chance = random.Random(0)
    for pieces in (3, 200):
        growing = tmp_path / "growing.wandb"
        growing.write_bytes(b"")
        reader, found, run_fold = TransactionLogReader(growing), [], WandbRunFold()
        cuts = [*sorted(chance.randrange(len(data)) for _ in range(pieces)), len(data)]
        metrics: dict[str, list] = {}
        for before, cut in zip([0, *cuts], cuts, strict=False):
            with growing.open("ab") as file:
                file.write(data[before:cut])
            for record in reader.new_records():
                found.append(record.SerializeToString())
                run_fold.add_record(record)
            for name, (_, _, values) in drained(run_fold)[0].items():
                metrics.setdefault(name, []).extend(values)
            assert list(reader.new_records()) == []
        assert found == whole
        assert (reader.unread_bytes, reader.damaged) == (0, 0)
        once = read(written["whole"])[1]
        assert repr({name: metrics[name] for name in once}) == repr({name: once[name][2] for name in once})
        assert run_fold.summary == {"best": 0.5, "words": "hello", "deep.u.v": 3, "deep.u.w": 4, "loss": 9}


def test_a_log_cut_anywhere_gives_what_was_before_the_cut(written, tmp_path):
    data = written["typed"].read_bytes()
    whole = [record.SerializeToString() for record in TransactionLogReader(written["typed"]).new_records()]
    path = tmp_path / "cut.wandb"
    before = 0
    for cut in [*range(0, len(data), 3), len(data)]:
        path.write_bytes(data[:cut])
        reader = TransactionLogReader(path)
        found = [record.SerializeToString() for record in reader.new_records()]
        assert found == whole[: len(found)]
        assert len(found) >= before
        assert reader.damaged == 0
        assert 0 <= reader.unread_bytes <= cut
        before = len(found)
    assert found == whole


def test_damage_costs_its_block_and_is_counted(written, tmp_path):
    data = written["whole"].read_bytes()
    whole = [record.SerializeToString() for record in TransactionLogReader(written["whole"]).new_records()]
    assert len(data) > 6 * 32768
    known = {*whole}
    path = tmp_path / "damaged.wandb"
    chance = random.Random(1)
    for _ in range(20):
        place = chance.randrange(7, len(data))
        flipped = bytearray(data)
        flipped[place] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        reader = TransactionLogReader(path)
        found = [record.SerializeToString() for record in reader.new_records()]
        assert known.issuperset(found)
        assert len(whole) - len(found) < len(whole) / 3
        is_last = place // 32768 == len(data) // 32768
        assert (reader.damaged, reader.unread_bytes > 0) == ((0, True) if is_last else (1, False))
    path.write_bytes(b"SQLite format 3\0" + data[16:])
    with pytest.raises(CorruptFile, match="starts with b'SQLite "):
        list(TransactionLogReader(path).new_records())


def test_hostile_lengths_do_not_fill_the_memory(tmp_path):
    path = tmp_path / "run-x.wandb"
    piece = bytes(32768 - 7)
    with path.open("wb") as file:
        file.write(framed([b"\x10\x01"]))
        file.write(bytes(32768 - file.tell()))
        file.write(chunk(2, piece))
        middle = chunk(3, piece)
        for _ in range(6400):  # 200 MB that claim to be one record
            file.write(middle)
        file.write(framed([b"\x10\x02"])[7:])
    tracemalloc.start()
    try:
        reader = TransactionLogReader(path)
        found = list(reader.new_records())
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()
    assert len(found) == 2
    assert reader.damaged >= 1
    claims = [b"\x8a\x01\xff\xff\xff\xff\x07\x0a", b"\x12\x80\x80\x80\x64", b"\xff" * 40, b"\x0a" * 5000]
    path.write_bytes(framed([*claims, b"\x10\x03"]))
    reader = TransactionLogReader(path)
    assert len(list(reader.new_records())) + reader.damaged == 5


def test_what_is_removed_no_longer_exists_and_removing_garbage_is_harmless(tmp_path):
    begun, summary, changed, later = (theirs.Record() for _ in range(4))
    for key in ("kept", "gone"):
        begun.run.config.update.add(key=key, value_json="1")
        summary.summary.update.add(key=key, value_json="1")
    changed.config.remove.add(key="gone")
    later.summary.remove.add(key="gone")
    garbage = b"\x1a\x08\x12\x06\xff\xff\x82\x01\x01x"  # a summary that removes what is no item
    path = tmp_path / "run-x.wandb"
    made = [one.SerializeToString() for one in (begun, summary, changed, later)]
    path.write_bytes(framed([*made, garbage]))
    run_fold, _, _ = read(path)
    assert run_fold.parameters == {"kept": 1}
    assert run_fold.summary == {"kept": 1}
    assert run_fold.undecoded >= 1


def test_values_that_are_no_json_or_nested_absurdly_stay_texts(tmp_path):
    record, row = theirs.Record(), theirs.Record()
    deep = "[" * 100_000
    nested = '{"a":' * 70 + "1" + "}" * 70
    given = {"none": "{oops", "deep": deep, "nested": nested, "long": "9" * 5000, "ok": "1"}
    for key, text in given.items():
        record.run.config.update.add(key=key, value_json=text)
        row.history.item.add(nested_key=[key], value_json=text)
    record.run.config.update.add(nested_key=["p"] * 1000, value_json="2")
    record.run.start_time.seconds = 2**62
    row.history.item.add(nested_key=["_step"], value_json="1e300")
    row.history.item.add(nested_key=["_timestamp"], value_json="NaN")
    row.history.item.add(nested_key=["_step.x"], value_json="5")
    path = tmp_path / "run-x.wandb"
    path.write_bytes(framed([record.SerializeToString(), row.SerializeToString()]))
    run_fold, metrics, texts = read(path)
    assert run_fold.parameters == {**given, "ok": 1, ".".join(["p"] * 1000): 2}
    assert metrics == {"ok": ([0], [0.0], [1.0]), "_step.x": ([0], [0.0], [5.0])}
    assert {one.name for one in texts} == {"none", "deep", "nested", "long"}
    assert run_fold.started == 0
