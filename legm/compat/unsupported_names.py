"""The public names of wandb and mlflow that legm does not record, and why, for the messages and the docs.

``legm capture`` runs every call with the real library, and the stand-ins report one of these once and
continue. Neither has it in legm. All other public names of the modules and classes in :data:`CHECKED` are
answered by the stand-ins, which a test holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

__all__ = ["CHECKED", "UNSUPPORTED", "UnsupportedNames", "reason_for", "table_text"]

CHECKED = {
    "mlflow": ("mlflow", "mlflow.MlflowClient"),
    "wandb": ("wandb", "wandb.Run", "wandb.Api", "wandb.Artifact"),
}
"""By library, the modules and classes whose public names are all answered or listed here."""


@dataclass(frozen=True, slots=True)
class UnsupportedNames:
    """Names that are not recorded, for one reason.

    Args:
        library: wandb or mlflow.
        what: what they are for.
        why: why legm does not record them.
        names: shell patterns of full names, without the library.
    """

    library: str
    what: str
    why: str
    names: tuple[str, ...]


_CLIENT = "MlflowClient."

UNSUPPORTED = (
    UnsupportedNames(
        "mlflow",
        "traces, spans and assessments",
        "they are of calls of language models, and no runs",
        (
            *(
                "*trace*",
                "*_span*",
                "*span",
                "*assessment*",
                "log_expectation",
                "*feedback",
                "log_issue",
                "search_sessions",
            ),
            "test",
        ),
    ),
    UnsupportedNames(
        "mlflow",
        "prompts",
        "they are texts of a registry of their own",
        ("*prompt*",),
    ),
    UnsupportedNames(
        "mlflow",
        "logged models as entities",
        "a model is the files of its run, and a version of a registered model",
        (
            *("*logged_model*", "ActiveModel", "*active_model*", "create_external_model", "log_model_params"),
            *("MlflowClient.log_model_*", "*log_outputs", "import_checkpoints"),
        ),
    ),
    UnsupportedNames(
        "mlflow",
        "data sets as entities",
        "a data set is noted with the runs that use it",
        ("MlflowClient.*dataset*",),
    ),
    UnsupportedNames(
        "mlflow",
        "data sets of Spark, Delta tables and TensorFlow",
        "their rows are read by an engine that legm does not start",
        ("data.*[sS]park*", "data.*[dD]elta*", "data.*tensorflow*", "data.*TensorFlow*"),
    ),
    UnsupportedNames(
        "mlflow",
        "what only a server has",
        "there is no server: workspaces, webhooks, MCP servers, accounts",
        ("*workspace*", "*webhook*", "*mcp_*", "login"),
    ),
    UnsupportedNames(
        "mlflow",
        "system metrics",
        "legm records its own with every run, and needs no switch",
        ("*system_metrics*",),
    ),
    UnsupportedNames(
        "mlflow",
        "projects and streams",
        "legm runs no other program, and keeps files as they are",
        ("run", "context", "doctor", "*log_stream"),
    ),
    UnsupportedNames(
        "wandb",
        "sweeps that a server controls, and launched jobs",
        "there is no server: an agent of this process has grid and random sweeps",
        ("controller", "Api.*run_queue*", "Api.queued_run", "Api.*job*", "Api.sweep"),
    ),
    UnsupportedNames(
        "wandb",
        "teams, users, reports, registries and automations",
        "there is no server that has them",
        (
            *(
                "Api.*automation*",
                "Api.*team*",
                "Api.*user*",
                "Api.viewer",
                "Api.*organization*",
                "Api.*integration*",
            ),
            *(
                "Api.*registr*",
                "Api.reports",
                "Api.*project*",
                "Api.create_*",
                "Api.from_path",
            ),
            *(
                "Api.*artifact_coll*",
                "Api.artifact_type*",
                "Api.artifact_versions",
                "Api.artifacts",
                "Api.sync_tensorboard",
            ),
            *("Api.flush", "Api.artifact_exists"),
        ),
    ),
    UnsupportedNames(
        "wandb",
        "code and addresses of a run",
        "legm keeps the code with the provenance of every run, and there is no page of it on a server",
        (
            "Run.log_code",
            "Run.write_logs",
            "Run.to_html",
            "pin_config_keys",
            "Run.config_static",
            "Run.status",
        ),
    ),
    UnsupportedNames(
        "wandb",
        "what a server knows of artifacts, drafts, links and deletion",
        "an artifact's files are those of its run",
        (
            *(
                "Artifact.checkout",
                "Artifact.delete",
                "Artifact.json_encode",
                "Artifact.link*",
                "Artifact.unlink",
            ),
            *(
                "Artifact.logged_by",
                "Artifact.used_by",
                "Artifact.new_draft",
                "Artifact.remove",
                "Artifact.verify",
            ),
            *(
                "Artifact.is_link",
                "Artifact.source_*",
                "Artifact.use_as",
                "Artifact.get_added_local_path_name",
                "ArtifactTTL",
            ),
            *(
                "Artifact.collection",
                "Artifact.commit_hash",
                "Artifact.created_at",
                "Artifact.digest_algorithm",
                "Artifact.entity",
                "Artifact.id",
                "Artifact.project",
                "Artifact.qualified_name",
                "Artifact.state",
                "Artifact.updated_at",
                "Artifact.url",
                "Artifact.ttl",
                "Artifact.history_step",
                "Artifact.incremental",
                "Artifact.distributed_id",
            ),
        ),
    ),
    UnsupportedNames(
        "wandb",
        "drawings that only W&B's page shows",
        "legm shows no graph, molecule or box in space",
        ("Graph", "Molecule", "box3d", "EvalTable"),
    ),
)


@lru_cache(maxsize=4096)
def _row_of(name: str) -> UnsupportedNames | None:
    library, _, short = name.replace("wandb.run.", "wandb.Run.").replace("Api().", "Api.").partition(".")
    for row in UNSUPPORTED:
        if row.library == library and any(
            fnmatchcase(short, pattern) or fnmatchcase(short.rpartition(".")[2], pattern)
            for pattern in row.names
        ):
            return row
    return None


def reason_for(name: str) -> str:
    """Why a name is not recorded.

    Args:
        name: the full name, such as ``mlflow.start_span``.
    """
    row = _row_of(name)
    return "legm does not support this call" if row is None else row.why


def table_text() -> str:
    """The table in docs/drop-in.md."""
    head = "| library | what is not recorded | names | why |\n|---|---|---|---|\n"
    rows = []
    for row in UNSUPPORTED:
        names = ", ".join(f"`{name}`" for name in sorted(row.names))
        rows.append(f"| {row.library} | {row.what} | {names} | {row.why} |\n")
    return head + "".join(rows)
