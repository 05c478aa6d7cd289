"""A stream that was saved when the file was loaded writes into the log of each job, in order."""

import sys

from livejobs import live_job

OUT, ERR = sys.stdout, sys.stderr


@live_job
def writes_to_the_saved():
    print("one")
    print("two", file=OUT)
    print("three", file=ERR)
    OUT.write("four\n")
    print("five", file=sys.__stdout__)
    print("six")


STEPS = [
    ("writes_to_the_saved", {}, {"log": ["one", "two", "three", "four", "five", "six"]}),
    ("writes_to_the_saved", {}, {"log": ["one", "two", "three", "four", "five", "six"]}),
]
