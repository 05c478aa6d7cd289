"""`@live_job`: what becomes of a function, for Python and for type checkers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from livejobs.definition import LiveJob, Registry, live_job
from livejobs.definition.options import NAMES
from livejobs.errors import DefinitionError

ROOT = Path(__file__).parents[3]


def export(month: str) -> int:
    return len(month)


def test_with_and_without_options_a_function_becomes_a_known_job(jobs: Registry):
    plain = live_job(export)
    assert isinstance(plain, LiveJob)
    assert jobs.get(plain.name) is plain
    again = live_job(title="Orders", retries=2)(export)
    assert (again.title, again.options.retries) == ("Orders", 2)
    assert jobs.get(again.name) is again
    assert again("October") == 7  # called directly it is just the function


def test_a_function_that_is_refused_is_not_known(jobs: Registry):
    with pytest.raises(DefinitionError):
        live_job(retries=-1)(export)
    assert len(jobs) == 0


def test_a_title_by_position_is_explained():
    with pytest.raises(
        DefinitionError, match=re.escape("@live_job('Export') is not right; write @live_job(title='Export').")
    ):
        live_job("Export")  # type: ignore[call-overload]


TYPED = """
from livejobs import LiveJob, live_job

@live_job
def plain(a: int) -> str: return ""

@live_job(title="x", retries=1, timeout=2.5, permission=lambda user, params: True)
def described(a: int, b: str = "") -> float: return 1.0

reveal_type(plain(1))
reveal_type(described(1, b="x"))
described("1")
live_job(colour="red")
live_job(retries="many")
"""


@pytest.mark.timeout(120)
def test_a_type_checker_knows_the_options_and_the_function(tmp_path):
    (tmp_path / "typed.py").write_text(TYPED)
    check = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), str(tmp_path / "typed.py")]
    said = subprocess.run(check, capture_output=True, text=True, cwd=ROOT, check=False).stdout
    lines = [re.sub(r"^.*typed\.py:", "", line) for line in said.splitlines() if "typed.py" in line]
    assert '10: note: Revealed type is "str"' in "\n".join(lines).replace("builtins.", "")
    assert '11: note: Revealed type is "float"' in "\n".join(lines).replace("builtins.", "")
    assert sorted({int(line.split(":")[0]) for line in lines if "error" in line}) == [12, 13, 14]
    assert set(NAMES) >= {"title", "retries", "timeout", "permission"}
