"""A loop that only computes is cancelled within a second."""

from livejobs import live_job


@live_job
def computes():
    print("waiting")
    number = 0
    while True:
        number = (number * 31 + 7) % 1_000_003


EXPECT = {"state": "cancelled", "cancel_when": "waiting", "ends_within": 1}
