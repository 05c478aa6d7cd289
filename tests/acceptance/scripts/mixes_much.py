"""A thousand lines by turns from print, logging and stderr are in order."""

import logging
import sys

from livejobs import live_job


@live_job
def takes_turns():
    for number in range(0, 999, 3):
        print("line", number)
        logging.info("line %d", number + 1)
        print("line", number + 2, file=sys.stderr)


EXPECT = {"log_numbers": [r"line (\d+)", 0, 999]}
