"""Hyperparameters as TensorBoard's ``hparams`` plugin stores them.

It has doubles, booleans, texts and lists (``tensorboard/plugins/hparams/plugin_data.proto``). Whole numbers
are read as integers, since ``3`` and ``3.0`` are stored the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from legm.records import Plain, Status

__all__ = ["HparamsSessionInfo", "merge_hparams", "parse_hparams_session_info"]

_MAX_WHOLE = 2**53
_STATUSES = {1: Status.COMPLETED, 2: Status.FAILED, 3: Status.RUNNING}


@dataclass(frozen=True, slots=True)
class HparamsSessionInfo:
    """The plugin's information about a session.

    Args:
        parameters: its hyperparameters.
        status: how it ended; None if unknown.
        ended: seconds since 1970; None if unknown. PyTorch and others write hyperparameters together with a
            successful end, but without a time.
        details: further information.
    """

    parameters: Mapping[str, Plain] = field(default_factory=dict)
    status: Status | None = None
    ended: float | None = None
    details: Mapping[str, Plain] = field(default_factory=dict)


def parse_hparams_session_info(content: bytes) -> HparamsSessionInfo | None:
    """Parse a message of the plugin; None if it only declares an experiment.

    Raises:
        google.protobuf.message.DecodeError: it is not such a message.
    """
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    message = HParamsPluginData.FromString(content)
    kind = message.WhichOneof("data")
    if kind == "session_start_info":
        info = message.session_start_info
        details = {"group": info.group_name, "model": info.model_uri, "monitor": info.monitor_url}
        return HparamsSessionInfo(
            {name: _plain_hparam(value) for name, value in info.hparams.items()},
            details={name: text for name, text in details.items() if text},
        )
    if kind == "session_end_info":
        info = message.session_end_info
        return HparamsSessionInfo(status=_STATUSES.get(info.status), ended=info.end_time_secs or None)
    return None


def _plain_hparam(value: Any) -> Plain:
    """The value of a ``google.protobuf.Value``."""
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        number: float = value.number_value
        return int(number) if number.is_integer() and abs(number) <= _MAX_WHOLE else number
    if kind == "list_value":
        return [_plain_hparam(one) for one in value.list_value.values]
    if kind == "struct_value":
        return {name: _plain_hparam(one) for name, one in value.struct_value.fields.items()}
    return None if kind in {None, "null_value"} else getattr(value, kind)


def merge_hparams(plugin: Mapping[str, Plain], file: Mapping[str, Plain]) -> dict[str, Plain]:
    """The parameters of the plugin and of ``hparams.yaml``; the file wins because it has the types.

    Lightning writes both, and joins nested names with ``/`` for the plugin.
    """
    return {**{name: value for name, value in plugin.items() if name.replace("/", ".") not in file}, **file}
