"""The HTML page: one file, which only runs scripts with known digests and accesses no network."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import time
from collections.abc import Mapping, Sequence
from importlib.resources import files
from string import Template
from typing import Any

from legm.errors import LegmError
from legm.records import Plain
from legm.report.script_bundle import bundle_modules
from legm.version import __version__

__all__ = ["json_for_page_script", "read_page_part", "read_page_plotly_script", "render_page"]


def read_page_plotly_script() -> str:
    """Read plotly's script from the installed package.

    Raises:
        LegmError: plotly is not installed.
    """
    try:
        return (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    except (ImportError, OSError) as cause:
        raise LegmError(
            f"the report cannot be built ({cause}): install plotly with: pip install 'legm[report]'"
        ) from cause


def render_page(
    title: str, backend: str, experiments: Sequence[Plain], media: Mapping[str, Plain], library: str
) -> bytes:
    """Render the page.

    Args:
        title: the page's title.
        backend: the name of the backend that the runs were read from.
        experiments: the content of each experiment.
        media: how each file is shown, by its digest.
        library: plotly's script.

    Returns:
        self-contained HTML in UTF-8.
    """
    own = _wrap_page_scripts(bundle_modules("main", lambda name: read_page_part(f"{name}.js")))
    content = {
        "title": title,
        "backend": backend,
        "made": time.time(),
        "legm": __version__,
        "experiments": list(experiments),
        "media": dict(media),
    }
    text = Template(read_page_part("page.html")).substitute(
        policy=_page_security_policy(library, own),
        title=html.escape(title),
        body=read_page_part("body.html"),
        style=read_page_part("page.css"),
        library=library,
        script=own,
        content=json_for_page_script(content),
    )
    return text.encode()


def read_page_part(name: str) -> str:
    """Read a file of the page."""
    return (files("legm.report") / "page" / name).read_text(encoding="utf-8")


def _wrap_page_scripts(scripts: str) -> str:
    return f'"use strict";\n(() => {{\n{scripts}\n}})();\n'


def _page_security_policy(*scripts: str) -> str:
    """The policy that allows only these scripts, inline styles, and pictures and sounds in the page."""
    digests = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode('ascii')}'"
        for script in scripts
    )
    return (
        f"default-src 'none'; script-src {digests}; style-src 'unsafe-inline'; "
        f"img-src data: blob:; media-src data:; base-uri 'none'; form-action 'none'"
    )


def json_for_page_script(content: Any) -> str:
    """JSON for a script element, which can neither end the element nor start a comment."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))  # all of it is ASCII
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
