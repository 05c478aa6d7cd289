"""`except Exception` around every step, as crawlers have it, does not catch the stop."""

import time

from livejobs import live_job


@live_job
def crawls():
    print("waiting")
    while True:
        try:
            time.sleep(0.3)
        except Exception as error:
            print("ignored", error)


EXPECT = {"state": "cancelled", "cancel_when": "waiting", "ends_within": 1, "log": ["waiting"]}
