"""What becomes known of the repository that a script lives in, and that its patch brings the changes back."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from legm.core.credentials import redact_source
from legm.provenance import git
from legm.provenance.git import GitState, read_git_state
from tests.support.repositories import Repository, run_git


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "code", **{"lib/model.py": "x = 1\n" * 20, ".gitignore": "*.log\n"})


def state_of(repository: Repository, **options: object) -> GitState:
    state = read_git_state(repository.script, Path(os.sep), **options)
    assert state is not None
    return state


def restored(repository: Repository, state: GitState, folder: Path) -> dict[str, bytes]:
    """The files of a fresh clone at the commit, with the patch."""
    run_git(folder.parent, "clone", "-q", "--recurse-submodules", str(repository.folder), str(folder))
    run_git(folder, "checkout", "-q", state.commit)
    patch = folder.parent / "changes.patch"
    patch.write_bytes(state.patch.content)
    run_git(folder, "apply", str(patch))
    clone = Repository.__new__(Repository)
    clone.folder = folder
    return clone.contents()


def test_of_a_clean_repository_commit_branch_and_remote_are_known(repository):
    repository.git("remote", "add", "origin", "https://user:secret-password@example.org/code.git")
    state = state_of(repository)
    assert state.as_environment() == {
        "folder": str(repository.folder.resolve()),
        "commit": repository.head,
        "branch": "main",
        "remote": "https://example.org/code.git",
        "dirty": False,
    }
    assert state.patch.content == b""


def test_the_remote_is_that_of_the_branch(repository):
    repository.git("remote", "add", "origin", "git@example.org:fork.git")
    repository.git("remote", "add", "upstream", "ssh://git@example.org/code.git")
    assert state_of(repository).remote == "git@example.org:fork.git"
    repository.git("config", "branch.main.remote", "upstream")
    assert state_of(repository).remote == "ssh://git@example.org/code.git"


def test_the_patch_of_a_dirty_repository_brings_its_files_back(repository, tmp_path):
    repository.write(
        {
            "train.py": "print('second')",  # no newline at its end
            "new.py": "a = 1\nb = 2\n",
            "no_end": "text",
            "empty.txt": "",
            "fünf/ein 'Name' mit \"Zeichen\".txt": "ä\r\nö\n\n",
            "staged.py": "s = 1\n",
            "ignored.log": "never\n",
        }
    )
    repository.git("add", "staged.py")
    repository.git("mv", "lib/model.py", "lib/other.py")
    if os.name != "nt":
        (repository.folder / "new.py").chmod(0o755)
    expected = {name: content for name, content in repository.contents().items() if name != "ignored.log"}
    state = state_of(repository)
    assert state.is_dirty is True
    assert not state.patch.left_out
    found = restored(repository, state, tmp_path / "clone")
    assert found == expected
    assert b"never" not in state.patch.content
    assert b"rename from lib/model.py" in state.patch.content
    if os.name != "nt":
        assert os.access(tmp_path / "clone" / "new.py", os.X_OK)


def test_nothing_is_written_into_the_repository(repository):
    repository.write({"train.py": "print('second')\n", "new.py": "a = 1\n"})
    os.utime(repository.folder / "lib" / "model.py", (1, 1))  # git would like to note that it is the same

    def all_files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in repository.folder.rglob("*") if path.is_file()}

    before = all_files()
    assert state_of(repository).is_dirty
    assert all_files() == before


def test_a_detached_commit_has_no_branch(repository):
    first = repository.head
    repository.write({"train.py": "print('second')\n"})
    repository.commit()
    repository.git("checkout", "-q", first)
    state = state_of(repository)
    assert (state.commit, state.branch, state.is_dirty) == (first, "", False)


def test_a_repository_without_a_commit_has_its_files_in_the_patch(tmp_path):
    folder = tmp_path / "code"
    folder.mkdir()
    run_git(folder, "init", "-q")
    (folder / "train.py").write_text("print(1)\n")
    (folder / "added.py").write_text("print(2)\n")
    run_git(folder, "add", "added.py")
    state = read_git_state(folder / "train.py", folder)
    assert state is not None
    assert (state.commit, state.branch, state.is_dirty, state.problem) == ("", "main", True, "")
    assert b"print(1)" in state.patch.content
    assert b"print(2)" in state.patch.content


def test_another_working_tree_of_a_repository_has_its_own_state(repository, tmp_path):
    repository.write({"train.py": "print('not here')\n"})
    repository.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    (tmp_path / "side" / "train.py").write_text("print('here')\n")
    state = read_git_state(tmp_path / "side" / "train.py", tmp_path)
    assert state is not None
    assert (state.folder, state.branch) == (str((tmp_path / "side").resolve()), "side")
    assert state.commit == repository.head
    assert b"print('here')" in state.patch.content
    assert b"not here" not in state.patch.content
    without_git = git.read_git_head(tmp_path / "side" / "train.py", tmp_path)
    assert without_git is not None
    assert (without_git.commit, without_git.branch) == (state.commit, "side")


@pytest.fixture
def with_submodule(tmp_path: Path) -> Repository:
    Repository(tmp_path / "library", **{"lib.py": "y = 1\n"})
    repository = Repository(tmp_path / "code")
    repository.git("submodule", "--quiet", "add", str(tmp_path / "library"), "vendor/lib")
    repository.commit()
    return repository


def test_changes_in_a_submodule_are_in_the_patch(with_submodule, tmp_path):
    assert state_of(with_submodule).is_dirty is False
    with_submodule.write({"vendor/lib/lib.py": "y = 2\n", "train.py": "print('second')\n"})
    state = state_of(with_submodule)
    commit = run_git(with_submodule.folder / "vendor" / "lib", "rev-parse", "HEAD").strip()
    assert state.is_dirty is True
    assert state.submodules == {"vendor/lib": commit}
    assert restored(with_submodule, state, tmp_path / "clone") == with_submodule.contents()


def test_another_commit_of_a_submodule_is_a_change(with_submodule):
    inside = with_submodule.folder / "vendor" / "lib"
    (inside / "lib.py").write_text("y = 3\n")
    run_git(inside, "commit", "-q", "-a", "-m", "a change")
    state = state_of(with_submodule)
    assert state.is_dirty is True
    assert state.patch.changes
    assert state.submodules == {"vendor/lib": run_git(inside, "rev-parse", "HEAD").strip()}


def test_a_script_in_a_submodule_has_the_submodules_state(with_submodule):
    inside = with_submodule.folder / "vendor" / "lib"
    state = read_git_state(inside / "lib.py", with_submodule.folder)
    assert state is not None
    assert state.folder == str(inside.resolve())
    assert state.commit == run_git(inside, "rev-parse", "HEAD").strip()


def test_a_submodule_that_was_not_fetched_is_no_trouble(with_submodule, tmp_path):
    run_git(tmp_path, "clone", "-q", str(with_submodule.folder), "clone")
    state = read_git_state(tmp_path / "clone" / "train.py", tmp_path)
    assert state is not None
    assert (state.problem, state.is_dirty) == ("", False)


def test_a_shallow_clone_is_one_as_any_other(repository, tmp_path):
    repository.write({"train.py": "print('second')\n"})
    repository.commit()
    run_git(tmp_path, "clone", "-q", "--depth", "1", repository.folder.as_uri(), "shallow")
    (tmp_path / "shallow" / "train.py").write_text("print('third')\n")
    state = read_git_state(tmp_path / "shallow" / "train.py", tmp_path)
    assert state is not None
    assert (state.commit, state.problem) == (repository.head, "")
    assert b"print('third')" in state.patch.content


def test_binary_files_are_named_and_the_rest_of_the_patch_applies(repository, tmp_path):
    repository.write({"image.bin": b"\0\1\2"})
    repository.commit()
    repository.write({"image.bin": b"\0\3", "new image.bin": b"\0\4", "train.py": "print('second')\n"})
    state = state_of(repository)
    assert state.patch.left_out == {"image.bin": "is binary", "new image.bin": "is binary"}
    assert restored(repository, state, tmp_path / "clone")["train.py"] == b"print('second')\n"
    before = state.patch.changes
    repository.write({"image.bin": b"\0\5"})
    assert state_of(repository).patch.changes != before


def test_a_thousand_changed_files_are_read_in_a_moment(repository, tmp_path):
    files: dict[str, str | bytes] = {f"many/{n}.py": f"n = {n}\n" for n in range(1000)}
    repository.write(files)
    repository.commit()
    repository.write({name: f"{content!s}changed = True\n" for name, content in files.items()})
    state = state_of(repository)
    assert not state.patch.left_out
    assert state.patch.content.count(b"\ndiff --git ") == 999
    assert restored(repository, state, tmp_path / "clone") == repository.contents()


def test_what_is_too_large_is_left_out_and_named(repository, monkeypatch, tmp_path):
    monkeypatch.setattr("legm.provenance.patches.LARGEST_FILE", 1000)
    monkeypatch.setattr("legm.provenance.patches.LARGEST_PATCH", 1500)
    repository.write({"a.py": "a = 1\n" * 100, "b.py": "b = 1\n" * 100, "c.py": "c = 1\n" * 1000})
    repository.write({"train.py": "long = 1\n" * 1000})
    state = state_of(repository)
    assert state.patch.left_out == {
        "b.py": "the patch would have more than 1,500 bytes",
        "c.py": "has 6,000 bytes",
        "train.py": "its change has 10,192 bytes",
    }
    assert len(state.patch.content) <= 1500
    assert "a.py" in restored(repository, state, tmp_path / "clone")


def test_other_threads_may_run_between_small_pieces_of_a_large_change(repository):
    lines = "".join(f"rate_{number} = {number}  # a token of the key's\n" for number in range(2_000))
    repository.write({f"part{number}.py": lines for number in range(10)})
    repository.write({f"data/{number}.txt": "" for number in range(1_000)})
    pauses = [time.thread_time()]
    state = state_of(repository, pause=lambda: pauses.append(time.thread_time()))
    pieces = [later - before for before, later in itertools.pairwise(pauses)]
    assert state.patch.size > 500_000
    assert len(pieces) > 10 * 2_000 / 25
    assert max(pieces) < 0.02, "of the interpreter's time; all of it was " + str(sum(pieces))


def test_more_changes_than_are_read_are_reported(repository, monkeypatch):
    monkeypatch.setattr(git, "LARGEST_PATCH", 1000)
    repository.write({f"{n}.py": "x = 1\n" * 100 for n in range(20)})
    repository.git("add", "-A")
    state = state_of(repository)
    assert state.patch.left_out["…"] == "all after the first 4,000 bytes of changes"
    assert state.is_dirty is True


def test_credentials_are_in_no_patch(repository, tmp_path):
    key = "-----BEGIN PRIVATE KEY-----\nabcdef\n-----END PRIVATE KEY-----\n"
    repository.write({"settings.py": "a = 1\nAPI_KEY = 'old-secret-1'\nb = 2\n"})
    repository.commit()
    repository.write(
        {
            "settings.py": "a = 1\nAPI_KEY = 'old-secret-1'\nb = 3\n",
            "train.py": "login(password='new-secret-2')\nprint(1)\n",
            "own.txt": "token: my-own-secret-3\n",
            ".env": "ANYTHING=new-secret-4\n",
            "deploy.txt": key,
            "untracked.py": 'options = {\n"api_key":\n"new-secret-5"}\n',
        }
    )
    state = state_of(repository, redact=lambda text: redact_source(text.replace("my-own-secret-3", "***")))
    assert b"secret" not in state.patch.content
    assert b"abcdef" not in state.patch.content
    assert state.patch.redacted == 3
    assert state.patch.left_out == {
        "settings.py": "holds a credential",
        "deploy.txt": "holds a credential",
        ".env": "is named as one with credentials",
    }
    assert restored(repository, state, tmp_path / "clone")["train.py"] == (
        b"login(password='<redacted>')\nprint(1)\n"
    )


def test_the_runs_themselves_are_no_change_of_the_code(repository):
    runs = repository.folder / "runs"
    repository.write({"runs/e/params.yml": "a: 1\n", "runs/helper.py": "x = 1\n", "notes.txt": "a note\n"})
    state = state_of(repository, leave_out=runs)
    assert (state.is_dirty, state.patch.changes) == (False, "")
    assert b"a note" in state.patch.content
    assert b"params.yml" not in state.patch.content
    assert state_of(repository).is_dirty is True  # an untracked program is one


def test_the_same_change_has_the_same_hash_and_another_one_has_not(repository):
    repository.write({"train.py": "print('second')\n"})
    first = state_of(repository).patch.changes
    repository.write({"output.txt": "3 epochs\n"})
    assert state_of(repository).patch.changes == first
    repository.write({"train.py": "print('third')\n"})
    assert state_of(repository).patch.changes not in (first, "")


def test_no_git_is_installed(repository, monkeypatch):
    monkeypatch.setenv("PATH", str(repository.folder))
    state = state_of(repository)
    assert state.problem == "git is not installed"
    assert (state.commit, state.branch, state.is_dirty) == (repository_head(repository), "main", None)


def repository_head(repository: Repository) -> str:
    return (repository.folder / ".git" / "refs" / "heads" / "main").read_text().strip()


def test_packed_references_are_read_without_git(repository):
    head = repository.head
    repository.git("pack-refs", "--all")
    found = git.read_git_head(repository.script, repository.folder)
    assert found is not None
    assert (found.commit, found.branch) == (head, "main")


def test_no_repository_and_a_bare_one(repository, tmp_path):
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "train.py").write_text("")
    assert read_git_state(tmp_path / "alone" / "train.py", tmp_path / "alone") is None
    run_git(tmp_path, "clone", "-q", "--bare", str(repository.folder), "bare.git")
    assert read_git_state(tmp_path / "bare.git" / "train.py", tmp_path / "bare.git") is None


def test_the_working_folder_counts_where_the_script_is_in_no_repository(repository, tmp_path):
    state = read_git_state(tmp_path / "installed" / "train.py", repository.folder / "lib")
    assert state is not None
    assert state.folder == str(repository.folder.resolve())


needs_other_users = pytest.mark.skipif(
    os.name == "nt" or os.geteuid() != 0, reason="only the superuser makes files of another user"
)


def give_away(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, 12345, 12345)


@needs_other_users
def test_a_repository_of_another_user_is_read_where_the_script_is_theirs_too(repository):
    repository.write({"train.py": "print('second')\n"})
    give_away(repository.folder)
    state = state_of(repository)
    assert (state.problem, state.is_dirty) == ("", True)


@needs_other_users
def test_git_reads_no_repository_that_another_user_put_around_a_script(repository):
    marker = repository.folder.parent / "executed"
    repository.git("config", "core.fsmonitor", f"touch {marker}")
    repository.git("config", "diff.external", f"touch {marker}")
    give_away(repository.folder)
    os.chown(repository.script, 0, 0)
    state = state_of(repository)
    assert "ownership" in state.problem
    assert state.commit == repository_head(repository)
    assert state.is_dirty is None
    assert not marker.exists()


def spoil_head(repository: Repository) -> None:
    (repository.folder / ".git" / "HEAD").write_text("garbage")


def point_branch_at_itself(repository: Repository) -> None:
    (repository.folder / ".git" / "refs" / "heads" / "main").write_text("ref: refs/heads/main\n")


def spoil_index(repository: Repository) -> None:
    (repository.folder / ".git" / "index").write_bytes(b"rubbish")


@pytest.mark.parametrize(
    ("spoil", "is_commit_known", "problem"),
    [
        (spoil_head, False, "not a git repository"),
        (point_branch_at_itself, False, ""),
        (spoil_index, True, "index file smaller than expected"),
    ],
)
def test_of_a_broken_repository_nothing_is_invented(repository, spoil, is_commit_known, problem):
    expected = repository.head if is_commit_known else ""
    spoil(repository)
    state = state_of(repository)
    assert state.commit == expected
    assert state.branch in {"main", ""}
    assert problem in state.problem
    assert not problem or state.is_dirty is None


@pytest.mark.skipif(os.name == "nt", reason="a named pipe")
def test_a_pipe_instead_of_head_is_not_waited_for(repository):
    (repository.folder / ".git" / "HEAD").unlink()
    os.mkfifo(repository.folder / ".git" / "HEAD")
    assert read_git_state(repository.script, Path(os.sep)) is None


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_git_that_does_not_answer_is_not_waited_for(repository, tmp_path, monkeypatch):
    slow = tmp_path / "bin"
    slow.mkdir()
    (slow / "git").write_text(f"#!{sys.executable}\nimport signal\nsignal.pause()\n")
    (slow / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(slow))
    monkeypatch.setattr(git, "TIME_LIMIT", 0.5)
    began = time.monotonic()
    state = state_of(repository)
    assert time.monotonic() - began < 10
    assert state.problem == "git status did not end in time"
    assert (state.commit, state.is_dirty) == (repository_head(repository), None)


def test_a_partial_clone_fetches_nothing(repository, tmp_path):
    run_git(repository.folder, "config", "uploadpack.allowFilter", "true")
    for number in range(3):
        repository.write({"train.py": f"print({number})\n"})
        repository.commit()
    run_git(
        tmp_path,
        *("clone", "-q", "--no-checkout", "--filter=blob:none", repository.folder.as_uri(), "partial"),
    )
    (tmp_path / "partial" / "train.py").write_text("print('other')\n")
    objects = tmp_path / "partial" / ".git" / "objects"
    before = sorted(objects.rglob("*"))
    state = read_git_state(tmp_path / "partial" / "train.py", tmp_path)
    assert state is not None
    assert state.commit == repository.head
    assert sorted(objects.rglob("*")) == before


def test_variables_of_git_do_not_lead_elsewhere(repository, tmp_path, monkeypatch):
    other = Repository(tmp_path / "other", **{"other.py": "o = 1\n"})
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.folder))
    state = read_git_state(repository.script, tmp_path)
    assert state is not None
    assert (state.folder, state.is_dirty) == (str(repository.folder.resolve()), False)


@pytest.mark.skipif(os.name == "nt", reason="links need a right")
def test_links_are_not_followed(repository, tmp_path):
    (tmp_path / "secret.txt").write_text("outside\n")
    (repository.folder / "link.py").symlink_to(tmp_path / "secret.txt")
    state = state_of(repository)
    assert b"outside" not in state.patch.content
    assert state.patch.left_out == {"link.py": "is not a file"}


def test_a_home_folder_that_is_a_repository_gives_no_untracked_files(repository, monkeypatch):
    repository.write({"private.txt": "mine\n"})
    monkeypatch.setattr(Path, "home", lambda: repository.folder)
    assert state_of(repository).patch.content == b""


@pytest.mark.slow
def test_a_huge_repository_is_read_within_the_limit(tmp_path):
    repository = Repository(tmp_path / "huge")
    for folder in range(100):
        (repository.folder / f"d{folder}").mkdir()
        files = [f"{number}.py" for number in range(1000)]
        subprocess.run(["touch", *files], cwd=repository.folder / f"d{folder}", check=True)
    repository.commit()
    repository.write({"train.py": "print('second')\n"})
    state = state_of(repository)
    assert (state.problem, state.is_dirty) == ("", True)
    assert subprocess.run(["git", "--version"], check=True, capture_output=True).returncode == 0
