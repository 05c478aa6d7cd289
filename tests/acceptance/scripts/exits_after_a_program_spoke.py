"""The last line of stderr is that of a program, where a program wrote it."""

import subprocess
import sys

from livejobs import live_job


@live_job
def exits_as_its_program():
    done = subprocess.run(["sh", "-c", "echo fatal: no remote >&2; exit 128"], check=False)
    sys.exit(done.returncode)


EXPECT = {
    "state": "failed",
    "log": ["fatal: no remote"],
    "error": {"reason": "exception", "message": "Exited with code 128: fatal: no remote"},
}
