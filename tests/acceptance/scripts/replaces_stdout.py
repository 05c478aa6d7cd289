"""A job may replace or close sys.stdout; the next one prints as ever."""

import io
import sys

from livejobs import live_job


@live_job
def catches_all():
    print("before")
    sys.stdout = io.StringIO()
    print("caught")
    return sys.stdout.getvalue()


@live_job
def closes_all():
    sys.stdout.close()
    sys.stderr.close()
    sys.stdin.close()


@live_job
def prints_after_that():
    print("printed")
    print("an error", file=sys.stderr)
    return sys.stdin.read()


STEPS = [
    ("catches_all", {}, {"log": ["before"], "result": "caught\n"}),
    ("prints_after_that", {}, {"log": ["printed", "an error"], "result": ""}),
    ("closes_all", {}, {}),
    ("prints_after_that", {}, {"log": ["printed", "an error"], "result": ""}),
]
