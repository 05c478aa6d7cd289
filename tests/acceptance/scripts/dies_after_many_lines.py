"""Of what a job printed before it died, nothing is lost."""

import os

from livejobs import live_job


@live_job
def prints_and_dies():
    for number in range(3000):
        print("line", number)
    os._exit(1)


EXPECT = {
    "state": "failed",
    "error": {"reason": "crashed", "message": {"re": "Exited with code 1.*"}},
    "log_numbers": [r"line (\d+)", 0, 3000],
}
