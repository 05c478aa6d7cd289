"""A job that caught the stop and returned is cancelled all the same."""

import time

from livejobs import live_job


@live_job
def swallows():
    try:
        print("waiting")
        time.sleep(60)
    except BaseException:
        pass
    return "as if nothing were"


@live_job
def raises_another():
    try:
        print("waiting")
        time.sleep(60)
    except BaseException:
        raise ValueError("something else") from None


STEPS = [
    ("swallows", {}, {"state": "cancelled", "cancel_when": "waiting", "ends_within": 1}),
    ("raises_another", {}, {"state": "cancelled", "cancel_when": "waiting", "ends_within": 1}),
]
