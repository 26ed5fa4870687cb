"""README and docs: their examples run, print what they say, and their links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from legm import ExperimentHandler
from legm.cli import main
from tests.support.pages import BLOCK, FILE, Block, blocks
from tests.support.paths import ROOT

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def written(block: Block) -> bool:
    """Whether a block is a file; it is there then."""
    is_file = FILE.match(block.text)
    if is_file:
        Path(is_file[1]).write_text(block.text, encoding="utf-8")
    return is_file is not None


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


COMMAND = re.compile(r"\$ (legm|python) (.*)\n")
VARIES = re.compile(  # times, ids of runs, ids in the trash
    r"\d{4}-\d\d-\d\d \d\d:\d\d|^[0-9a-f]{6}(?=  )|\d{8}-\d{6}-\d{3}-[0-9a-f]{6}", re.MULTILINE
)
MEASURED = re.compile(  # what a training gives differs by machine, and so does the tables' width
    r"\d+\.\d+ ± \d+\.\d+|\d+\.\d{12,}|[─ ]+"
)
DECIMALS = re.compile(r"\d+\.\d+|[─ ]+")  # the tutorial prints what it measured in many ways

README = ROOT / "README.md"
TRAINERS = (
    *(
        "accelerate",
        "catboost",
        "fastai",
        "flax",
        "hydra",
        "ignite",
        "keras",
        "lightgbm",
        "lightning",
        "optuna",
        "ray",
        "skorch",
    ),
    *("sklearn", "stable_baselines3", "transformers", "xgboost"),
)
"""Pages with a program that needs the library of this name; the whole suite installs few of them."""


def is_runnable(page: Path) -> bool:
    """Whether what a page's examples need is here: those of ``TRAINERS`` run in ``nox -s trainers``."""
    library = "optuna" if page.stem == "sweep" else page.stem
    return page.stem not in (*TRAINERS, "sweep") or importlib.util.find_spec(library) is not None


WITH_EXAMPLES = [
    pytest.param(page, marks=[pytest.mark.filterwarnings("ignore")] if page.stem in TRAINERS else [])
    for page in PAGES
    if blocks(page, "python") and is_runnable(page)
]


def printed(
    command: re.Match[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> str:
    """What a command prints; a script runs in this process, so that what it imports is imported once."""
    words = shlex.split(command[2])
    if command[1] == "legm":
        return CliRunner().invoke(main, words).output
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", words)
        runpy.run_path(words[0], run_name="__main__")
    return capsys.readouterr().out


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=named)
def test_examples_run_in_order(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    if page.name == "provenance.md":
        monkeypatch.setenv("LEGM_PROVENANCE", "1")
    monkeypatch.setenv("RAY_ADDRESS", "local")  # not the cluster of another test
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "legm_acme", raising=False)  # another test's package of this name
    namespace: dict[str, object] = {"__name__": "__main__"}
    varies = VARIES
    for block in blocks(page):
        command = COMMAND.match(block.text) if page != README else None  # its own example runs them
        if block.language == "yaml":
            assert written(block), block.text
        elif block.language == "python" and not written(block):
            # Blank lines in front let a traceback point to the line of the page.
            exec(compile("\n" * block.line + block.text, page, "exec"), namespace)
            lines = capsys.readouterr().out.splitlines()
            assert [line for line in lines if line in block.output.splitlines()] == block.output.splitlines()
        elif block.language == "text" and command:
            if command[1] == "python":
                varies = DECIMALS if page.name == "tutorial.md" else MEASURED
            output = printed(command, capsys, monkeypatch)
            expected = block.text.partition("\n")[2]
            for pattern in (VARIES, varies):
                output, expected = pattern.sub("*", output), pattern.sub("*", expected)
            assert output == expected, command[0]


def test_measured_values_may_differ_but_not_the_rows_that_are_ranked() -> None:
    shown = "1  lr=0.1   0.320 ± 0.010   2    0.1\n2  lr=0.5   0.721 ± 0.021   2    0.5\n"
    elsewhere = "1  lr=0.1  10.25 ± 3.5  2  0.1\n2  lr=0.5  11.7 ± 0.2  2  0.5\n"
    exchanged = "1  lr=0.5   0.320 ± 0.010   2    0.5\n2  lr=0.1   0.721 ± 0.021   2    0.1\n"
    expected, other, wrong = (MEASURED.sub("*", text) for text in (shown, elsewhere, exchanged))
    assert other == expected != wrong


@pytest.mark.parametrize("name", sorted(TRAINERS))
def test_the_program_of_a_trainers_page_is_the_example(name: str) -> None:
    page = ROOT / "docs" / f"{name}.md"
    program, *_ = blocks(page, "python")
    for block in (program, *blocks(page, "yaml")):
        file = FILE.match(block.text)[1]
        assert block.text == (ROOT / "examples" / name / file).read_text(encoding="utf-8")


def test_the_programs_of_the_page_about_many_machines_are_the_examples() -> None:
    page = ROOT / "docs" / "many-machines.md"
    shown = {match[1]: block.text for block in blocks(page) if (match := FILE.match(block.text))}
    files = [path for path in (ROOT / "examples" / "many_machines").iterdir() if path.is_file()]
    assert shown == {path.name: path.read_text(encoding="utf-8") for path in files}


def test_the_files_of_the_page_about_sweeps_are_the_example() -> None:
    program, written, *_ = blocks(ROOT / "docs" / "sweep.md", "python")
    folder = ROOT / "examples" / "sweep"
    assert program.text == (folder / "train.py").read_text(encoding="utf-8")
    _, _, config = (folder / "sweep.yaml").read_text(encoding="utf-8").partition("\n")
    assert config in written.text


def assert_printed(page: Path) -> None:
    """What the page says that commands print is what they print here."""
    found = [block for block in blocks(page, "text") if COMMAND.match(block.text)]
    assert found
    for block in found:
        command, _, output = block.text.partition("\n")
        shown = CliRunner().invoke(main, shlex.split(command)[2:]).output
        assert VARIES.sub("*", shown) == VARIES.sub("*", output), command


def test_the_commands_of_the_readme_print_what_it_shows(
    digits_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(digits_root.parent)
    assert_printed(ROOT / "README.md")


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_fenced_blocks_have_a_known_language(page: Path) -> None:
    assert {block.language for block in blocks(page)} <= {"python", "text", "console", "pycon", "yaml"}


BESIDE = [ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "examples/legm-trackio/README.md")]


@pytest.mark.parametrize("page", [*PAGES, *BESIDE], ids=named)
def test_relative_links_and_pictures_exist(page: Path) -> None:
    prose = BLOCK.sub("", page.read_text(encoding="utf-8"))
    targets = re.findall(r"\]\(([^)\s]+)\)", prose)
    local = [target.partition("#")[0] for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = [page.name for page in (ROOT / "docs").glob("*.md") if page.name != "index.md"]
    assert [page for page in pages if f"({page})" not in index] == []


CODE = re.compile(r"`([^`\n]+)`")


@pytest.mark.parametrize("page", PAGES[:1] + PAGES[2:], ids=named)
def test_calls_and_commands_that_a_page_mentions_exist(page: Path) -> None:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    shown = "\n".join([*CODE.findall(text), *(block.text for block in blocks(page, "console"))])
    calls = set(re.findall(r"\bhandler\.(\w+)\(", shown))
    assert {call for call in calls if not hasattr(ExperimentHandler, call)} == set()
    for name, rest in re.findall(r"^legm ([a-z][\w-]*)(.*)", shown, re.MULTILINE):
        command = main.commands[name]
        if command.context_settings.get("ignore_unknown_options"):  # legm tag RUN -bad
            continue
        known = {
            option for parameter in command.params for option in parameter.opts + parameter.secondary_opts
        }
        given = re.findall(r"(?<!\S)--?[a-z][\w-]*", rest.partition(" -- ")[0])
        assert set(given) <= known | {"--help"}, name


def test_commands_in_the_readme_name_files_and_extras_that_exist() -> None:
    commands = "".join(block.text for block in blocks(ROOT / "README.md", "console"))
    files = re.findall(r"\S+\.\w+", re.sub(r"'[^']*'|\S+://\S+", "", commands))
    assert files
    assert [file for file in files if not (ROOT / file).exists()] == []
    extras = re.findall(r"'\.\[(\w+)\]'", commands)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert extras
    assert [extra for extra in extras if not re.search(rf"^{extra} = \[", project, re.MULTILINE)] == []


def test_the_readme_shows_the_commands_that_exist() -> None:
    text = "".join(block.text for block in blocks(ROOT / "README.md", "text"))
    shown = re.findall(r"^legm ([\w-]+) ", text, re.MULTILINE)
    assert sorted(shown) == sorted(main.commands)


def test_what_the_readme_installs_has_what_its_commands_need():
    text = README.read_text(encoding="utf-8")
    assert "legm report results" in text
    first, tried, *_ = re.findall(r"^pip install (.*)$", text, re.MULTILINE)
    for installed in (first, tried):
        assert "report" in re.findall(r"\[(.*?)\]", installed)[0].split(",")
