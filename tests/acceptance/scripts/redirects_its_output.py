"""What a job catches itself is not in the log, neither from Python nor from a program."""

import contextlib
import io
import subprocess

from livejobs import live_job


@live_job
def catches():
    caught = io.StringIO()
    with contextlib.redirect_stdout(caught):
        print("caught")
    program = subprocess.run(["echo", "caught too"], capture_output=True, text=True, check=True)
    print("shown")
    return [caught.getvalue(), program.stdout]


EXPECT = {"log": ["shown"], "result": ["caught\n", "caught too\n"]}
