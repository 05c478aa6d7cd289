"""A job that hears nothing is ended with its process, and says so."""

import time

from livejobs import live_job


@live_job
def hears_nothing_at_all():
    print("waiting")
    while True:
        try:
            time.sleep(0.1)
        except BaseException:
            pass


EXPECT = {
    "state": "cancelled",
    "cancel_when": "waiting",
    "ends_within": 17,
    "waits": 30,
    "log_has": ["waiting", {"re": ".*was ended.*"}],
    "leaves_nothing": True,
}
