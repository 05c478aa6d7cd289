"""The page of memory between a function and its agent."""

from __future__ import annotations

import math
import mmap

import pytest

from livejobs.definition.cells import BEAT, CURRENT, LENGTH, RAISED, SIZE, STOP, TOTAL, VERSION, Cells


def test_a_new_page_knows_no_numbers_no_message_and_no_stop():
    cells = Cells()
    assert cells.number(CURRENT) is None
    assert cells.number(TOTAL) is None
    assert cells.message == ""
    assert cells.view[STOP] == cells.view[RAISED] == 0


def test_two_views_of_one_memory_see_the_same():
    memory = mmap.mmap(-1, SIZE)
    one, other = Cells(memory), Cells(memory)
    one.clear()
    one.view[CURRENT] = 1.5
    one.message = "reading"
    assert (other.number(CURRENT), other.message) == (1.5, "reading")


def test_memory_that_is_shared_is_taken_as_it_is():
    memory = bytearray(SIZE)
    Cells(memory).message = "kept"
    assert Cells(memory).message == "kept"


def test_an_attempt_begins_with_all_but_the_agents_beat_cleared():
    cells = Cells()
    cells.message = "old"
    for cell in (CURRENT, TOTAL, STOP, RAISED, BEAT):
        cells.view[cell] = 3.0
    cells.clear()
    assert (cells.number(CURRENT), cells.number(TOTAL), cells.message) == (None, None, "")
    assert (cells.view[STOP], cells.view[RAISED], cells.view[BEAT]) == (0, 0, 3)


@pytest.mark.parametrize("text", ["", "é€😀", "m" * 255, "😀" * 255])
def test_a_message_is_read_as_it_was_written(text):
    cells = Cells()
    cells.message = "a longer one was there before" * 10
    cells.message = text
    assert cells.message == text


def test_half_a_surrogate_pair_and_a_text_beyond_the_page_end_no_job():
    cells = Cells()
    cells.message = "a\ud800b"
    assert cells.message == "a?b"
    cells.message = "x" * 2 * SIZE
    assert set(cells.message) == {"x"}
    assert len(cells.message) < SIZE


def test_a_message_that_is_being_written_is_not_read_in_half():
    cells = Cells()
    cells.message = "whole"
    cells.view[VERSION] += 1
    assert cells.message == ""
    cells.message = "after an interrupted one"
    assert cells.message == "after an interrupted one"
    assert cells.view[VERSION] % 2 == 0


def test_a_length_and_a_number_are_plain():
    cells = Cells()
    cells.view[TOTAL] = math.nan
    cells.message = "four"
    assert cells.number(TOTAL) is None
    assert cells.number(LENGTH) == 4
