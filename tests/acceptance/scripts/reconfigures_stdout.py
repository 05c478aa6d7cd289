"""The lines with which scripts for Windows begin."""

import io
import sys

from livejobs import live_job


@live_job
def reconfigures():
    sys.stdout.reconfigure(encoding="utf-8", errors="replace", line_buffering=True)
    print("naïve café")
    sys.stdout.buffer.write("Grüße\n".encode())
    sys.stdout.buffer.flush()
    sys.stdout.writelines(["a\n", "b\n"])
    sys.stdout.flush()


@live_job
def wraps_it_anew():
    sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", line_buffering=True)
    print("wrapped")


@live_job
def prints_after_the_wrapper():
    print("printed")


STEPS = [
    ("reconfigures", {}, {"log": ["naïve café", "Grüße", "a", "b"]}),
    ("wraps_it_anew", {}, {"log": ["wrapped"]}),
    ("prints_after_the_wrapper", {}, {"log": ["printed"]}),
]
