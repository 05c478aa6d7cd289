"""os.abort is a crash by signal 6."""

import os

from livejobs import live_job


@live_job
def aborts():
    print("last print")
    os.abort()


EXPECT = {
    "state": "failed",
    "error": {"reason": "crashed", "message": "Killed by signal 6 (SIGABRT)"},
    "log_has": ["last print"],
}
