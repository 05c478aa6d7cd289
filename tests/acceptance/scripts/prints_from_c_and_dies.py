"""The last words of a C library are in the log although it ends the process."""

import ctypes

from livejobs import live_job


@live_job
def says_why_and_aborts():
    libc = ctypes.CDLL(None)
    libc.puts(b"corrupted data")
    libc.abort()


EXPECT = {
    "state": "failed",
    "error": {"reason": "crashed", "message": "Killed by signal 6 (SIGABRT)"},
    "log_has": ["corrupted data"],
}
