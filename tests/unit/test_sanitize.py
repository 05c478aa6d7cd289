"""Text that could not be stored or sent becomes text that can."""

from __future__ import annotations

import json
import re

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livejobs.sanitize import REPLACEMENT, clean, clean_json, cut, is_clean, marked, one_line, plain

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))  # surrogates and NUL included


@pytest.mark.parametrize("hostile", ["\x00", "\ud800", "\udc00"], ids=["NUL", "high", "low"])  # noqa: PT014 - the linter reads surrogates as equal
def test_what_no_database_takes_is_replaced(hostile):
    assert clean(f"a{hostile}b") == f"a{REPLACEMENT}b"
    assert not is_clean(f"a{hostile}b")


@pytest.mark.parametrize("kept", ["", "plain", "naïve", "😀", "مرحبا", "<script>", "a\tb\n", "\x01\x7f", "\u202e"])
def test_everything_else_is_kept(kept):
    assert clean(kept) == kept
    assert is_clean(kept)


COMMANDS = [
    ("\x1b[31mred\x1b[0m", "red"), ("\x9b1;32mgreen", "green"), ("\x1b[2K\x1b[1A50 %", "50 %"),
    ("\x1b]0;title\x07text", "text"), ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"), ("\x1bPdata\x1b\\x", "x"),
    ("\x1b(Bx", "x"), ("\x1bcx", "x"), ("\x1b", ""), ("\x1b[12", "12"), ("a\x08\x07\x7f\x85b", "ab"),
    ("\u202eabc\u202c \u2066x\u2069", "abc x"), ("a\tb\nc", "a\tb\nc"), ("\x1b]0;open\nnext", "\nnext"),
    ("é 😀 שלום", "é 😀 שלום"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "read"), COMMANDS)
def test_what_a_terminal_would_obey_is_not_there_to_read(text, read):
    assert plain(text) == read


@given(st.text(st.sampled_from("\x1b[]0;1m\x9b\x07\\\r\n\u202e\u2028 aB")))
def test_nothing_that_a_job_says_commands_a_terminal_or_begins_a_line(text):
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", plain(text))
    assert len(one_line(text).splitlines()) <= 1


def test_a_text_of_several_lines_can_be_one():
    assert one_line("a\r\nb\n\nc\u2028d") == "a ⏎ b ⏎ c ⏎ d"


@given(ANY_TEXT)
def test_cleaned_text_encodes_and_stays(text):
    cleaned = clean(text)

    assert is_clean(cleaned)
    assert len(cleaned) == len(text)
    assert clean(cleaned) == cleaned
    cleaned.encode()


def test_json_is_cleaned_at_every_depth_keys_included():
    value = {"a\x00": ["x\ud800", {"n": 1, "t": ("\x00",)}, None, True, 1.5], 7: "kept"}

    assert clean_json(value) == {
        f"a{REPLACEMENT}": [f"x{REPLACEMENT}", {"n": 1, "t": [REPLACEMENT]}, None, True, 1.5],
        7: "kept",
    }


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | ANY_TEXT,
                    lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner)))  # fmt: skip
def test_cleaned_json_can_be_sent(value):
    assert json.loads(orjson.dumps(clean_json(value))) == clean_json(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", ""), ("abcd", "abcd"), ("abcde", "abc…"), ("😀😀😀😀😀", "😀😀😀…")],
)
def test_cut_shortens_to_the_limit(text, expected):
    assert cut(text, 4) == expected
    assert len(cut(text, 4)) <= 4


@pytest.mark.parametrize(
    ("name", "shown"),
    [("invoice\u202efdp.exe", "invoice[U+202E]fdp.exe"), ("\u200b\ufeff\u2800", "[U+200B][U+FEFF][U+2800]"),
     ("میخواهم\u200c", "میخواهم\u200c"), ("👩\u200d💻 Käse", "👩\u200d💻 Käse"), ("", "")],
)  # fmt: skip
def test_what_is_hidden_in_a_name_is_shown(name, shown):
    assert marked(name) == shown
