"""The registered models of a root directory: their versions with stages, aliases, tags and descriptions."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from legm.compat.mlflow.entities import ModelVersion, RegisteredModel
from legm.compat.mlflow.exceptions import MlflowException, invalid_value_exception, not_found_exception
from legm.compat.mlflow.name_rules import check_alias, check_key, check_model_name
from legm.compat.mlflow.search_filters import SearchedFields, parse_filter, sort_searched
from legm.compat.mlflow.stored_state import STATE
from legm.compat.script_session import SESSION

__all__ = ["REGISTRY", "STAGES", "ModelRegistry"]

STAGES = ("None", "Staging", "Production", "Archived")
_LATEST = "latest"


def _registered_version_value(version: ModelVersion, kind: str, key: str) -> Any:
    names = {"version_number": "version", "source_path": "source"}
    return version.tags.get(key) if kind == "tags" else getattr(version, names.get(key, key), None)


def _model_value(model: RegisteredModel, kind: str, key: str) -> Any:
    return model.tags.get(key) if kind == "tags" else getattr(model, key, None)


_TIMES = frozenset({"creation_timestamp", "last_updated_timestamp"})
_VERSION_FIELDS = SearchedFields(
    _registered_version_value,
    frozenset({"name", "run_id", "source_path", "source"}),
    frozenset({"version_number", "version"}) | _TIMES,
    frozenset({"run_id"}),
)
_MODEL_FIELDS = SearchedFields(_model_value, frozenset({"name"}), _TIMES)


def registered_stage_named(text: Any) -> str:
    """A stage, in whatever case it is written.

    Raises:
        MlflowException: there is none of this name.
    """
    for stage in STAGES:
        if stage.lower() == str(text).lower():
            return stage
    raise invalid_value_exception(
        f"Invalid Model Version stage: {text}. Value must be one of {', '.join(STAGES)}."
    )


class ModelRegistry:
    """Registered models by name; the processes of a root directory share them."""

    # Reading

    def model(self, name: str) -> RegisteredModel:
        """A registered model.

        Raises:
            MlflowException: there is none of this name.
        """
        return _to_mlflow_model(name, self._stored(name))

    def version(self, name: str, version: Any) -> ModelVersion:
        """A version of a registered model.

        Raises:
            MlflowException: there is none, or the number is none.
        """
        return _to_mlflow_version(name, self._stored(name, version), _registered_version_key(version))

    def version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """The version of a registered model that has an alias; ``latest`` is the newest one.

        Raises:
            MlflowException: there is none.
        """
        stored = self._stored(name)
        if alias == _LATEST and stored["versions"]:
            return self.version(name, max(map(int, stored["versions"])))
        if alias not in stored["aliases"]:
            raise invalid_value_exception(f"Registered model alias {alias} not found.")
        return self.version(name, stored["aliases"][alias])

    def latest(self, name: str, stages: Sequence[str] | None = None) -> list[ModelVersion]:
        """The newest version of a registered model in each stage.

        Raises:
            MlflowException: there is no such model or stage.
        """
        wanted = STAGES if stages is None else [registered_stage_named(one) for one in stages]
        found = {one.current_stage: one for one in self._versions(name)}
        return [found[stage] for stage in wanted if stage in found]

    def _versions(self, name: str) -> list[ModelVersion]:
        """The versions of a model, oldest first."""
        stored = self._stored(name)
        return [_to_mlflow_version(name, stored, key) for key in sorted(stored["versions"], key=int)]

    def search_versions(
        self, filter_string: str | None, order_by: Sequence[str] | None
    ) -> list[ModelVersion]:
        """The versions of all models that match a filter, those that changed last first.

        Raises:
            MlflowException: the filter or the order cannot be parsed.
        """
        fits = parse_filter(filter_string, _VERSION_FIELDS)
        known = [one for name in STATE.read("models") for one in self._versions(name) if fits(one)]
        known.sort(key=lambda one: (-(one.last_updated_timestamp or 0), one.name, -int(one.version)))
        return sort_searched(known, order_by, _VERSION_FIELDS)

    def search_models(
        self, filter_string: str | None, order_by: Sequence[str] | None
    ) -> list[RegisteredModel]:
        """The registered models that match a filter, by name.

        Raises:
            MlflowException: the filter or the order cannot be parsed.
        """
        fits = parse_filter(filter_string, _MODEL_FIELDS)
        known = [one for one in map(self.model, sorted(STATE.read("models"))) if fits(one)]
        return sort_searched(known, order_by, _MODEL_FIELDS)

    def source(self, address: str) -> str:
        """The address of what a version was made of.

        Args:
            address: behind ``models:/``: ``<name>/<version>``, ``<name>/<stage>``, ``<name>/latest`` or
                ``<name>@<alias>``.

        Raises:
            MlflowException: there is no such version.
        """
        name, _, choice = address.partition("/")
        if not choice:
            name, _, alias = address.rpartition("@")
            if not name:
                raise invalid_value_exception(
                    f"'models:/{address}' names no version: add /1, /latest or @<alias>"
                )
            return self.version_by_alias(name, alias).source
        if choice.isdigit():
            return self.version(name, choice).source
        if choice.lower() == _LATEST:
            return self.version_by_alias(name, _LATEST).source
        found = self.latest(name, [choice])
        if not found:
            raise MlflowException(f"No versions of model with name '{name}' and stage '{choice}' found")
        return found[0].source

    def _stored(self, name: str, version: Any = None) -> Mapping[str, Any]:
        stored = STATE.read("models").get(name) or _registered_with_runs(name)
        if stored is None:
            raise not_found_exception(f"Registered Model with name={name} not found")
        _require_registered_version(name, stored, version)
        return stored

    # Writing

    def create(
        self, name: Any, tags: Mapping[str, str] | None = None, description: str | None = None
    ) -> RegisteredModel:
        """Register a name for models.

        Raises:
            MlflowException: the name is invalid or taken.
        """
        check_model_name(name)
        with STATE.changing("models") as models:
            if name in models:
                raise MlflowException(
                    f"Registered Model (name={name}) already exists.", "RESOURCE_ALREADY_EXISTS"
                )
            models[name] = _new_model(tags, description)
        return self.model(name)

    def add_version(
        self,
        name: Any,
        source: str,
        run_id: str | None,
        *,
        tags: Mapping[str, str] | None = None,
        description: str | None = None,
        create: bool = True,
    ) -> ModelVersion:
        """Register a model as the next version of a name.

        Args:
            name: the name.
            source: the model's address.
            run_id: the run that logged it; None where that is unknown.
            tags, description: of the version.
            create: whether the name is registered if it is not.

        Raises:
            MlflowException: the name is invalid, or not registered.
        """
        check_model_name(name)
        now = _registry_time()
        with STATE.changing("models") as models:
            if name not in models and create:
                models[name] = _registered_with_runs(name) or _new_model(None, None)
            if name not in models:
                raise not_found_exception(f"Registered Model with name={name} not found")
            stored = models[name]
            number = stored["next"]
            stored["next"], stored["updated"] = number + 1, now
            stored["versions"][str(number)] = {
                "source": source,
                "run_id": run_id,
                "tags": dict(tags or {}),
                "description": description,
                "stage": STAGES[0],
                "created": now,
                "updated": now,
            }
        return self.version(name, number)

    @contextmanager
    def _changing(self, name: str, version: Any = None) -> Iterator[Any]:
        """Change a model, or a version of it."""
        with STATE.changing("models") as models:
            if name not in models and (noted := _registered_with_runs(name)) is not None:
                models[name] = noted
            if name not in models:
                raise not_found_exception(f"Registered Model with name={name} not found")
            _require_registered_version(name, models[name], version)
            changed = (
                models[name]
                if version is None
                else models[name]["versions"][_registered_version_key(version)]
            )
            yield changed
            changed["updated"] = _registry_time()

    def describe(self, name: str, version: Any, description: str | None) -> None:
        """Describe a model, or a version of it."""
        with self._changing(name, version) as stored:
            stored["description"] = description

    def set_tag(self, name: str, version: Any, key: str, value: Any) -> None:
        """Set a tag of a model, or of a version of it."""
        check_key("tag", key)
        with self._changing(name, version) as stored:
            stored["tags"][key] = str(value)

    def delete_tag(self, name: str, version: Any, key: str) -> None:
        """Delete a tag of a model, or of a version of it, if there is one."""
        with self._changing(name, version) as stored:
            stored["tags"].pop(key, None)

    def set_alias(self, name: str, alias: str, version: Any) -> None:
        """Give a version an alias, which no other version of the model has from then on."""
        check_alias(alias)
        with self._changing(name) as stored:
            _require_registered_version(name, stored, version)
            stored["aliases"][alias] = int(_registered_version_key(version))

    def delete_alias(self, name: str, alias: str) -> None:
        """Delete an alias, if there is one."""
        with self._changing(name) as stored:
            stored["aliases"].pop(alias, None)

    def set_stage(self, name: str, version: Any, stage: str, *, archive_existing: bool) -> None:
        """Move a version to a stage, and if wanted those that are there to ``Archived``."""
        wanted = registered_stage_named(stage)
        if archive_existing and wanted not in STAGES[1:3]:
            raise invalid_value_exception(
                f"only a version that becomes {' or '.join(STAGES[1:3])} can archive others, not {wanted}"
            )
        with self._changing(name) as stored:
            _require_registered_version(name, stored, version)
            for key, one in stored["versions"].items():
                if key == _registered_version_key(version):
                    one["stage"], one["updated"] = wanted, _registry_time()
                elif archive_existing and one["stage"] == wanted:
                    one["stage"], one["updated"] = STAGES[3], _registry_time()

    def rename(self, name: str, new_name: Any) -> None:
        """Give a model another name."""
        check_model_name(new_name)
        with STATE.changing("models") as models:
            if name not in models:
                raise not_found_exception(f"Registered Model with name={name} not found")
            if new_name in models:
                raise MlflowException(
                    f"Registered Model (name={new_name}) already exists.", "RESOURCE_ALREADY_EXISTS"
                )
            models[new_name] = {**models.pop(name), "updated": _registry_time()}

    def delete(self, name: str, version: Any = None) -> None:
        """Delete a model with its versions, or one version; the runs keep their files."""
        with STATE.changing("models") as models:
            if name not in models:
                raise not_found_exception(f"Registered Model with name={name} not found")
            _require_registered_version(name, models[name], version)
            if version is None:
                del models[name]
                return
            key = _registered_version_key(version)
            del models[name]["versions"][key]
            aliases = models[name]["aliases"].items()
            models[name]["aliases"] = {alias: one for alias, one in aliases if str(one) != key}


def _registry_time() -> int:
    return int(time.time() * 1000)


def _new_model(tags: Mapping[str, str] | None, description: str | None) -> dict[str, Any]:
    now = _registry_time()
    about = {"tags": dict(tags or {}), "description": description, "created": now, "updated": now}
    return {**about, "aliases": {}, "versions": {}, "next": 1}


def _registered_version_key(version: Any) -> str:
    try:
        return str(int(version))
    except (TypeError, ValueError):
        raise invalid_value_exception(
            f"The version of a registered model is a number, not {version!r}"
        ) from None


def _require_registered_version(name: str, stored: Mapping[str, Any], version: Any) -> None:
    if version is not None and _registered_version_key(version) not in stored["versions"]:
        raise not_found_exception(f"Model Version (name={name}, version={version}) not found")


def _registered_with_runs(name: str) -> dict[str, Any] | None:
    """A model of which only runs know, as those of earlier versions of legm do."""
    found = _new_model(None, None)
    for one in SESSION.snapshots(latest=False):
        for label, uri in (one.notes.get("registered") or {}).items():
            model, _, version = label.rpartition("/")
            if model == name and version.isdigit():
                about = {
                    "source": uri,
                    "run_id": one.key,
                    "tags": {},
                    "description": None,
                    "stage": STAGES[0],
                }
                started = int(one.started * 1000)
                found["versions"][version] = {**about, "created": started, "updated": started}
                found["next"] = max(found["next"], int(version) + 1)
    return found if found["versions"] else None


def _to_mlflow_version(name: str, model: Mapping[str, Any], key: str) -> ModelVersion:
    stored = model["versions"][key]
    return ModelVersion(
        name,
        int(key),
        stored["source"],
        stored["run_id"],
        tags=dict(stored["tags"]),
        aliases=[alias for alias, version in model["aliases"].items() if str(version) == key],
        current_stage=stored["stage"],
        description=stored["description"],
        creation_timestamp=stored["created"],
        last_updated_timestamp=stored["updated"],
    )


def _to_mlflow_model(name: str, stored: Mapping[str, Any]) -> RegisteredModel:
    newest = {}
    for key in sorted(stored["versions"], key=int):
        newest[stored["versions"][key]["stage"]] = _to_mlflow_version(name, stored, key)
    return RegisteredModel(
        name,
        stored["description"],
        dict(stored["tags"]),
        dict(stored["aliases"]),
        [newest[stage] for stage in STAGES if stage in newest],
        stored["created"],
        stored["updated"],
    )


REGISTRY = ModelRegistry()
