"""The media of the runs of one configuration, wherever they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from legm.tables.sources import StoredConfiguration, TableSource

__all__ = ["ConfigurationMedia"]


@dataclass(frozen=True, slots=True)
class ConfigurationMedia:
    """Gives the media of the runs of one configuration.

    Args:
        source: reads the runs.
        stored: the configuration.
    """

    source: TableSource
    stored: StoredConfiguration

    def media(self, run: Any) -> list[Any]:
        """The media of a run."""
        return self.source.media(self.stored, run)

    def media_content(self, run: Any, file: Any) -> bytes:
        """The content of a file of a medium."""
        return self.source.media_content(self.stored, run, file)
