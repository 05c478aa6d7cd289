"""A job that is nice is the only one that is."""

import os

from livejobs import live_job

BEFORE = os.getpriority(os.PRIO_PROCESS, 0)


@live_job
def is_nice():
    return os.nice(5) - BEFORE


@live_job
def is_not():
    return os.getpriority(os.PRIO_PROCESS, 0) - BEFORE


STEPS = [("is_nice", {}, {"result": 5}), ("is_not", {}, {"result": 0})]
