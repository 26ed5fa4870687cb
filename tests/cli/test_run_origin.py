"""legm show, diff and best say where runs come from."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import legm
from legm import ExperimentHandler
from tests.support import calling
from tests.support.repositories import Repository, run_git

SCRIPT = """
import sys
from legm import ExperimentHandler
from library import scale
handler = ExperimentHandler(sys.argv[1], "e")
handler.set_param("x", 1)
handler.set_param("seed", int(sys.argv[2]))
handler.disable_param("seed")
handler.start()
handler.set_metric("loss", 0.5 * scale)
print("loss", 0.5 * scale)
handler.log()
"""


def call(*arguments: object, code: int = 0) -> str:
    done = calling.call(*arguments)
    assert done.exit_code == code, done.output
    return done.output


def train(repository: Repository, root: Path, seed: int) -> str:
    variables = {**os.environ, "LEGM_PROVENANCE": "1", "PYTHONPATH": str(Path(legm.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "src/train.py", str(root), str(seed)],
        cwd=repository.folder,
        env=variables,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Repository:
    """A repository whose runs 1 and 2 are of its commit, and 3 and 4 of two other changes."""
    made = Repository(
        tmp_path_factory.mktemp("origin") / "code",
        **{"src/train.py": SCRIPT, "src/library.py": "scale = 1\n"},
    )
    root = made.folder.parent / "runs"
    for seed, scale in ((1, 1), (2, 1), (3, 2), (4, 3)):
        made.write({"src/library.py": f"scale = {scale}\n"})
        if scale > 1:
            made.write({"picture.bin": b"\0\1"})
        train(made, root, seed)
    return made


@pytest.fixture
def root(repository, monkeypatch) -> Path:
    monkeypatch.chdir(repository.folder.parent)
    return Path("runs")


def runs_of(root: Path) -> dict[int, str]:
    found = json.loads(call("show", root / "e" / "_0", "--json"))["runs"]
    return {run["parameters"]["seed"]: run["run_id"] for run in found}


def test_a_run_is_shown_with_its_code_and_command(repository, root):
    run = runs_of(root)[3]
    for path in (root / "e" / "_0" / run, root / "e" / "_0" / run[-6:], root / run, root / run[-6:]):
        shown = call("show", path)
        assert repository.head in shown
        assert "src/train.py" in shown
        assert "uncommitted-changes.patch" in shown
        assert "picture.bin is not in the patch: it is binary" in shown
    found = json.loads(call("show", root / "e" / run, "--json"))
    assert found["environment"]["git"]["dirty"] is True
    assert found["environment"]["python"]
    assert Path(found["changes"]).is_file()


def test_an_unknown_run_is_an_error(root):
    call("show", root / "e" / "_0" / "abcdef", "--reproduce", code=1)
    call("show", root / "e" / "_0" / "abcdef", code=1)
    call("show", root / "e" / "_0", "--reproduce", code=1)


@pytest.mark.skipif(shutil.which("sh") is None, reason="a shell")
def test_the_commands_bring_the_code_back_and_run_it(repository, root, tmp_path, monkeypatch):
    runs, whole = runs_of(root), root.resolve()
    for seed, expected in ((1, "loss 0.5"), (3, "loss 1.0")):
        (tmp_path / str(seed)).mkdir()
        monkeypatch.chdir(tmp_path / str(seed))
        commands = call("show", whole / runs[seed], "--reproduce")
        variables = {**os.environ, "PYTHONPATH": str(Path(legm.__file__).parents[1])}
        script = commands.replace(f"{whole} ", f"{tmp_path / str(seed) / 'again'} ")
        done = subprocess.run(
            ["sh", "-e"], input=script, env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout
        assert (tmp_path / str(seed) / f"code-{repository.head[:7]}" / "src" / "train.py").exists()


@pytest.mark.skipif(shutil.which("sh") is None, reason="a shell")
def test_without_the_repository_the_same_tree_comes_from_its_remote(tmp_path, monkeypatch):
    """With a changed, a deleted, a renamed, an executable and two new files, of names that need quoting."""
    files = {
        "src/train.py": SCRIPT,
        "src/library.py": "scale = 1\n",
        "old name.txt": "kept\n",
        "gone.txt": "1\n",
    }
    made = Repository(tmp_path / "first" / "code", **files)
    run_git(tmp_path, "clone", "-q", "--bare", str(made.folder), "remote.git")
    made.git("remote", "add", "origin", str(tmp_path / "remote.git"))
    made.write(
        {"src/library.py": "scale = 4\n", "new ä.txt": "without an end", "src/more/new.py": "#!/bin/sh\n"}
    )
    (made.folder / "src" / "more" / "new.py").chmod(0o755)
    made.git("mv", "old name.txt", "new name.txt")
    (made.folder / "gone.txt").unlink()
    root = tmp_path / "runs"
    train(made, root, 1)
    expected = tree(made.folder)
    made.folder.parent.rename(tmp_path / "away")  # another machine
    (tmp_path / "fresh").mkdir()
    monkeypatch.chdir(tmp_path / "fresh")
    commands = call("show", root / runs_of(root)[1], "--reproduce").replace(f"{root} ", f"{tmp_path}/again ")
    variables = {**os.environ, "PYTHONPATH": str(Path(legm.__file__).parents[1])}
    done = subprocess.run(
        ["sh", "-e"], input=commands, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "loss 2.0" in done.stdout
    assert "git clone" in commands
    (code,) = (tmp_path / "fresh").iterdir()
    assert tree(code) == expected


def tree(folder: Path) -> dict[str, tuple[bytes, bool]]:
    """The content of each file, and whether it is executable."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), os.access(path, os.X_OK))
        for path in folder.rglob("*")
        if path.is_file() and not {".git", "__pycache__"} & set(path.parts)
    }


def test_without_the_repository_its_remote_is_cloned():
    from legm.core.run_origin import commands_to_reproduce_origin

    environment = {
        "command": ["python", "train.py", "--note", "it's; rm -rf /"],
        "folder": "/home/me/code/sub",
        "git": {
            "folder": "/home/me/code",
            "commit": "a" * 40,
            "remote": "https://example.org/code.git",
            "submodules": {"lib": "b" * 40, "../out": "c" * 40},
            "left_out": {"image.bin": "is binary\nrm -rf /"},
        },
    }
    assert commands_to_reproduce_origin(environment, Path("/tmp/new"), None, has_folder=False) == [
        "# image.bin is not in the patch: it is binary rm -rf /",
        "git clone --no-checkout -- https://example.org/code.git /tmp/new",
        f"git -C /tmp/new checkout --detach {'a' * 40}",
        "cd /tmp/new",
        "git submodule update --init --recursive",
        f"git -C lib checkout --detach {'b' * 40}",
        "cd /tmp/new/sub",
        "python train.py --note 'it'\"'\"'s; rm -rf /'",
    ]


def test_runs_differ_in_code_and_environment(root):
    runs = runs_of(root)
    shown = call("diff", root / runs[1], root / runs[3])
    assert "seed" in shown
    assert "git.dirty" in shown
    assert "command" in shown
    found = json.loads(call("diff", root / "e" / "_0" / runs[1], root / "e" / "_0" / runs[3], "--json"))
    assert {"name": "seed", "a": 1, "b": 3} in found["parameters"]
    assert {"name": "git.dirty", "a": False, "b": True} in found["environment"]
    assert not any(one["name"] in ("pid", "git.commit", "python") for one in found["environment"])


def test_different_code_is_reported_once_wherever_it_is_averaged(repository, root, caplog):
    commit = repository.head[:7]
    text = f"averaged runs come from different code: 2 runs of {commit}, 1 of {commit} with changes"
    assert call("show", root / "e" / "_0").count(text) == 1
    best = call("best", root / "e", "loss")
    assert best.count(text) == 1
    (code,) = json.loads(call("show", root / "e" / "_0", "--json"))["code"].values()
    assert sorted(code.values()) == [1, 1, 2]
    assert code[commit] == 2
    (one,) = json.loads(call("best", root / "e", "loss", "--json"))
    assert one["code"] == code
    (listed,) = json.loads(call("ls", root, "--json"))
    assert listed["runs"][0]["code"] == code
    handler = ExperimentHandler(root, "e")
    handler.set_dict_params({"x": 1, "seed": 1})
    handler.disable_param("seed")
    for call_of_handler in (
        handler.aggregate_results,
        handler.plot,
        lambda: handler.get_best("loss"),
        lambda: handler.plot_comparison_bars("loss"),
    ):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "legm"):
            call_of_handler()
        assert caplog.text.count(text) == 1
    (row,) = legm.open(root).configurations()["different_code"]
    assert row.startswith(text.partition(": ")[2])
    assert "the completed runs come from different code: " + row in handler._repr_html_()
    assert handler.aggregate_results()["best_loss"]["different_code"] == row
    stored = yaml.safe_load((root / "e" / "_0" / "aggregated_metrics.yml").read_text("utf-8"))
    assert stored[""]["best_loss"]["different_code"] == row
    (group,) = json.loads(call("best", root / "e", "loss", "--group-by", "x", "--json"))
    assert group["code"] == code
    assert call("best", root / "e", "loss", "--group-by", "x").count(text) == 1
    assert call("ls", root, "--curve", "loss").count(text) == 1
    assert "different code" not in call("ls", root)  # of which no value is a mean
    for ranking in (handler.get_best("loss"), handler.get_best("loss", group_by="x")):
        assert ranking._repr_html_().count(text) == 1


def test_a_comparison_says_which_of_its_means_are_over_different_code(repository, root, tmp_path):
    both = tmp_path / "both"
    shutil.copytree(root, both)
    for x, seeds in ((2, (1, 3)), (3, (1, 2))):
        for seed in seeds:
            other = ExperimentHandler(both, "e")
            other.set_dict_params({"x": x, "seed": seed})
            other.disable_param("seed")
            other.name_param("x")
            with other.start():
                other.set_metric("loss", float(seed))
    commit, (first,) = repository.head[:7], both.glob("e/_0")
    text = f"come from different code: 1 run of {commit}, 1 of {commit} with changes"

    def about_code(a: object, b: object, **options: object) -> list[str]:
        return [note for note in other.compare(a, b, "loss", **options).notes if "different code" in note]

    assert about_code(first, "2_0") == [f"the runs of a {text}"]
    assert about_code("2_0", first) == [f"the runs of b {text}"]
    assert about_code(first, "3_0") == []  # both runs whose seeds are compared are of the same code
    (note,) = about_code(first, "3_0", seed=())
    assert note.startswith(f"the runs of a come from different code: 2 runs of {commit}, 1 of {commit} with")
    assert call("compare", first, both / "e" / "2_0", "loss").count(f"the runs of a {text}") == 1


def text_of_picture(path: Path) -> str:
    """The words of an SVG, which names each line of them in a comment."""
    return " ".join(re.findall(r"<!-- (.*?) -->", path.read_text(encoding="utf-8")))


def test_different_code_is_reported_under_a_table_and_in_pictures(repository, root, tmp_path):
    text = f"averaged runs come from different code: 2 runs of {repository.head[:7]}, 1 of"
    for form in ("markdown", "latex", "csv"):
        assert call("table", root / "e", "loss", "--format", form).count(text.partition(": ")[2]) == 1, form
    assert call("table", root / "e", "loss").count(text) == 1
    picture = tmp_path / "picture.svg"
    for path, *options in ((root / "e", "--bars"), (root / "e",), (root / "e" / "_0",)):
        found = json.loads(call("plot", path, "loss", *options, "-o", picture, "--json"))
        assert [note for note in found["notes"] if note.startswith(text)], options
        assert text_of_picture(picture).count(text) == 1, options


@pytest.mark.libraries
def test_the_reports_page_has_it_beside_the_configuration(repository, root, tmp_path):
    page = tmp_path / "report.html"
    call("report", root, "-o", page)
    found = re.search(r'id="content">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)
    ((row,),) = [one["rows"] for one in json.loads(found[1])["experiments"]]
    assert row["code"].startswith(f"2 runs of {repository.head[:7]}, 1 of {repository.head[:7]} with changes")


def test_equal_code_is_not_reported(tmp_path, monkeypatch):
    made = Repository(tmp_path / "code", **{"src/train.py": SCRIPT, "src/library.py": "scale = 1\n"})
    train(made, tmp_path / "runs", 1)
    train(made, tmp_path / "runs", 2)
    assert "different code" not in call("show", tmp_path / "runs" / "e" / "_0")
    assert "different code" not in call("best", tmp_path / "runs" / "e", "loss")
    assert "different code" not in call("ls", tmp_path / "runs", "--curve", "loss")
