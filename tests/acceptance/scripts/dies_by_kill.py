"""A job that the kernel kills says so, and guesses why."""

import os
import signal

from livejobs import live_job


@live_job
def is_killed():
    print("last print")
    os.kill(os.getpid(), signal.SIGKILL)


@live_job
def is_not_killed():
    return "alive"


STEPS = [
    (
        "is_killed",
        {},
        {
            "state": "failed",
            "error": {
                "reason": "crashed",
                "message": "Killed by signal 9 (SIGKILL); often the machine was out of memory",
            },
            "log": ["last print"],
            "takes": [0, 2],
        },
    ),
    ("is_not_killed", {}, {"result": "alive"}),
]
