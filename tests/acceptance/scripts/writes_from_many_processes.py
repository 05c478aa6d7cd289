"""Four processes write at once: each line is whole, and none is lost."""

import multiprocessing
import sys

from livejobs import live_job


def write(name):
    for number in range(200):
        print(f"writer {name} line {number} " + "-" * 40 + " end")
    sys.stdout.flush()


@live_job
def has_four_writers():
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=write, args=(name,)) for name in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    return [writer.exitcode for writer in writers]


EXPECT = {
    "result": [0, 0, 0, 0],
    "log_count": 800,
    "log_each": r"writer [abcd] line \d+ -{40} end",
}
