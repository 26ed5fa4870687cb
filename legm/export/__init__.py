"""Exports runs into any backend, or into a table."""

from __future__ import annotations

from legm.export.export_report import Exported, Report, State
from legm.export.to_backend import export_runs
from legm.export.to_table import export_table

__all__ = ["Exported", "Report", "State", "export_runs", "export_table"]
