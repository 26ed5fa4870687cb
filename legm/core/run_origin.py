"""What a run's environment says, for a user: line by line, compared with another, and as commands.

An environment may come from a file that somebody else made, so nothing in it is relied on.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath, PurePosixPath
from typing import Any

from legm.core.run_environment import STRETCHES
from legm.records import Plain

__all__ = [
    "commands_to_reproduce_origin",
    "origin_differences",
    "origin_facts",
    "origin_notes",
    "versions_known_of_some",
]

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_ALWAYS_DIFFERENT = frozenset({"pid"})
_DISTRIBUTIONS = "distributions."  # before the name of each, among the facts
_VERSION = re.compile(r"[A-Za-z0-9][\w.+!-]*")


def origin_facts(environment: Mapping[str, Plain]) -> dict[str, Plain]:
    """Every fact by a joined name, such as ``git.commit``; lists are joined, stretches are left out."""
    return dict(
        _flat_origin_facts("", {name: value for name, value in environment.items() if name != STRETCHES})
    )


def _flat_origin_facts(prefix: str, value: Mapping[str, Plain]) -> Iterator[tuple[str, Plain]]:
    for name, item in value.items():
        if isinstance(item, Mapping):
            yield from _flat_origin_facts(f"{prefix}{name}.", item)
        elif name == "command" and isinstance(item, list):
            yield prefix + name, shlex.join(map(str, item))
        elif name == "gpus" and isinstance(item, list):
            yield prefix + name, ", ".join(str(_origin_mapping(one).get("name", one)) for one in item)
        else:
            yield prefix + name, item


def origin_differences(a: Mapping[str, Plain], b: Mapping[str, Plain]) -> list[tuple[str, Plain, Plain]]:
    """The facts in which two environments differ, by name; None for what one does not have.

    The version of a distribution that only one of them has is no difference: the other process may have had
    the same one, and not imported it. See :func:`versions_known_of_some`.
    """
    ours, theirs = origin_facts(a), origin_facts(b)
    names = dict.fromkeys([*ours, *theirs])
    return [
        (name, ours.get(name), theirs.get(name))
        for name in names
        if name not in _ALWAYS_DIFFERENT
        and ours.get(name) != theirs.get(name)
        and not (name.startswith(_DISTRIBUTIONS) and (name not in ours or name not in theirs))
    ]


def versions_known_of_some(environments: Sequence[Mapping[str, Plain]]) -> list[str]:
    """The distributions, with versions, that some runs had imported and others had not.

    Args:
        environments: of the runs; those without any versions, of which nothing was recorded, are passed over.
    """
    every = [known for one in environments if (known := _origin_mapping(one.get("distributions")))]
    names = sorted({name for known in every for name in known}, key=lambda name: (name.lower(), name))
    found = []
    for name in names:
        versions = dict.fromkeys(str(known[name]) for known in every if name in known)
        if any(name not in known for known in every):
            found.append(f"{name} {' or '.join(versions)}")
    return found


def _origin_mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def origin_notes(environment: Mapping[str, Plain]) -> list[str]:
    """What is missing in what is known of a run's code, and would be missing from it brought back."""
    git = _origin_mapping(environment.get("git"))
    notes = []
    stretches = environment.get(STRETCHES)
    if isinstance(stretches, list) and len(stretches) > 1:
        notes.append(f"the run was resumed: this is the last of its {len(stretches)} stretches")
    if git.get("problem"):
        notes.append(f"what is changed in the code is not all known: {git['problem']}")
    notes += [
        f"{name} is not in the patch: it {why}" for name, why in _origin_mapping(git.get("left_out")).items()
    ]
    if git.get("redacted_lines"):
        notes.append(f"credentials were removed from {git['redacted_lines']} lines of the patch")
    command = environment.get("command")
    if isinstance(command, list) and any("<redacted>" in str(one) for one in command):
        notes.append("credentials were removed from the command: put them in")
    return notes


def commands_to_reproduce_origin(
    environment: Mapping[str, Plain], target: PurePath, patch: str | None, *, has_folder: bool
) -> list[str]:
    """The commands of a shell that bring a run's code back and run it again, with comments.

    Args:
        environment: of the run.
        target: a folder that does not exist yet, for the code.
        patch: the path of the file with the uncommitted changes; None where it is not at hand.
        has_folder: whether the run's repository is on this machine.

    Returns:
        an empty list where the command is unknown.
    """
    git, command = _origin_mapping(environment.get("git")), environment.get("command")
    if not isinstance(command, list) or not command:
        return []
    lines = [f"# {_origin_text_line(note)}" for note in origin_notes(environment)]
    commit, folder = str(git.get("commit", "")), str(git.get("folder", ""))
    arguments, working = [str(one) for one in command], str(environment.get("folder", ""))
    if _COMMIT.fullmatch(commit):
        lines += _checkout_origin(git, commit, folder, str(target), has_folder=has_folder)
        lines += _apply_origin_patch(git, patch)
        script = str(environment.get("script", ""))
        arguments = [_moved_origin_argument(one, working, script, folder, str(target)) for one in arguments]
        inside = _path_below_origin(working, folder)
        working = working if inside is None else str(target / inside)
    else:
        lines.append("# the commit is unknown: the code is taken as it is")
    lines += _origin_versions(environment)
    if working:
        lines.append(f"cd {shlex.quote(working)}")
    return [*lines, shlex.join(arguments)]


def _checkout_origin(
    git: Mapping[str, Any], commit: str, folder: str, target: str, *, has_folder: bool
) -> Iterator[str]:
    remote = str(git.get("remote", ""))
    if has_folder:
        yield shlex.join(["git", "-C", folder, "worktree", "add", "--detach", target, commit])
    elif remote:
        yield shlex.join(["git", "clone", "--no-checkout", "--", remote, target])
        yield shlex.join(["git", "-C", target, "checkout", "--detach", commit])
    else:
        yield f"# the repository {_origin_text_line(folder)} is not on this machine, and has no remote"
        return
    yield f"cd {shlex.quote(target)}"
    if git.get("submodules"):
        yield "git submodule update --init --recursive"
        for path, at in _origin_mapping(git.get("submodules")).items():
            if _COMMIT.fullmatch(str(at)) and _is_inside_origin(path):
                yield shlex.join(["git", "-C", path, "checkout", "--detach", str(at)])


def _apply_origin_patch(git: Mapping[str, Any], patch: str | None) -> Iterator[str]:
    kept = _origin_mapping(git.get("patch"))
    if not kept:
        return
    if patch is not None:
        yield shlex.join(["git", "apply", "--", patch])
    else:
        yield f"# apply the run's file {_origin_text_line(str(kept.get('file', '')))} here: git apply FILE"


def _origin_versions(environment: Mapping[str, Plain]) -> Iterator[str]:
    if environment.get("python"):
        yield f"# Python {_origin_text_line(str(environment['python']))}"
    known = _origin_mapping(environment.get("distributions"))
    pins = [
        f"{name}=={version}"
        for name, version in known.items()
        if _VERSION.fullmatch(name) and _VERSION.fullmatch(str(version))
    ]
    if pins:
        yield f"# python -m pip install {' '.join(pins)}"


def _moved_origin_argument(argument: str, working: str, script: str, folder: str, target: str) -> str:
    """An argument that names a file of the repository, in the folder that has its code now."""
    inside = _path_below_origin(argument, folder)
    if inside is None and script and argument.endswith(PurePath(script).name):
        is_script = argument == script or _is_end_of_origin(argument, script)
        inside = (
            _path_below_origin(script, folder)
            if is_script and _path_below_origin(working, folder) is None
            else None
        )
    return argument if inside is None else str(PurePath(target) / inside)


def _is_end_of_origin(argument: str, script: str) -> bool:
    """Whether a relative path may name the script, but for the folders above it."""
    parts = [part for part in PurePath(argument).parts if part not in {".", ".."}]
    return bool(parts) and list(PurePath(script).parts[-len(parts) :]) == parts


def _path_below_origin(path: str, folder: str) -> str | None:
    """A path below a folder; None for one that is not in it."""
    if not folder or not path:
        return None
    try:
        return str(PurePath(path).relative_to(folder))
    except ValueError:
        return None


def _is_inside_origin(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and ".." not in parts and not path.startswith(("/", "-"))


def _origin_text_line(text: str) -> str:
    return " ".join(text.split())
