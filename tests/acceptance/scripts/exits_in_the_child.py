"""sys.exit in a forked child ends the child, not the job."""

import os
import sys

from livejobs import live_job


@live_job
def exits_in_a_child():
    pid = os.fork()
    if pid == 0:
        sys.exit(5)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


EXPECT = {"result": 5, "leaves_nothing": True}
