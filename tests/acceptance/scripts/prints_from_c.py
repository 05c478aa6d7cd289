"""What a C library prints is in the log of its own job, in its place."""

import ctypes

from livejobs import live_job

libc = ctypes.CDLL(None)


@live_job
def calls_printf():
    print("from Python")
    libc.printf(b"from C: %d\n", 42)
    libc.puts(b"again from C")
    print("from Python again")


@live_job
def prints_no_c():
    print("clean")


STEPS = [
    ("calls_printf", {}, {"log": ["from Python", "from C: 42", "again from C", "from Python again"]}),
    ("prints_no_c", {}, {"log": ["clean"]}),
]
