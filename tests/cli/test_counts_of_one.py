"""One run of one configuration of one experiment, with one of everything: nothing says "1 runs"."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from legm import ExperimentHandler
from legm.capture.capture_report import capture_report_lines
from legm.capture.capturing import Capture
from legm.cli import main
from legm.importers.pipeline import Report
from tests.support.calling import call

_PLURAL = re.compile(
    r"(?<![\w.,/=+-])1 (?!(?:as|is|has|its|this|was|less|plus|minus|across|process)\b)[a-z]+s\b"
)
_PLURAL_VERB = re.compile(
    r"(?<![\w.,/=+-])1 (?:[a-z]+ )?[a-z]*[a-rt-z] (?:that )?(?:have|are|were|do|as they)\b"
)
_SWEEP = """
root: {root}
experiment: swept
metric: acc
sampler: grid
parameters:
  rate: [0.5]
"""


def begun(root, experiment="only"):
    handler = ExperimentHandler(root, experiment, console=True)
    handler.set_dict_params({"rate": 0.5, "seed": 0})
    handler.disable_param("seed")
    handler.start()
    os.write(1, b"a line\n")
    handler.set_metric("acc", 0.5, step=0)
    handler.set_dict_metrics({"cat": {"dice": 0.5}}, step=0)
    handler.set_metric("f", 0.25, test=True)
    handler.log_image("picture", np.zeros((4, 4), np.uint8), step=0)
    handler.set_custom_data({"a": 0.5})
    handler.tag("good")
    return handler


def fill_with_one(root, status):
    """An experiment with one run of a status; that of a process that is gone is a copy of a running one."""
    if status == "left behind":
        running = begun(root.with_name("running"))
        running.flush()
        shutil.copytree(root.with_name("running"), root)
        running.log()
        return running
    handler = begun(root)
    if status != "running":
        handler.end(status, "one reason" if status == "failed" else None)
    return handler


def wrong_outputs(calls):
    """What is said in the plural of one thing, and what is no answer."""
    wrong = []
    for one in calls:
        answer = call(*one)
        text = " ".join(answer.output.split())
        found = _PLURAL.search(text) or _PLURAL_VERB.search(text)
        if found or answer.exit_code > 1:
            wrong.append((" ".join(map(str, one)), found[0] if found else answer.output))
    return wrong


@pytest.mark.parametrize("status", ["failed", "interrupted", "pruned", "running", "left behind"])
def test_one_run_that_is_not_completed_is_never_called_by_a_plural(tmp_path, status):
    root = tmp_path / "root"
    handler = fill_with_one(root, status)
    (folder,) = (path.parent for path in root.glob("*/*/params.yml"))
    wrong = wrong_outputs(
        [
            ["ls", root],
            *(["best", root, "acc", *more] for more in ([], ["--status", "all", "--curve"])),
            ["table", root, "acc"],
            ["show", folder],
            ["plot", root, "acc", "-o", tmp_path / "acc.svg"],
            ["amend", root / "only", "--drop", "rate", "--dry-run"],
            ["merge", tmp_path / "merged", root],
            ["rm", folder, "--dry-run"],
            ["recover", root],
        ]
    )
    if status == "running":
        handler.log()
    assert wrong == []


def test_one_of_anything_is_never_called_by_a_plural(tmp_path):
    root, other = tmp_path / "root", tmp_path / "other"
    fill_with_one(root, "completed")
    begun(other, "another").log()
    (folder,) = (path.parent for path in root.glob("*/*/params.yml"))
    run = root / next(root.glob("*/*/runs/*.log")).stem
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(_SWEEP.format(root=tmp_path / "swept"))
    calls = [
        *(["ls", root, *more] for more in ([], ["--curve", "acc"], ["--where", "rate=0.5"])),
        *(["best", root, "acc", *more] for more in ([], ["--curve"], ["--group-by", "rate"])),
        ["best", root, "f", "--test"],
        ["compare", folder, folder, "acc"],
        *(["table", root, "acc", *more] for more in ([], ["--group-by", "rate"], ["--format", "latex"])),
        *(["plot", root, "acc", "-o", tmp_path / "acc.svg", *more] for more in ([], ["--bars"])),
        ["report", root, "-o", tmp_path / "report.html"],
        ["sql", root, "select count(*) as runs, configuration from runs group by all"],
        ["upgrade", root],
        ["tensorboard", root, "--print"],
        ["mlflow-ui", root, "--print"],
        [
            "ui",
            root / "nothing there",
        ],  # it serves until it is ended
        ["backends"],
        ["completion", "bash"],
        ["resume", run, "--", "true"],
        *([one, "--root", tmp_path / "captured", "true"] for one in ("run", "capture")),
        ["sweep", sweep, "--", "true", "{args}"],
        *(["show", *more] for more in ([folder], [run], [folder, "--curve"])),
        ["logs", run],
        ["watch", root, "--json"],
        ["diff", run, run],
        *([*more, "--dry-run"] for more in (["tag", folder, "+new"], ["note", folder, "a text"])),
        ["amend", root / "only", "--rename", "rate=lr", "--dry-run"],
        ["amend", root / "only", "--absent", "depth=0.5", "--dry-run"],
        ["amend", root / "only", "--to", "elsewhere", "--yes"],
        ["mv", root / "elsewhere", "only"],
        ["merge", root, other],
        ["merge", root, other],
        ["tag", run, "+new"],
        ["note", run, "a text"],
        ["recover", root],
        ["sync", root],
        ["import", root, tmp_path / "copy"],
        ["import", root, tmp_path / "copy"],
        ["export", root, tmp_path / "runs.csv", "--to", "table"],
        ["rm", root / "another", "--dry-run"],
        ["rm", root / "another", "--yes"],
        ["trash", root],
        ["restore", root],
        ["trash", root, "--empty", "--yes"],
    ]
    assert {str(one[0]) for one in calls} == set(main.commands)  # a new command has to be tried too
    assert wrong_outputs(calls) == []


def test_a_capture_of_one_run_is_not_called_by_a_plural():
    report = Report("store", "W&B", {}, None, 1, 0, 0, 0, 1, 1)
    done = Capture(0, (report,), running_processes=1, earlier_runs=1)
    text = "\n".join(capture_report_lines(done, Path("root")))
    assert "1 run" in text
    assert not _PLURAL.search(text)
    assert not _PLURAL_VERB.search(text)


def test_the_pattern_finds_what_is_wrong_and_nothing_else():
    assert _PLURAL.search("there are 1 runs")
    assert _PLURAL.search("1 configurations without runs")
    assert not _PLURAL.search("11 runs, n=1 runs, 1 of 2 runs, 0.1 runs, 1 is less")
    assert _PLURAL_VERB.search("over the 1 completed run that have a value")
    assert not _PLURAL_VERB.search("the 1 run that has a value, and others have none")
