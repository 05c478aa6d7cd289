"""sys.exit(), exit(0) and quit() are the end of a program that is done."""

import sys

from livejobs import live_job


@live_job
def exits_without():
    print("done")
    sys.exit()


@live_job
def exits_by_zero():
    exit(0)


@live_job
def quits():
    quit()


@live_job
def prints_after_quit():
    print("as ever")
    return sys.stdin.read()


STEPS = [
    ("exits_without", {}, {"result": None, "log": ["done"]}),
    ("exits_by_zero", {}, {"result": None}),
    ("quits", {}, {"result": None}),
    ("prints_after_quit", {}, {"result": "", "log": ["as ever"]}),
]
