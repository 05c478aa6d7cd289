"""A pool of processes is cancelled, and none of them stays."""

import multiprocessing
import time

from livejobs import live_job


@live_job
def waits_for_a_pool():
    with multiprocessing.Pool(2) as pool:
        print("waiting")
        pool.map(time.sleep, [60] * 8)


EXPECT = {"state": "cancelled", "cancel_when": "waiting", "ends_within": 1, "leaves_nothing": True}
