"""A part that stands by: it goes on at the words it waits for, and ends when nobody speaks any more."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import os, sys
from livejobs.server import standby
found = standby.begin()
if found is None:
    print("no"); sys.exit()
print("stands by", repr(sys.stdin.read()), flush=True)
found.wait_for(standby.LOAD)
print("loads", flush=True)
found.wait_for(standby.SERVE)
found.take_over()
print("serves", sorted(name for name in os.environ if name in ("LIVEJOBS_STANDBY", "LIVEJOBS_PART")))
"""


def said(words: bytes, **variables: str) -> tuple[list[str], int]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], input=words, env={**os.environ, **variables}, capture_output=True, timeout=30
    )
    assert done.stderr == b""
    return done.stdout.decode().splitlines(), done.returncode


@pytest.mark.parametrize(
    ("words", "steps"),
    [
        (b"load\nserve\n", ["stands by ''", "loads", "serves []"]),
        (b"load\n", ["stands by ''", "loads"]),
        (b"", ["stands by ''"]),
        (b"serve\n", ["stands by ''"]),
    ],
)
def test_it_goes_as_far_as_it_is_told(words, steps):
    """What reads the standard input meanwhile takes none of the words."""
    assert said(words, LIVEJOBS_STANDBY="1", LIVEJOBS_PART="web-next") == (steps, 0)


def test_a_part_that_was_not_started_for_it_does_not_stand_by():
    assert said(b"", LIVEJOBS_STANDBY="") == (["no"], 0)
