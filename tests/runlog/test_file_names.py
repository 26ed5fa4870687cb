"""What legm writes below a root directory has its name in one module."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import legm
from legm.runlog import file_names
from tests.support.source_trees import nodes_of

PACKAGE = Path(legm.__file__).parent
NAMES = {
    value
    for name in file_names.__all__
    if isinstance(value := getattr(file_names, name), str) and re.search(r"[.-]|^catalogue$", value)
} - {file_names.LOCK_FILE}  # also the suffix of locks beside other files


_MAY_SPELL = re.compile(rf"(?:{'|'.join(map(re.escape, (*NAMES, file_names.LOG_SUFFIX)))})[\"'/{{\\]")
"""What a module has that spells a name: one before the end of a text, or of a part of a path."""


def texts_in(path: Path) -> set[str]:
    """The texts in a module, also those inside of f-strings, split where paths are; without docstrings."""
    if not _MAY_SPELL.search(path.read_text(encoding="utf-8")):
        return set()
    docstrings = {id(node.value) for node in nodes_of(path, ast.Expr)}
    return {
        part
        for node in nodes_of(path, ast.Constant)
        if isinstance(node.value, str) and id(node) not in docstrings
        if " " not in node.value
        for part in node.value.split("/")
    }


def test_the_names_of_files_are_spelled_once():
    assert {"params.yml", ".legm", "imported.yml", "trusted-targets", "catalogue", ".log"} <= NAMES
    own = (
        "runlog/file_names.py",
        "backends/wandb/names.py",  # a tracker's files
        "importers/classic/",  # the original legm's
    )
    wrong = {
        name: found
        for path in PACKAGE.rglob("*.py")
        if not (name := path.relative_to(PACKAGE).as_posix()).startswith(own)
        if (
            found := {
                text for text in texts_in(path) if text in NAMES or text.endswith(file_names.LOG_SUFFIX)
            }
        )
    }
    assert wrong == {}


def test_a_log_is_named_by_its_run():
    assert file_names.log_file_name("20260101-000000-000-abcdef") == "20260101-000000-000-abcdef.log"
