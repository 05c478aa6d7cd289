"""A low recursion limit of one job does not hit the next."""

import sys

from livejobs import live_job


def down(depth):
    return down(depth - 1) if depth else "at the bottom"


@live_job
def lowers_it():
    sys.setrecursionlimit(120)
    return down(500)


@live_job
def goes_down():
    return down(500)


STEPS = [
    ("lowers_it", {}, {"state": "failed", "error": {"reason": "exception", "type": "RecursionError"}}),
    ("goes_down", {}, {"result": "at the bottom"}),
]
