"""A segmentation fault says so, and where, in the log."""

import ctypes

from livejobs import live_job


@live_job
def faults():
    print("last print")
    ctypes.string_at(0)


EXPECT = {
    "state": "failed",
    "error": {"reason": "crashed", "message": "Segmentation fault (signal 11)"},
    "log_has": ["last print", {"re": r".*dies_by_segfault\.py.*, line \d+ in faults"}],
}
