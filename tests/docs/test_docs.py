"""README and docs: their examples run, print what they say, and their links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

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


WITH_EXAMPLES = [page for page in PAGES if blocks(page, "python")]


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=named)
def test_examples_run_in_order(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page, "python"):
        if written(block):
            continue
        # Blank lines in front let a traceback point to the line of the page.
        exec(compile("\n" * block.line + block.text, page, "exec"), namespace)
        printed = capsys.readouterr().out.splitlines()
        assert [line for line in printed if line in block.output.splitlines()] == block.output.splitlines()


COMMAND = re.compile(r"\$ (legm .*)\n")
VARIES = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d|^[0-9a-f]{6}(?=  )", re.MULTILINE)  # times, and ids of runs


def assert_printed(page: Path) -> None:
    """What the page says that commands print is what they print here."""
    found = [block for block in blocks(page, "text") if COMMAND.match(block.text)]
    assert found
    for block in found:
        command, _, output = block.text.partition("\n")
        printed = CliRunner().invoke(main, shlex.split(command)[2:]).output
        assert VARIES.sub("*", printed) == VARIES.sub("*", output), command


@pytest.mark.parametrize(
    "guide",
    [
        "capture.md",
        "command-line.md",
        "from-mlflow.md",
        "from-original-legm.md",
        "from-tensorboard.md",
        "from-wandb.md",
        "importing.md",
    ],
)
def test_the_commands_of_a_guide_print_what_it_shows(
    guide: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = ROOT / "docs" / guide
    monkeypatch.chdir(tmp_path)
    first = min(found.start() for found in COMMAND.finditer(page.read_text(encoding="utf-8")))
    before = page.read_text(encoding="utf-8").count("\n", 0, first)
    for block in blocks(page, "python"):
        if block.line < before and not written(block):
            exec(compile(block.text, page, "exec"), {})
    assert_printed(page)


def test_the_commands_of_the_readme_print_what_it_shows(
    digits_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(digits_root.parent)
    assert_printed(ROOT / "README.md")


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_fenced_blocks_have_a_known_language(page: Path) -> None:
    assert {block.language for block in blocks(page)} <= {"python", "text", "console", "pycon"}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_relative_links_and_pictures_exist(page: Path) -> None:
    prose = BLOCK.sub("", page.read_text(encoding="utf-8"))
    targets = re.findall(r"\]\(([^)\s]+)\)", prose)
    local = [target.partition("#")[0] for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = [page.name for page in (ROOT / "docs").glob("*.md") if page.name != "index.md"]
    assert [page for page in pages if f"({page})" not in index] == []


def test_commands_in_the_readme_name_files_and_extras_that_exist() -> None:
    commands = "".join(block.text for block in blocks(ROOT / "README.md", "console"))
    files = re.findall(r"\S+\.\w+", re.sub(r"'[^']*'", "", commands))
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
