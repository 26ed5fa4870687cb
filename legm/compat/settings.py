"""The settings of the stand-ins: where runs are stored, and how they are compared."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from legm.core.parameter_kinds import infer_parameter_kind, is_own_time
from legm.core.seeds import looks_like_seed
from legm.records import Plain

__all__ = ["Settings"]


def _split_compat_setting(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings from environment variables; lists are separated by commas.

    Args:
        root: the root directory (``LEGM_ROOT``).
        backend: the names of the backends (``LEGM_BACKEND``); in a session, those that its process can use.
        strict: whether an unsupported call is an error (``LEGM_COMPAT_STRICT=1``).
        ignored: shell patterns of parameters that are not compared (``LEGM_IGNORE``).
        name_parameters: the parameters in a configuration's name, most important first
            (``LEGM_NAME_PARAMS``).
        compared: shell patterns of parameters that are compared, whatever they look like (``LEGM_COMPARE``).
        experiment: the experiment of all runs, instead of the script's own; "" for none
            (``LEGM_EXPERIMENT``).
    """

    root: Path
    backend: tuple[str, ...] = ("local",)
    strict: bool = False
    ignored: tuple[str, ...] = ()
    name_parameters: tuple[str, ...] = ()
    compared: tuple[str, ...] = ()
    experiment: str = ""

    @staticmethod
    def of(environ: Mapping[str, str]) -> Settings:
        """Read the settings; a relative root is relative to the current folder."""
        return Settings(
            Path(os.path.abspath(environ.get("LEGM_ROOT") or "legm-runs")),  # noqa: PTH100 - links are not resolved
            _split_compat_setting(environ.get("LEGM_BACKEND", "")) or ("local",),
            environ.get("LEGM_COMPAT_STRICT", "").lower() not in ("", "0", "false", "no"),
            _split_compat_setting(environ.get("LEGM_IGNORE", "")),
            _split_compat_setting(environ.get("LEGM_NAME_PARAMS", "")),
            _split_compat_setting(environ.get("LEGM_COMPARE", "")),
            environ.get("LEGM_EXPERIMENT", ""),
        )

    def is_compared(self, name: str, value: Plain, began: float, now: float) -> bool:
        """Whether a parameter distinguishes configurations.

        It does unless it is ignored, or looks as if it only distinguished runs: the rules of captured runs.

        Args:
            name: the parameter.
            value: in plain form.
            began: when its run began, in seconds since 1970.
            now: the time of now.
        """
        if any(fnmatchcase(name, pattern) for pattern in self.compared):
            return True
        if looks_like_seed(name) or any(fnmatchcase(name, pattern) for pattern in self.ignored):
            return False
        are_own_times = is_own_time(value, began, now)
        return infer_parameter_kind(name, [value], more_to_come=True, are_own_times=are_own_times) is None
