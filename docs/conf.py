"""The site: ``python -m sphinx -E -a -q -W --keep-going docs build/site`` makes it of this folder's pages.

The build is strict and needs no network. It fails on a link, a heading or a reference to Python that leads
nowhere, on a file of the repository that does not exist, on a page that the index does not list, and on a
page that would load anything from another host.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform

import legm

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
REPOSITORY = "https://github.com/legm/legm"

project = "legm"
author = "The legm developers"
copyright = author  # noqa: A001  # Sphinx's name for it
release = version = legm.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
root_doc = "index"
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
nitpicky = True
# What a signature may name without a link: other libraries, whose pages would need a network, type aliases,
# and private types that users pass on without naming them. Any other reference must be right.
nitpick_ignore_regex = [
    ("py:class", rf"({name})")
    for name in (
        r"(argparse|collections\.abc|contextlib|matplotlib|numpy|os|pathlib|types|typing)\..+",
        r"np\.\w+|NDArray|FloatArray|IntArray|Aggregation|Figure|StyleSheets|Where",
        r"legm\.(\w+\.)+([A-Z]|DeclarationParser)",  # type variables, and a protocol of parsers
        r"legm\.changes\.amend\.Amended",
        r"legm\.core\.identity\.ParameterDifference",
        r"legm\.delivery\.client\.BackendClient",
        r"legm\.importers\.import_source\.ImportSource",
        r"legm\.importers\.identity_inference\.Identity",
    )
]

myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 4

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
python_maximum_signature_line_length = 88
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "legm"
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_css_files = ["legm.css"]
html_copy_source = False
html_show_sphinx = False
html_math_renderer = "mathml"
html_theme_options = {
    "source_repository": REPOSITORY,
    "source_branch": "main",
    "source_directory": "docs/",
    "footer_icons": [],
}
pygments_style = "friendly"
pygments_dark_style = "github-dark"
copybutton_prompt_text = r"\$ |>>> "
copybutton_prompt_is_regexp = True

LINK = re.compile(r"\]\((\.\./[^)#]*)(#[^)]*)?\)")
SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
LISTED = re.compile(r"^\| \[[^\]]+\]\(([\w./-]+)\.(?:md|rst)\)", re.MULTILINE)
SESSION = re.compile(r"^```text\n(?=\$ )", re.MULTILINE)
COMMANDS = re.compile(r"^```console\n(?!\S*\$ )", re.MULTILINE)
LOADED = re.compile(
    r"""<(?:script|img|iframe|source|audio|video|embed|object)\b[^>]*?\s(?:src|srcset|data)=["']?([^"'\s>]+)"""
    r"""|<link\b(?=[^>]*\brel=["']?(?:stylesheet|preload|icon|shortcut icon|preconnect|prefetch))"""
    r"""[^>]*?\shref=["']?([^"'\s>]+)"""
)
LOADED_BY_STYLE = re.compile(r"""@import\s+(?:url\()?["']?([^"')\s;]+)|url\(["']?([^"')]+)""")


def read_page(app: Sphinx, name: str, source: list[str]) -> None:
    """Adapt a page, which GitHub shows as it is, to the site."""
    source[0] = LINK.sub(lambda link: _to_repository(app, name, link), source[0])
    source[0] = COMMANDS.sub("```bash\n", source[0])
    source[0] = SESSION.sub("```console\n", source[0])
    if name in (root_doc, "public-names"):
        source[0] += "".join(_contents(title, body) for title, body in SECTION.findall(source[0]))


def _to_repository(app: Sphinx, name: str, link: re.Match[str]) -> str:
    """A link to a file outside of this folder leads to the repository."""
    path = (Path(app.srcdir) / name).parent.joinpath(link[1]).resolve()
    if not path.exists() or not path.is_relative_to(ROOT):
        raise ExtensionError(f"docs/{name}.md links to {link[1]}, which does not exist")
    kind = "tree" if path.is_dir() else "blob"
    return f"]({REPOSITORY}/{kind}/main/{path.relative_to(ROOT).as_posix()}{link[2] or ''})"


def _contents(title: str, body: str) -> str:
    """The pages in a section's table, as a part of the sidebar."""
    pages = "\n".join(LISTED.findall(body))
    return f"\n\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{pages}\n```\n" if pages else ""


class BothThemes(SphinxTransform):
    """A picture whose name ends in ``-light`` gives way to its ``-dark`` twin on a dark page."""

    default_priority = 200

    def apply(self, **_: Any) -> None:
        """Put the twin behind the picture."""
        folder = Path(self.env.doc2path(self.env.docname)).parent
        for image in list(self.document.findall(nodes.image)):
            stem, light, ending = image["uri"].rpartition("-light.")
            if light and (folder / f"{stem}-dark.{ending}").exists():
                dark = image.deepcopy()
                dark["uri"] = f"{stem}-dark.{ending}"
                dark["classes"].append("only-dark")
                image["classes"].append("only-light")
                image.parent.insert(image.parent.index(image) + 1, dark)


def write_math(translator: Any, node: nodes.math | nodes.math_block) -> None:
    """A formula as MathML, which browsers show without a script."""
    translator.body.append(tex2mathml(node.astext(), as_block=isinstance(node, nodes.math_block)))
    raise nodes.SkipNode


def show_default(
    app: Sphinx,
    what: str,
    name: str,
    obj: object,
    options: object,
    signature: str | None,
    returned: str | None,
) -> tuple[str | None, str | None]:
    """A dataclass's default that is made for each instance is ``...`` in its signature."""
    del app, what, name, obj, options
    return (signature and signature.replace("<factory>", "..."), returned)


def check_hosts(app: Sphinx, error: Exception | None) -> None:
    """No page loads anything from another host."""
    if error is not None or app.builder.format != "html":
        return
    found = []
    for pattern, loaded in (("*.html", LOADED), ("*.css", LOADED_BY_STYLE)):
        for path in sorted(Path(app.outdir).rglob(pattern)):
            for names in loaded.findall(path.read_text(encoding="utf-8")):
                found += [f"{path}: {name}" for name in names if urlsplit(name).netloc]
    if found:
        raise ExtensionError("loaded from another host:\n" + "\n".join(found))


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx calls this."""
    app.add_html_math_renderer("mathml", (write_math, None), (write_math, None))
    app.connect("source-read", read_page)
    app.add_transform(BothThemes)
    app.connect("autodoc-process-signature", show_default)
    app.connect("build-finished", check_hosts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
