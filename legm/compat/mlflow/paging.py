"""Pages of results with a token for the next one, as mlflow's searches return them."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Generic, TypeVar

from legm.compat.mlflow.exceptions import invalid_value_exception

__all__ = ["PagedList", "page_of"]

T = TypeVar("T")


class PagedList(list[T], Generic[T]):
    """A page of results.

    Args:
        items: the results.
        token: what the next call needs to return the next page; None for the last one.
    """

    def __init__(self, items: Sequence[T], token: str | None) -> None:
        super().__init__(items)
        self.token = token

    def to_list(self) -> list[T]:
        """The results alone."""
        return list(self)


def page_of(items: Sequence[T], most: int | None, token: str | None) -> PagedList[T]:
    """One page of results.

    Args:
        items: all of them.
        most: how many a page has; None for all.
        token: of the page; None for the first.

    Raises:
        MlflowException: the token is not one of an earlier page, or the number is not positive.
    """
    if most is not None and most < 1:
        raise invalid_value_exception(f"Invalid value {most} for parameter 'max_results' supplied.")
    begin = 0
    if token:
        try:
            begin = int(json.loads(base64.b64decode(token))["offset"])
        except (ValueError, KeyError, TypeError):
            raise invalid_value_exception(f"Invalid page token {token!r}") from None
    end = len(items) if most is None else begin + most
    following = base64.b64encode(json.dumps({"offset": end}).encode()).decode() if end < len(items) else None
    return PagedList(items[begin:end], following)
