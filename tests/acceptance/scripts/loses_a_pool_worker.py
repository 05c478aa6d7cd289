"""A worker of a pool that dies is an error of the job, which can be told."""

import os
from concurrent.futures import ProcessPoolExecutor

from livejobs import live_job


def die(_):
    os._exit(1)


@live_job
def loses_one():
    with ProcessPoolExecutor(1) as pool:
        return list(pool.map(die, [1]))


EXPECT = {"state": "failed", "error": {"reason": "exception", "type": "BrokenProcessPool"}, "leaves_nothing": True}
