"""Short HTML for notebooks: it needs nothing from elsewhere, and has the colours of its page. Pure."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from legm.core.texts import escape_unprintable_text

__all__ = ["Markup", "escaped_html", "html_paragraphs", "html_table"]


@dataclass(frozen=True, slots=True)
class Markup:
    """HTML that legm made, and that is therefore not escaped.

    Args:
        text: the HTML.
    """

    text: str


def escaped_html(text: str) -> str:
    """A text as HTML shows it: markup, control characters and changes of direction are escaped."""
    return html.escape(escape_unprintable_text(text))


def html_table(
    caption: str,
    headers: Sequence[str],
    rows: Iterable[Sequence[str | Markup]],
    titles: Sequence[str] = (),
) -> str:
    """A table that scrolls by itself where the page is too narrow; every text is escaped.

    Args:
        caption: the line above it; "" for none.
        headers: the columns' names.
        rows: a cell for each column.
        titles: what the headers say when they are pointed at.
    """
    titled = [*(f' title="{escaped_html(one)}"' for one in titles), *[""] * len(headers)]
    head = "".join(
        f"<th{title}>{escaped_html(name)}</th>" for name, title in zip(headers, titled, strict=False)
    )
    body = "".join(f"<tr>{''.join(f'<td>{_html_cell(cell)}</td>' for cell in row)}</tr>" for row in rows)
    above = f"<caption>{escaped_html(caption)}</caption>" if caption else ""
    return (
        f'<div style="overflow-x:auto;white-space:nowrap"><table>{above}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _html_cell(cell: str | Markup) -> str:
    return cell.text if isinstance(cell, Markup) else escaped_html(cell)


def html_paragraphs(texts: Iterable[str]) -> str:
    """A paragraph for each text."""
    return "".join(f"<p>{escaped_html(text)}</p>" for text in texts)
