"""Why a program failed is in the log: its own words."""

import subprocess

from livejobs import live_job


@live_job
def deploys():
    subprocess.run(["sh", "-c", "echo fatal: not a git repository >&2; exit 128"], check=True)


EXPECT = {
    "state": "failed",
    "error": {"reason": "exception", "type": "CalledProcessError", "message": {"re": ".*non-zero exit status 128.*"}},
    "log": ["fatal: not a git repository"],
}
