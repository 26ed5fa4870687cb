"""Finds the configuration of an experiment that a text names: one rule for every call and command."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from legm.core.display_names import configuration_labels, matches_display_name
from legm.core.effective_values import EffectiveValues
from legm.core.naming import readable_name
from legm.errors import ParameterError, closest
from legm.hooks import Capability
from legm.records import Configuration
from legm.runlog.file_names import OWN_FOLDER
from legm.runlog.log_folder import LogFolder
from legm.runlog.trashed import in_trash_text
from legm.util.given_paths import resolved_path

if TYPE_CHECKING:
    from legm.delivery.client import BackendClient

__all__ = ["LookupCandidate", "label_beside_logs", "labels_in_backend", "resolve_configuration"]

_LEAST_PIECE = 6  # characters of a fingerprint that may stand for it


@dataclass(frozen=True, slots=True)
class LookupCandidate:
    """A configuration that a text may name.

    Args:
        label: what ``legm ls`` calls it: its folder's name, or its numbered name.
        configuration: None where its parameters cannot be read.
        folder: None where it has none that a user sees.
    """

    label: str
    configuration: Configuration | None
    folder: Path | None = None

    @property
    def key(self) -> str:
        """Equal for copies of one configuration."""
        return self.configuration.fingerprint if self.configuration is not None else str(self.folder)


def labels_in_backend(client: BackendClient, configurations: Iterable[Configuration]) -> dict[str, str]:
    """What configurations are called in paths, by fingerprint; see :func:`configuration_labels`.

    Args:
        client: of the backend.
        configurations: all of an experiment, or for a backend with folders those whose names are wanted.
    """
    has_folders = client.supports(Capability.FOLDERS)
    return configuration_labels((one, client.folder(one) if has_folders else None) for one in configurations)


def label_beside_logs(configuration: Configuration, logs: LogFolder | None) -> str:
    """What a configuration is called in paths, by the folder of its logs; its name where that is legm's own.

    Args:
        configuration: the configuration.
        logs: of its runs; None where there are none.
    """
    folder = None if logs is None else logs.folder.parent
    if folder is None or folder.parent.parent.name == OWN_FOLDER:
        return configuration.name or configuration.fingerprint
    return folder.name


def resolve_configuration(
    text: str, candidates: Sequence[LookupCandidate], experiment: str, experiment_folder: Path
) -> LookupCandidate:
    """The configuration that a text names.

    Args:
        text: its label; or its name, its fingerprint, or a piece of that of at least six characters; or its
            folder, or ``ROOT/EXPERIMENT/`` with any of these behind it: as a path, as it is or from the root
            directory on; or values of parameters that no other one has (``depth=3, lr=0.1``).
        candidates: the experiment's configurations.
        experiment: what a message calls the experiment.
        experiment_folder: where it is below the root directory; it need not exist.

    Raises:
        ParameterError: there is none, or there are several.
    """
    texts = (text, *_lookup_path_in_experiment(text, experiment_folder))
    effective = EffectiveValues(one.configuration for one in candidates if one.configuration is not None)

    def matches_values(one: LookupCandidate, text: str) -> bool:
        return one.configuration is not None and matches_display_name(one.configuration, text, effective)

    for matches in (_lookup_matches_folder_or_label, _lookup_matches_name_or_fingerprint, matches_values):
        found = {one.key: one for one in candidates if any(matches(one, each) for each in texts)}
        if len(found) == 1:
            return next(iter(found.values()))
        if found:
            labels = ", ".join(sorted(readable_name(one.label) for one in found.values())[:10])
            keys = ", ".join(sorted(found)[:10])
            raise ParameterError(
                f"{len(found)} configurations of {experiment} are called {text!r}: name one by its folder "
                f"({labels}) or its fingerprint ({keys})"
            )
    names = {one.label for one in candidates}
    if trashed := in_trash_text(experiment_folder / text):
        raise ParameterError(f"{experiment} has no configuration {text!r}: {trashed}")
    names |= {one.configuration.name for one in candidates if one.configuration and one.configuration.name}
    known = {readable_name(name) for name in names}
    raise ParameterError(f"{experiment} has no configuration {text!r}; {closest(text, known)}")


def _lookup_path_in_experiment(text: str, experiment_folder: Path) -> Iterator[str]:
    """The part after the experiment's folder of a text that is a path into it."""
    if "\0" in text:
        return
    path, folder = Path(text), resolved_path(experiment_folder)
    for start in (Path(), experiment_folder.parent, experiment_folder):
        whole = resolved_path(start / path)
        if whole.parent == folder:
            yield whole.name


def _lookup_matches_folder_or_label(one: LookupCandidate, text: str) -> bool:
    is_label = text == one.label or _lookup_path_end(readable_name(one.label)) == text
    if is_label or one.folder is None or "\0" in text:
        return is_label
    return text == one.folder.name or (
        Path(text).is_absolute() and resolved_path(text) == resolved_path(one.folder)
    )


def _lookup_path_end(text: str) -> str:
    """A text as it is where it stands at the end of a path."""
    return "/".join(filter(None, text.split("/")))


def _lookup_matches_name_or_fingerprint(one: LookupCandidate, text: str) -> bool:
    found = one.configuration
    if found is None or not text:
        return False
    return text in {found.name, _lookup_path_end(readable_name(found.name)), found.fingerprint} or (
        len(text) >= _LEAST_PIECE and text in found.fingerprint
    )
