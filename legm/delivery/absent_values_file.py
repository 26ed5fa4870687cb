"""The absent values that are kept with an experiment, in a small file that a user can read.

It is ``absent_values.yml`` in ``.legm`` in the experiment's folder, or in ``.legm/<experiment>`` in the root
directory for a backend without folders. A parameter keeps its first absent value there for good: a process
that gives a different one gets an error with the first one. A lock decides which process is first. Changed
defaults of libraries that were reported are noted in the file too, so that each is reported once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from legm.core.absent_values import (
    AbsentValue,
    changed_default_absent_value,
    conflicting_absent_value,
    equals_absent_value,
)
from legm.core.plain_form import canonical_plain_text, is_plain
from legm.errors import CorruptFile, LegmError, NewerFile, ParameterError, storage_error
from legm.records import Configuration, Plain
from legm.runlog.configuration_folders import refuse_folder_links
from legm.runlog.file_names import ABSENT_VALUES_FILE, ABSENT_VALUES_LOCK
from legm.util.atomic_files import write_atomically
from legm.util.locks import file_lock

__all__ = ["AbsentValuesFile", "warn_of_values_without_absent_value"]

log = logging.getLogger(__name__)

SCHEMA = 1
_HEADER = """\
# Absent values: runs from before a parameter existed had this value of it, so that they are of the same
# configuration as runs that set it to this value. legm adds to this file; a value that is wrong is corrected
# by: legm amend EXPERIMENT --absent NAME=VALUE
"""


@dataclass(frozen=True, slots=True)
class _KeptAbsentValues:
    """What the file has.

    Args:
        values: the absent values by parameter.
        reported_defaults: by parameter, the changed defaults of its library that were reported.
    """

    values: dict[str, Plain] = field(default_factory=dict)
    reported_defaults: dict[str, list[Plain]] = field(default_factory=dict)

    def unreported_defaults(self, given: Mapping[str, AbsentValue]) -> dict[str, AbsentValue]:
        """The defaults that are not the absent values, and that nobody was told of yet."""
        return {
            name: new
            for name, new in given.items()
            if name in self.values
            and not any(
                equals_absent_value(known, new.value)
                for known in (self.values[name], *self.reported_defaults.get(name, ()))
            )
        }

    def with_values(self, values: dict[str, Plain]) -> _KeptAbsentValues:
        """The same with other absent values; what was reported of parameters that have none is left out."""
        reported = {name: own for name, own in self.reported_defaults.items() if name in values}
        return _KeptAbsentValues(values, reported)

    def with_reported(self, defaults: Mapping[str, AbsentValue]) -> _KeptAbsentValues:
        """The same with further defaults that were reported."""
        reported = dict(self.reported_defaults)
        for name, new in defaults.items():
            reported[name] = [*reported.get(name, ()), new.value]
        return _KeptAbsentValues(self.values, reported)


class AbsentValuesFile:
    """The file with an experiment's absent values.

    Args:
        folder: the folder of the experiment that is legm's own; it need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / ABSENT_VALUES_FILE

    def read(self) -> dict[str, Plain]:
        """The absent values by parameter; none where there is no file.

        Raises:
            StorageError: it cannot be read.
            CorruptFile: it is damaged, or of a newer legm.
        """
        return self._read().values

    def _read(self) -> _KeptAbsentValues:
        try:
            data = self.path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return _KeptAbsentValues()
        except OSError as cause:
            raise storage_error("read", self.path, cause) from cause
        return _parse_absent_values(self.path, data)

    def read_or_log(self) -> dict[str, Plain]:
        """The same; an error is only logged."""
        try:
            return self.read()
        except LegmError as error:
            log.error("%s", error)  # noqa: TRY400
            return {}

    def keep(self, given: Mapping[str, AbsentValue], *, is_writer: bool = True) -> dict[str, Plain]:
        """Keep absent values with the experiment.

        A file that cannot be read or written is logged as an error and ends no training. A library's changed
        default is reported once in the experiment, by a writer.

        Args:
            given: by parameter.
            is_writer: whether to write those that are not there yet, or only to compare.

        Returns:
            all that the experiment keeps; a library's changed default is not among them, the old one is.

        Raises:
            ParameterError: a parameter has another absent value; nothing is written.
        """
        try:
            kept = self._read()
            if is_writer and not given.keys() <= kept.values.keys():
                kept = self._add(given)
        except ParameterError:
            raise
        except LegmError as error:
            log.error("%s", error)  # noqa: TRY400
            return {}
        self._require_same(kept.values, given)
        if is_writer:
            self._report_changed_defaults(kept, given)
        return kept.values

    def _report_changed_defaults(self, kept: _KeptAbsentValues, given: Mapping[str, AbsentValue]) -> None:
        """Log each changed default once, by the process that is the first to note it."""
        changed = kept.unreported_defaults(given)
        if not changed:
            return

        def noted(now: _KeptAbsentValues) -> _KeptAbsentValues:
            nonlocal changed
            changed = now.unreported_defaults(given)
            return now.with_reported(changed)

        try:
            self._change(noted)
        except LegmError as error:
            log.error("%s", error)  # noqa: TRY400
        for name, new in changed.items():
            log.warning("%s", changed_default_absent_value(name, kept.values[name], new))

    def require_no_other(self, values: Mapping[str, Plain], source: str) -> None:
        """Refuse absent values of runs that are to be moved here where one is another here.

        Args:
            values: by parameter.
            source: where they are from, for the message.

        Raises:
            ParameterError: a parameter has another absent value here: runs with the two values would become
                one configuration.
            StorageError: the file cannot be read.
            CorruptFile: it is damaged, or of a newer legm.
        """
        known = self.read()
        for name in sorted(values.keys() & known.keys()):
            if not equals_absent_value(values[name], known[name]):
                other = _other_absent_value(name, values[name], source, known[name], self.path)
                raise ParameterError(
                    f"{other}. Correct one of them, or take one away: legm amend … --absent, --no-absent"
                )

    def merge(self, values: Mapping[str, Plain], source: str) -> None:
        """Keep absent values of runs from elsewhere; where one is another here, this is logged as an error.

        Args:
            values: by parameter.
            source: where they are from, for the message.
        """
        known = self.read_or_log()
        for name in values.keys() & known.keys():
            if not equals_absent_value(values[name], known[name]):
                log.error(
                    "%s; the latter stays",
                    _other_absent_value(name, values[name], source, known[name], self.path),
                )
        self.keep({name: AbsentValue(value) for name, value in values.items() if name not in known})

    def correct(self, before: Mapping[str, Plain], after: Mapping[str, Plain]) -> None:
        """Replace absent values that were wrong; those of other parameters stay.

        Args:
            before: by parameter, what is replaced.
            after: what is kept instead; of a parameter that is not in it, nothing.

        Raises:
            StorageError: the file cannot be read or written.
            CorruptFile: it is damaged, or of a newer legm.
        """

        def corrected(kept: _KeptAbsentValues) -> _KeptAbsentValues:
            others = {name: value for name, value in kept.values.items() if name not in before}
            return kept.with_values(others | {**after})

        self._change(corrected)

    def _require_same(self, known: Mapping[str, Plain], given: Mapping[str, AbsentValue]) -> None:
        """Refuse another absent value than the known one, unless it is a library's default."""
        for name, new in given.items():
            if name in known and new.library is None and not equals_absent_value(known[name], new.value):
                raise conflicting_absent_value(name, known[name], new.value, f"in {self.path}")

    def _make_folder(self) -> None:
        folder = self.path.parent
        refuse_folder_links(folder, self.path)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise storage_error("create the folder", folder, cause) from cause

    def _add(self, given: Mapping[str, AbsentValue]) -> _KeptAbsentValues:
        def added(kept: _KeptAbsentValues) -> _KeptAbsentValues:
            self._require_same(kept.values, given)
            return kept.with_values({**{name: one.value for name, one in given.items()}, **kept.values})

        return self._change(added)

    def _change(self, change: Callable[[_KeptAbsentValues], _KeptAbsentValues]) -> _KeptAbsentValues:
        """Replace what the file has, where that is another content, while no other process does."""
        self._make_folder()
        with file_lock(self.path.parent / ABSENT_VALUES_LOCK):
            before = self._read()
            after = change(before)
            if _canonical_text(after) != _canonical_text(before):
                write_atomically(self.path, _absent_values_yaml(after))
            return after


def _other_absent_value(name: str, value: Plain, source: str, known: Plain, path: Path) -> str:
    """What is wrong where runs from elsewhere have another absent value than those that are there."""
    return (
        f"the absent_value of {name!r} is {value!r} in {source}, and {known!r} in {path}: runs with these "
        "two values count as one configuration"
    )


def _canonical_text(kept: _KeptAbsentValues) -> str:
    return canonical_plain_text({"values": kept.values, "reported": kept.reported_defaults})


def _absent_values_yaml(kept: _KeptAbsentValues) -> bytes:
    from legm.util.yaml_text import yaml_block

    content: dict[str, Any] = {"schema": SCHEMA, "absent_values": dict(sorted(kept.values.items()))}
    if kept.reported_defaults:
        content["reported_defaults"] = dict(sorted(kept.reported_defaults.items()))
    return (_HEADER + yaml_block(content)).encode()


def _parse_absent_values(path: Path, data: bytes) -> _KeptAbsentValues:
    from legm.util.yaml_files import parse_yaml
    from legm.util.yaml_text import parse_yaml_block

    content: Any = None
    try:
        lines = data.decode().splitlines(keepends=True)
        content = parse_yaml_block("".join(one for one in lines if not one.startswith("#")), {})
    except (ValueError, RecursionError):
        pass
    if content is None:
        content = parse_yaml(path, data) or {}
    schema = content.get("schema", SCHEMA) if isinstance(content, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise NewerFile(path, "its schema", schema, SCHEMA)
    values = content.get("absent_values") or {} if isinstance(content, dict) else None
    if not isinstance(values, dict) or not all(
        isinstance(name, str) and is_plain(value) for name, value in values.items()
    ):
        raise CorruptFile(
            path,
            "absent_values",
            "it must map names of parameters to plain values",
            "Repair the file, or delete it: the next run writes what it knows.",
        )
    return _KeptAbsentValues(values, _parse_reported_defaults(content.get("reported_defaults")))


def _parse_reported_defaults(content: Any) -> dict[str, list[Plain]]:
    """What was reported; what is damaged there only makes legm report it once more."""
    if not isinstance(content, dict):
        return {}
    return {
        name: values
        for name, values in content.items()
        if isinstance(name, str) and isinstance(values, list) and is_plain(values)
    }


def warn_of_values_without_absent_value(
    configuration: Configuration, known: Mapping[str, Plain], given: Iterable[str]
) -> None:
    """Warn of parameters with the absent value that the experiment keeps, where the run gives none.

    Args:
        configuration: of the run.
        known: the absent values that are kept.
        given: the parameters of which the run gives one.
    """
    for name in sorted({*known} & {*configuration.active} - {*given}):
        if equals_absent_value(configuration.parameters[name], known[name]):
            log.warning(
                "earlier runs of %r gave %r the absent_value %r, and this one, which sets it to this value, "
                "gives none: it is another configuration than theirs. Give the absent_value again",
                *(configuration.experiment, name, known[name]),
            )
