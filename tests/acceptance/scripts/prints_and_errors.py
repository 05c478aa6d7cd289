"""What goes to stderr is in the log beside what is printed, in order, marked as what it is."""

import sys

from livejobs import live_job


@live_job
def prints_both():
    print("out")
    print("err", file=sys.stderr)
    sys.stderr.write("more err\n")
    sys.stdout.write("more out\n")
    print()
    print("end", end="")


EXPECT = {
    "log": ["out", "err", "more err", "more out", "", "end"],
    "levels": {"out": "info", "err": "stderr", "more err": "stderr"},
}
