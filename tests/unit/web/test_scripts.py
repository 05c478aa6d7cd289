"""What the scripts share with the server: the words of the wire, the texts, and a budget."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from livejobs import protocol, states
from livejobs.web.words import WORDS
from tests.conftest import missing

ROOT = Path(__file__).parents[3]
SCRIPTS = ROOT / "src/livejobs/static/livejobs"
TEMPLATES = ROOT / "src/livejobs/templates/livejobs"
OURS = [path for path in SCRIPTS.rglob("*.js") if "vendor" not in path.parts]
BUDGET = 36 * 1024  # bytes, gzipped: what is ours
VENDOR_BUDGET = 4 * 1024  # and what is not


@pytest.fixture(scope="module")
def exported() -> dict[str, Any]:
    """What protocol.js exports."""
    node = shutil.which("node")
    if node is None:
        missing("There is no node to read protocol.js with.")
    script = f"import * as p from {json.dumps((SCRIPTS / 'protocol.js').as_uri())}; console.log(JSON.stringify(p))"
    run = subprocess.run([str(node), "--input-type=module", "-e", script], capture_output=True, text=True, check=True)
    values: dict[str, Any] = json.loads(run.stdout)
    return values


def test_constants_are_those_of_the_server(exported):
    assert exported == {
        "SUBPROTOCOL": protocol.SUBPROTOCOL,
        "LIST_DEFAULT": protocol.LIST_DEFAULT,
        "LIST_MAX": protocol.LIST_MAX,
        "LIST_LIVE_MAX": protocol.LIST_LIVE_MAX,
        "LOG_MAX": protocol.LOG_MAX,
        "FINISHED": sorted(states.FINISHED),
        "ErrorCode": {code.name: code.value for code in protocol.ErrorCode},
        "CloseCode": {code.name: code.value for code in protocol.CloseCode},
        "EdgeName": {edge.name: edge.value for edge in states.EdgeName},
        "BY_PEOPLE": sorted(states.BY_PEOPLE),
    }


def test_every_text_is_in_the_table_and_is_said():
    scripts = "".join(path.read_text() for path in OURS)
    said = set(re.findall(r'\bsay\(\s*"(\w+)"', scripts))
    assert said <= WORDS.keys()
    # keys put together at run time, and those that a variable carries
    built = {f"{unit}{end}" for unit in ("minutes", "hours", "days") for end in ("", "_only")}
    built |= {f"said_{state}" for state in states.FINISHED} | {"cancel_job", "retry_job", "cancelling", *states.State}
    built |= {f"edge_{edge}" for edge in states.EdgeName}
    texts = scripts + "".join(path.read_text() for path in TEMPLATES.glob("*.html"))
    assert not {key for key in WORDS.keys() - said - built if not re.search(rf'["\'.]{key}\b', texts)}


def test_nothing_is_preloaded():
    """Measured: preloads contend with the style sheet, and the first paint waits for that only."""
    assert not [path.name for path in TEMPLATES.glob("*.html") if "preload" in path.read_text()]


def test_scripts_and_styles_are_small():
    ours = gzipped([*sorted(OURS), SCRIPTS / "livejobs.css"])
    vendor = gzipped(sorted((SCRIPTS / "vendor").glob("*.js")))
    print(f"JavaScript and CSS of ours {ours:,} bytes gzipped, vendored {vendor:,}")
    assert ours <= BUDGET
    assert vendor <= VENDOR_BUDGET


def gzipped(paths: list[Path]) -> int:
    """How many bytes the files are together, compressed."""
    return len(gzip.compress(b"".join(path.read_bytes() for path in paths), 9))


def test_nothing_comes_from_elsewhere_and_nothing_is_inline():
    for path in [*OURS, SCRIPTS / "livejobs.css", *TEMPLATES.glob("*.html")]:
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|\bstyle=|\bon[a-z]+=\"|javascript:|unsafeHTML|innerHTML", text), path.name
        assert "<script>" not in text, path.name


def test_lit_html_is_vendored_with_version_and_licence():
    vendor = SCRIPTS / "vendor"
    version = json.loads((ROOT / "package.json").read_text())["devDependencies"]["lit-html"]
    assert version in (vendor / "lit-html.VERSION").read_text()
    assert "BSD" in (vendor / "lit-html.LICENSE").read_text()
    installed = ROOT / "node_modules/lit-html/lit-html.js"
    if installed.exists():
        lines = [line for line in installed.read_text().splitlines() if "sourceMappingURL" not in line]
        assert (vendor / "lit-html.js").read_text().splitlines() == lines
