"""Exports runs into any backend, or into a table."""

from __future__ import annotations

from legm.export.backends import export_runs
from legm.export.reports import Exported, Report, State
from legm.export.tables import export_table

__all__ = ["Exported", "Report", "State", "export_runs", "export_table"]
