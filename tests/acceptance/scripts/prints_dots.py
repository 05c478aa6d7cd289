"""Dots printed one by one are one line, also where the line never ends."""

from livejobs import live_job


@live_job
def prints_a_row():
    for _ in range(20):
        print(".", end="", flush=True)
    print(" ok")
    print("no end of line", end="")


@live_job
def prints_nothing_before():
    print("a line of its own")


STEPS = [
    ("prints_a_row", {}, {"log": [".................... ok", "no end of line"]}),
    ("prints_nothing_before", {}, {"log": ["a line of its own"]}),
]
