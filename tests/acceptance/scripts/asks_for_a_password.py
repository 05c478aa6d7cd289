"""getpass does not wait for a person who is not there."""

import getpass

from livejobs import live_job


@live_job
def wants_a_password():
    return len(getpass.getpass())


EXPECT = {"state": "failed", "error": {"reason": "exception", "type": "EOFError"}, "takes": [0, 3]}
