"""Tables as CSV, LaTeX and Markdown: the command line and the page write the same."""

from __future__ import annotations

import json

from legm.tables.table_markup import MarkupCell, csv_table, latex_table, markdown_table
from tests.support.paths import ROOT

CASES = ROOT / "tests" / "support" / "table_texts.json"


def test_tables_are_written_as_the_page_writes_them():
    for case in json.loads(CASES.read_text(encoding="utf-8")):
        table = case["table"]
        cells = [[MarkupCell(one) for one in row] for row in table["rows"]]
        arguments = (table["headers"], cells, table["numbers"], table["notes"])
        assert csv_table(table["headers"], table["rows"]) == case["csv"]
        assert latex_table(*arguments) == case["latex"]
        assert markdown_table(*arguments) == case["markdown"]
