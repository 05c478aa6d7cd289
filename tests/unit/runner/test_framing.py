"""Bytes and records in one pipe: none is lost, torn, or out of its place."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from livejobs.runner.framing import ATOMIC, MARKER, Frame, Kind, Unframer, frames
from tests.support.forks import in_a_fork

# bytes that look like the begin of a marker more often than chance would have it
RAW = st.lists(
    st.one_of(
        st.binary(max_size=20), st.integers(1, len(MARKER) - 1).map(lambda length: MARKER[:length]), st.just(MARKER[1:])
    ),
    max_size=4,
).map(b"".join)
RECORDS = st.builds(Frame, st.sampled_from(Kind), st.one_of(st.binary(max_size=50), st.just(b"x" * 2 * ATOMIC), RAW))


def written(items: Sequence[bytes | Frame]) -> bytes:
    """What these items look like in a pipe."""
    whole = b""
    for number, item in enumerate(items):
        whole += b"".join(frames(7, number, *item)) if isinstance(item, Frame) else item
    return whole


def joined(items: Sequence[bytes | Frame]) -> list[bytes | Frame]:
    """The same, with bytes that follow one another as one."""
    found: list[bytes | Frame] = []
    for item in items:
        if isinstance(item, bytes) and found and isinstance(found[-1], bytes):
            found[-1] += item
        else:
            found.append(item)
    return [item for item in found if item]


def fed(data: bytes, cuts: Sequence[int] = ()) -> list[bytes | Frame]:
    """What comes out when this is read in pieces."""
    unframer = Unframer()
    places = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    found = [part for start, end in itertools.pairwise(places) for part in unframer.feed(data[start:end])]
    return joined([*found, unframer.finish()])


@given(st.lists(RAW | RECORDS, max_size=8), st.lists(st.integers(0, 100_000), max_size=12))
def test_any_mix_in_any_cuts_comes_out_in_order(items, cuts):
    expected = joined([item for item in joined(items) if isinstance(item, Frame) or MARKER not in item])
    assert fed(written(expected), cuts) == expected


def test_byte_by_byte_too():
    items: list[bytes | Frame] = [
        MARKER[:3],
        Frame(Kind.ERROR, b"one"),
        b"between",
        Frame(Kind.STDERR, b""),
        MARKER[:5],
    ]
    data = written(items)
    assert fed(data, range(len(data))) == items


def test_a_record_may_hold_a_marker():
    assert fed(written([Frame(Kind.INFO, b"a" + MARKER + b"b")])) == [Frame(Kind.INFO, b"a" + MARKER + b"b")]


def test_no_frame_is_larger_than_a_write_that_never_tears():
    parts = list(frames(1, 1, Kind.INFO, b"x" * 10_000))
    assert [len(part) for part in parts[:-1]] == [ATOMIC] * (len(parts) - 1)
    assert len(parts[-1]) <= ATOMIC


def test_large_records_of_two_processes_may_be_mixed():
    one, other = (list(frames(pid, 1, Kind.INFO, bytes([pid]) * 10_000)) for pid in (1, 2))
    mixed = b"".join(frame for both in zip(one, other, strict=True) for frame in both)
    assert fed(mixed) == [Frame(Kind.INFO, b"\x01" * 10_000), Frame(Kind.INFO, b"\x02" * 10_000)]


def test_bytes_between_the_frames_of_a_record_do_not_break_it():
    first, second = frames(1, 1, Kind.INFO, b"x" * 5_000)
    assert fed(first + b"raw" + second) == [b"raw", Frame(Kind.INFO, b"x" * 5_000)]


def test_a_frame_that_never_became_whole_is_dropped_and_the_begin_of_a_marker_is_given_back():
    (frame,) = frames(1, 1, Kind.INFO, b"text")
    assert fed(b"raw" + frame[:-1]) == [b"raw"]
    assert fed(b"raw" + MARKER[:-1]) == [b"raw" + MARKER[:-1]]


def test_a_kind_nobody_knows_is_dropped():
    (frame,) = frames(1, 1, Kind(0), b"text")
    place = len(MARKER) + 8
    assert fed(frame[:place] + b"\xee" + frame[place + 1 :] + b"after") == [b"after"]


@in_a_fork
def test_what_several_processes_write_at_once_is_never_torn():
    """Each writes records of three frames into one pipe, as fast as it can."""
    reading, writing = os.pipe()
    for process in range(4):
        if os.fork() == 0:
            for record in range(100):
                for frame in frames(process, record, Kind.INFO, bytes([process]) * 10_000):
                    assert os.write(writing, frame) == len(frame)
            os._exit(0)
    os.close(writing)
    unframer, found = Unframer(), list[bytes | Frame]()
    while data := os.read(reading, 65_536):
        found += unframer.feed(data)
    whole = [Frame(Kind.INFO, bytes([process]) * 10_000) for process in range(4)]
    assert [found.count(record) for record in whole] == [100] * 4
    assert len(found) == 400
