"""A ProcessPoolExecutor is cancelled, and none of its processes stays."""

import time
from concurrent.futures import ProcessPoolExecutor

from livejobs import live_job


@live_job
def waits_for_an_executor():
    pool = ProcessPoolExecutor(2)
    print("waiting")
    list(pool.map(time.sleep, [60] * 8))


EXPECT = {"state": "cancelled", "cancel_when": "waiting", "ends_within": 1, "leaves_nothing": True}
