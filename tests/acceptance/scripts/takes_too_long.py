"""A time limit is a time limit: a sleep that outlasts it fails as that."""

import time

from livejobs import live_job


@live_job(timeout=1)
def sleeps_too_long():
    time.sleep(3)
    return "slept"


@live_job(timeout=1)
def prints_too_long():
    for number in range(60):
        print("line", number)
        time.sleep(0.05)
    return "printed"


@live_job(timeout=1)
def catches_its_limit():
    try:
        time.sleep(3)
    except KeyboardInterrupt:
        return "caught"


@live_job(timeout=1)
def is_quick():
    return "quick"


STEPS = [
    ("sleeps_too_long", {}, {"state": "failed", "error": {"reason": "timeout"}, "takes": [0.9, 2]}),
    (
        "prints_too_long",
        {},
        {"state": "failed", "error": {"reason": "timeout"}, "takes": [0.9, 2], "log_has": ["line 0"]},
    ),
    ("catches_its_limit", {}, {"state": "failed", "error": {"reason": "timeout"}, "takes": [0.9, 2]}),
    ("is_quick", {}, {"result": "quick"}),
]
