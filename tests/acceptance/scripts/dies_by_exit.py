"""os._exit is a crash with a code; what was said before is kept, and the next job runs."""

import os
import sys

from livejobs import live_job


@live_job
def dies_with_three():
    print("last print")
    print("the reason", file=sys.stderr)
    os._exit(3)


@live_job
def dies_with_zero():
    print("no end of line", end="", flush=True)
    os._exit(0)


@live_job
def lives_on():
    return "alive"


STEPS = [
    (
        "dies_with_three",
        {},
        {
            "state": "failed",
            "error": {"reason": "crashed", "message": "Exited with code 3: the reason"},
            "log": ["last print", "the reason"],
        },
    ),
    (
        "dies_with_zero",
        {},
        {"state": "failed", "error": {"reason": "crashed", "message": "Exited with code 0"}, "log": ["no end of line"]},
    ),
    ("lives_on", {}, {"result": "alive"}),
]
