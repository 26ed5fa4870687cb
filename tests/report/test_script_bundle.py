"""The page's ES modules, and the one script that a report has of them."""

from __future__ import annotations

import re
from collections import Counter
from importlib.resources import files

from legm.report.script_bundle import bundle_modules
from tests.support.paths import ROOT


def sources_in(package: str) -> dict[str, str]:
    return {
        one.name.removesuffix(".js"): one.read_text(encoding="utf-8")
        for one in (files(package) / "page").iterdir()
        if one.name.endswith(".js")
    }


REPORT = sources_in("legm.report")
SOURCES = {**REPORT, **sources_in("legm.ui")}
DECLARED = re.compile(r"^(export )?(?:async )?(?:function|class|const|let) (\w+)", re.MULTILINE)
IMPORTED = re.compile(r'^import \{([^}]*)\} from "(?:\.|\.\./\.\./legm/\w+/page)/(\w+)\.js";$', re.MULTILINE)
UNIT_TESTS = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").glob("*/page.test.js"))]


def test_every_name_that_a_module_imports_is_one_that_the_other_exports():
    imported = {
        (module, name.strip())
        for source in (*SOURCES.values(), *UNIT_TESTS)
        for names, module in IMPORTED.findall(source)
        for name in names.split(",")
        if name.strip()
    }
    exported = {
        (module, name)
        for module, source in SOURCES.items()
        for mark, name in DECLARED.findall(source)
        if mark
    }
    assert imported == exported


def test_no_two_modules_use_one_name_since_a_report_has_them_in_one_scope():
    names = Counter(name for source in SOURCES.values() for _, name in DECLARED.findall(source))
    assert [name for name, number in names.items() if number > 1] == []


def test_the_one_script_has_every_module_once_after_those_that_it_imports():
    script = bundle_modules("main", REPORT.__getitem__)
    assert not re.search(r"^(import|export) ", script, re.MULTILINE)
    heads = [source.partition("\n")[0] for source in REPORT.values()]
    assert [script.count(head) for head in heads] == [1] * len(heads)

    sources = {
        "main": 'import { b } from "./second.js";\nimport {\n  a,\n} from "./first.js";\nb(a);\n',
        "second": 'import { a } from "./first.js";\nexport function b() {\n  return a;\n}\n',
        "first": 'import { b } from "./second.js";\nexport const a = () => b();\n',
    }
    whole = bundle_modules("main", sources.__getitem__)
    assert whole == "const a = () => b();\n\nfunction b() {\n  return a;\n}\n\nb(a);\n"
