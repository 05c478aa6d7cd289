"""sys.exit("text") fails with the text."""

import sys

from livejobs import live_job


@live_job
def exits_saying_why():
    sys.exit("No customer has this number.")


EXPECT = {"state": "failed", "error": {"reason": "exception", "message": "No customer has this number."}}
