"""What W&B is told of the code of a run of this process, so that it does not store the changes by itself.

W&B would store them as they are, of any size and with what they contain of credentials, wherever it saves
code. legm stores its own patch under the same name.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from typing import Any

from legm.util.user_environment import user_variable

__all__ = ["code_settings"]


def code_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with which W&B stores the commit, the remote and the script's path, but no changes.

    Args:
        given: the user's settings.

    Returns:
        nothing where there is no commit, or the user does not want W&B to look at it.
    """
    if given.get("disable_git") or user_variable("WANDB_DISABLE_GIT"):
        return {}
    try:
        gitlib: Any = importlib.import_module("wandb.sdk.lib.gitlib")
        repository = gitlib.GitRepo(root=given.get("git_root"), remote=given.get("git_remote", "origin"))
        root, commit, remote = repository.root_dir, repository.last_commit, repository.remote_url
    except Exception:  # noqa: BLE001 - no public interface: then W&B decides all by itself
        return {}
    if not root or not commit:
        return {}
    found = {"disable_git": True, "git_root": str(root), "git_commit": commit, "git_remote_url": remote}
    path = _code_script_below(str(root))
    if path is not None:
        found["program_relpath"] = path
    return {name: value for name, value in found.items() if value and name not in given}


def _code_script_below(root: str) -> str | None:
    """The path of the script in the repository, which W&B does not look for then."""
    main = sys.modules.get("__main__")
    script = getattr(main, "__file__", None)
    if not script or getattr(main, "__spec__", None) is not None:  # python -m
        return None
    path = os.path.relpath(os.path.realpath(script), os.path.realpath(root))
    return None if path.startswith(os.pardir) else path
