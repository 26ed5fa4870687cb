"""Sends many rows of W&B's history at a time.

``run.log`` waits for W&B's own thread once per row, which is most of its time. Here one wait serves many
rows, with the same messages that ``run.log`` sends. They are the SDK's own and not public: if the installed
version of the SDK has other ones, each row goes through ``run.log``.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

__all__ = ["send_history_rows"]

try:
    from wandb.proto.wandb_server_pb2 import ServerRequest  # type: ignore[attr-defined]
    from wandb.sdk.interface.history_value import set_history_value
    from wandb.sdk.interface.interface_sock import InterfaceSock
except ImportError:
    InterfaceSock = None  # type: ignore[assignment, misc]

_ROWS_AT_ONCE = 1_000


def send_history_rows(run: Any, rows: Iterable[dict[str, float | str]]) -> None:
    """Log rows in order, as ``run.log(row)`` would.

    Args:
        run: the W&B run.
        rows: numbers and texts by key, each row with its ``_timestamp``.
    """
    if not _can_publish_history(run):
        for row in rows:
            run.log(row)
        return
    interface, encodings = run._interface, run._settings.x_history_value_encoding.split(",")  # noqa: SLF001 - W&B's
    forms = {"json_form": "json" in encodings, "typed_form": "typed" in encodings}
    remaining, stream = iter(rows), interface._stream_id  # noqa: SLF001 - W&B's
    while requests := [_history_request(row, stream, forms) for row in islice(remaining, _ROWS_AT_ONCE)]:

        async def publish_history(batch: list[Any] = requests) -> None:
            for request in batch:
                await interface._client.publish(request)  # noqa: SLF001 - W&B's

        interface._asyncer.run(publish_history)  # noqa: SLF001 - W&B's


def _can_publish_history(run: Any) -> bool:
    interface = getattr(run, "_interface", None)
    return (
        InterfaceSock is not None
        and isinstance(interface, InterfaceSock)
        and all(hasattr(interface, name) for name in ("_asyncer", "_client", "_stream_id"))
        and hasattr(run._settings, "x_history_value_encoding")  # noqa: SLF001 - W&B's
    )


def _history_request(row: dict[str, float | str], stream: str, forms: dict[str, bool]) -> Any:
    request = ServerRequest()
    record = request.record_publish
    record._info.stream_id = stream  # noqa: SLF001 - W&B's
    items = record.request.partial_history.item
    for key, value in row.items():
        item = items.add()
        item.key = key
        set_history_value(item, value, **forms)
    return request
