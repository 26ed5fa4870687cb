"""The calls of ``mlflow.MlflowClient`` for registered models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from legm.compat.mlflow.entities import ModelVersion, RegisteredModel
from legm.compat.mlflow.model_registry import REGISTRY, STAGES
from legm.compat.mlflow.paging import PagedList, page_of
from legm.compat.mlflow.tracking_store import STORE, tags_for_tracking

__all__ = ["RegistryClient", "register_model_version"]


class RegistryClient:
    """Registers models, and reads the registered ones.

    A call for a model or version that there is not, or with a name or stage that mlflow refuses, is a
    MlflowException.
    """

    # Registered models

    def create_registered_model(
        self, name: str, tags: Mapping[str, Any] | None = None, description: str | None = None, **_: Any
    ) -> RegisteredModel:
        """Register a name for models."""
        return REGISTRY.create(name, tags_for_tracking(tags), description)

    def get_registered_model(self, name: str) -> RegisteredModel:
        """A registered model."""
        return REGISTRY.model(name)

    def update_registered_model(self, name: str, description: str | None = None, **_: Any) -> RegisteredModel:
        """Describe a registered model."""
        REGISTRY.describe(name, None, description)
        return REGISTRY.model(name)

    def rename_registered_model(self, name: str, new_name: str) -> RegisteredModel:
        """Give a registered model another name."""
        REGISTRY.rename(name, new_name)
        return REGISTRY.model(new_name)

    def delete_registered_model(self, name: str) -> None:
        """Delete a registered model with its versions; the runs keep their files."""
        REGISTRY.delete(name)

    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int | None = 100,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[RegisteredModel]:
        """The registered models that match a filter, by name."""
        return page_of(REGISTRY.search_models(filter_string, order_by), max_results, page_token)

    def set_registered_model_tag(self, name: str, key: str, value: Any) -> None:
        """Set a tag of a registered model."""
        REGISTRY.set_tag(name, None, key, value)

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Delete a tag of a registered model."""
        REGISTRY.delete_tag(name, None, key)

    def set_registered_model_alias(self, name: str, alias: str, version: Any) -> None:
        """Give a version an alias."""
        REGISTRY.set_alias(name, alias, version)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Delete an alias."""
        REGISTRY.delete_alias(name, alias)

    # Versions

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        **_: Any,
    ) -> ModelVersion:
        """Register a model as the next version of a registered model."""
        if run_id is not None:
            STORE.find_snapshot(run_id)
        options = {"tags": tags_for_tracking(tags), "description": description}
        return REGISTRY.add_version(name, source, run_id, create=False, **options)  # type: ignore[arg-type]

    def copy_model_version(self, src_model_uri: str, dst_name: str) -> ModelVersion:
        """Register a version of a registered model under another name."""
        name, _, version = src_model_uri.removeprefix("models:/").partition("/")
        return REGISTRY.add_version(dst_name, src_model_uri, REGISTRY.version(name, version).run_id)

    def get_model_version(self, name: str, version: Any) -> ModelVersion:
        """A version of a registered model."""
        return REGISTRY.version(name, version)

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """The version that has an alias."""
        return REGISTRY.version_by_alias(name, alias)

    def get_model_version_download_uri(self, name: str, version: Any) -> str:
        """The address of a version's model."""
        return REGISTRY.version(name, version).source

    def get_model_version_stages(self, name: str, version: Any) -> list[str]:
        """The stages that there are."""
        return list(STAGES)

    def get_latest_versions(self, name: str, stages: Sequence[str] | None = None) -> list[ModelVersion]:
        """The newest version in each stage."""
        return REGISTRY.latest(name, stages)

    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int | None = 10_000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[ModelVersion]:
        """The versions of all models that match a filter, those that changed last first."""
        return page_of(REGISTRY.search_versions(filter_string, order_by), max_results, page_token)

    def update_model_version(self, name: str, version: Any, description: str | None = None) -> ModelVersion:
        """Describe a version."""
        REGISTRY.describe(name, version, description)
        return REGISTRY.version(name, version)

    def transition_model_version_stage(
        self, name: str, version: Any, stage: str, archive_existing_versions: bool = False
    ) -> ModelVersion:
        """Move a version to a stage."""
        REGISTRY.set_stage(name, version, stage, archive_existing=archive_existing_versions)
        return REGISTRY.version(name, version)

    def delete_model_version(self, name: str, version: Any) -> None:
        """Delete a version; the run keeps its files."""
        REGISTRY.delete(name, version)

    def set_model_version_tag(
        self, name: str, version: Any = None, key: str = "", value: Any = None, stage: str | None = None
    ) -> None:
        """Set a tag of a version, or of the newest one in a stage."""
        REGISTRY.set_tag(name, _registry_version_in(name, version, stage), key, value)

    def delete_model_version_tag(
        self, name: str, version: Any = None, key: str = "", stage: str | None = None
    ) -> None:
        """Delete a tag of a version, or of the newest one in a stage."""
        REGISTRY.delete_tag(name, _registry_version_in(name, version, stage), key)


def _registry_version_in(name: str, version: Any, stage: str | None) -> Any:
    return version if stage is None else REGISTRY.latest(name, [stage])[0].version


def register_model_version(
    model_uri: str, name: str, run_id: str | None, tags: Mapping[str, Any] | None = None
) -> ModelVersion:
    """Register a model under a name, as the next version, and note that with the run that logged it.

    Args:
        model_uri: the model's address.
        name: the name, which is registered if it is not.
        run_id: the run; None for a model of none.
        tags: of the version.
    """
    run = None if run_id is None else STORE.open_run(run_id)
    made = REGISTRY.add_version(name, model_uri, run_id, tags=tags_for_tracking(tags))
    if run is not None:
        known = run.snapshot().notes.get("registered_models") or {}
        run.note(registered_models={**known, f"{name}/{made.version}": model_uri})
    return made
