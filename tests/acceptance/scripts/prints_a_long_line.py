"""A line of 200 KB is cut, and what comes after it is whole."""

from livejobs import live_job


@live_job
def prints_200_kilobytes():
    print("before")
    print("x" * 200_000)
    print("after")


EXPECT = {"log": ["before", {"re": "x{8191}…"}, "after"]}
