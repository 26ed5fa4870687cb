"""The messages in W&B's logs: the fields of ``wandb_internal.proto`` that are read, by name and number.

They are described in a separate pool, so that W&B's own module can be imported as well. Rows of the history
and
of the summary stay bytes until they are needed, and so do the items of both and of a configuration: there are
many, and most are read directly by :mod:`legm.importers.wandb.json_items`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

__all__ = ["FIELDS", "decode_message"]

FIELDS: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "Record": {
        "history": (2, "bytes"),
        "summary": (3, "bytes"),
        "config": (5, "ConfigRecord"),
        "stats": (7, "StatsRecord"),
        "artifact": (8, "ArtifactRecord"),
        "alert": (10, "AlertRecord"),
        "metric": (12, "MetricRecord"),
        "run": (17, "RunRecord"),
        "exit": (18, "RunExitRecord"),
        "environment": (26, "EnvironmentRecord"),
    },
    "RunRecord": {
        "run_id": (1, "string"),
        "entity": (2, "string"),
        "project": (3, "string"),
        "config": (4, "ConfigRecord"),
        "summary": (5, "bytes"),
        "run_group": (6, "string"),
        "job_type": (7, "string"),
        "display_name": (8, "string"),
        "notes": (9, "string"),
        "tags": (10, "string*"),
        "sweep_id": (12, "string"),
        "host": (13, "string"),
        "start_time": (17, "Timestamp"),
        "git": (21, "GitRepoRecord"),
    },
    "GitRepoRecord": {"remote_url": (1, "string"), "commit": (2, "string")},
    "Timestamp": {"seconds": (1, "int64"), "nanos": (2, "int32")},
    "ConfigRecord": {"update": (1, "bytes*"), "remove": (2, "bytes*")},
    "SummaryRecord": {"update": (1, "bytes*"), "remove": (2, "bytes*")},
    "HistoryRecord": {"item": (1, "bytes*"), "step": (2, "HistoryStep")},
    "HistoryStep": {"num": (1, "int64")},
    "HistoryItem": {
        "key": (1, "string"),
        "nested_key": (2, "string*"),
        "none": (3, "int32"),
        "boolean": (4, "bool"),
        "integer": (5, "sint64"),
        "number": (6, "double"),
        "text": (7, "string"),
        "json": (8, "string"),
        "value_json": (16, "string"),
    },
    "MetricRecord": {
        "name": (1, "string"),
        "glob_name": (2, "string"),
        "step_metric": (4, "string"),
        "options": (6, "MetricOptions"),
        "summary": (7, "MetricSummary"),
        "goal": (8, "int32"),
        "_control": (9, "MetricControl"),
    },
    "MetricOptions": {"step_sync": (1, "bool"), "hidden": (2, "bool")},
    "MetricControl": {"overwrite": (1, "bool")},
    "MetricSummary": {
        "min": (1, "bool"),
        "max": (2, "bool"),
        "mean": (3, "bool"),
        "best": (4, "bool"),
        "last": (5, "bool"),
        "none": (6, "bool"),
        "copy": (7, "bool"),
        "first": (8, "bool"),
    },
    "RunExitRecord": {"exit_code": (1, "int32"), "runtime": (2, "int32")},
    "AlertRecord": {"title": (1, "string"), "text": (2, "string")},
    "StatsRecord": {"timestamp": (2, "Timestamp"), "item": (3, "StatsItem*")},
    "StatsItem": {"key": (1, "string"), "value_json": (16, "string")},
    "EnvironmentRecord": {
        "os": (1, "string"),
        "python": (2, "string"),
        "args": (5, "string*"),
        "program": (6, "string"),
        "git": (9, "GitRepoRecord"),
        "host": (12, "string"),
        "username": (13, "string"),
    },
    "ArtifactRecord": {
        "type": (4, "string"),
        "name": (5, "string"),
        "digest": (6, "string"),
        "description": (7, "string"),
        "metadata": (8, "string"),
        "aliases": (11, "string*"),
        "manifest": (12, "ArtifactManifest"),
        "client_id": (15, "string"),
    },
    "ArtifactManifest": {"contents": (4, "ArtifactManifestEntry*"), "manifest_file_path": (5, "string")},
    "ArtifactManifestEntry": {
        "path": (1, "string"),
        "digest": (2, "string"),
        "ref": (3, "string"),
        "size": (4, "int64"),
        "local_path": (6, "string"),
    },
}
"""The fields of each message: number and type, with ``*`` if repeated."""

_CHOICES = {"Record": "record_type", "HistoryItem": "value"}
"""The messages with fields of which at most one is set."""
_KEYS = frozenset({"key", "nested_key", "value_json"})


@cache
def _message_decoders() -> tuple[Mapping[str, Any], type[Exception]]:
    """The decoder of each message, and the error that decoders raise."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from google.protobuf.message import DecodeError

    package = "wandb_internal"
    file = descriptor_pb2.FileDescriptorProto(name="legm/wandb.proto", package=package, syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in FIELDS.items():
        described = file.message_type.add(name=name)
        if name in _CHOICES:
            described.oneof_decl.add(name=_CHOICES[name])
        for field, (number, kind) in fields.items():
            plain = kind.removesuffix("*")
            label = kinds.LABEL_REPEATED if plain != kind else kinds.LABEL_OPTIONAL
            one = described.field.add(name=field, number=number, label=label)
            if plain in FIELDS:
                one.type, one.type_name = kinds.TYPE_MESSAGE, f".{package}.{plain}"
            else:
                one.type = kinds.Type.Value(f"TYPE_{plain.upper()}")
            if name in _CHOICES and field not in _KEYS:
                one.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = {name: pool.FindMessageTypeByName(f"{package}.{name}") for name in FIELDS}
    return {name: message_factory.GetMessageClass(one).FromString for name, one in found.items()}, DecodeError


def decode_message(name: str, data: bytes) -> Any:
    """Decode a W&B message; None if the bytes are invalid.

    Args:
        name: its kind, one of :data:`FIELDS`.
        data: its bytes.
    """
    decoders, error = _message_decoders()
    try:
        return decoders[name](data)
    except error:
        return None
