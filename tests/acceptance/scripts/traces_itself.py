"""A trace and a profile function end with the job that set them."""

import sys
import threading

from livejobs import live_job


def trace(*_):
    return None


@live_job
def sets_traces():
    sys.settrace(trace)
    sys.setprofile(trace)
    threading.settrace(trace)


@live_job
def looks_for_traces():
    return [sys.gettrace() is None, sys.getprofile() is None, threading.gettrace() is None]


STEPS = [("sets_traces", {}, {}), ("looks_for_traces", {}, {"result": [True, True, True]})]
