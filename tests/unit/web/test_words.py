"""The one table of texts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import livejobs
from livejobs.states import EdgeName, State
from livejobs.web.words import WORDS, say, words

PACKAGE = Path(livejobs.__file__).parent
BRACES = re.compile(r"\{(\w+)\}")


def test_a_text_is_filled():
    assert say("left", time="5 s") == "about 5 s left"
    assert say("brand") == "Livejobs"


def test_the_table_that_travels_has_every_text_as_plain_text():
    table = words()
    assert table.keys() == WORDS.keys()
    assert all(type(text) is str for text in table.values())


@pytest.mark.parametrize("key", [*(f"edge_{name}" for name in EdgeName), *State, "cancelling"])
def test_every_state_and_edge_has_a_word(key):
    assert say(key, n=1)


def test_no_text_is_kept_that_nobody_says():
    files = [*PACKAGE.glob("static/livejobs/**/*.js"), *PACKAGE.glob("templates/**/*.html"), *PACKAGE.glob("web/*.py")]
    source = "".join(file.read_text() for file in files if file.name != "words.py")
    made = (
        "edge_",
        "said_",
    )  # of a prefix and the name of an edge or a state; `_only` and `_job` of what stands before
    unused = [
        key
        for key in WORDS.keys() - set(State)
        if not key.startswith(made) and not key.endswith(("_only", "_job")) and not re.search(rf"\b{key}\b", source)
    ]
    assert unused == []
