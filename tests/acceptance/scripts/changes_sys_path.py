"""What a job does to sys.path and sys.argv is not there for the next one."""

import sys

from livejobs import live_job


@live_job
def bends_the_path():
    sys.path.insert(0, "/somewhere/else")
    sys.argv = ["program", "--verbose"]


@live_job
def looks_at_the_path():
    return ["/somewhere/else" in sys.path, "--verbose" in sys.argv]


STEPS = [("bends_the_path", {}, {}), ("looks_at_the_path", {}, {"result": [False, False]})]
