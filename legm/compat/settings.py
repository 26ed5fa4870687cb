"""Where the runs of scripts that call another tracker go, and how they are compared."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from legm.core.seeds import looks_like_seed

__all__ = ["Settings"]


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says.

    Args:
        root: the root directory: ``LEGM_ROOT``.
        backend: the backends' names: ``LEGM_BACKEND``, with commas between several.
        strict: whether an unsupported call is an error: ``LEGM_COMPAT_STRICT=1``.
        ignored: shell patterns of parameters that are not compared: ``LEGM_IGNORE``.
        named: the parameters that name a configuration, first first: ``LEGM_NAME_PARAMS``.
    """

    root: Path
    backend: tuple[str, ...] = ("local",)
    strict: bool = False
    ignored: tuple[str, ...] = ()
    named: tuple[str, ...] = ()

    @staticmethod
    def of(environ: Mapping[str, str]) -> Settings:
        """The settings by environment variables; a relative root is one of the folder we are in now."""
        return Settings(
            Path(os.path.abspath(environ.get("LEGM_ROOT") or "legm-runs")),  # noqa: PTH100 - links stay
            _listed(environ.get("LEGM_BACKEND", "")) or ("local",),
            environ.get("LEGM_COMPAT_STRICT", "").lower() not in ("", "0", "false", "no"),
            _listed(environ.get("LEGM_IGNORE", "")),
            _listed(environ.get("LEGM_NAME_PARAMS", "")),
        )

    def compares(self, name: str) -> bool:
        """Whether a parameter tells configurations apart: it is no seed, and not to be ignored."""
        return not looks_like_seed(name) and not any(fnmatchcase(name, pattern) for pattern in self.ignored)
