"""sys.stdout and sys.stderr are streams as every program has them."""

import io
import sys

from livejobs import live_job


@live_job
def asks_streams():
    return {
        "fileno": [sys.stdin.fileno(), sys.stdout.fileno(), sys.stderr.fileno()],
        "isatty": [sys.stdin.isatty(), sys.stdout.isatty(), sys.stderr.isatty()],
        "name": [sys.stdout.name, sys.stderr.name],
        "mode": sys.stdout.mode,
        "encoding": sys.stdout.encoding.lower(),
        "errors": isinstance(sys.stdout.errors, str),
        "buffering": [sys.stdout.line_buffering, sys.stdout.write_through],
        "type": isinstance(sys.stdout, io.TextIOWrapper),
        "able": [sys.stdout.writable(), sys.stdout.readable(), sys.stdout.seekable(), sys.stdout.closed],
        "count": sys.stdout.write("four\n"),
    }


EXPECT = {
    "log": ["four"],
    "result": {
        "fileno": [0, 1, 2],
        "isatty": [False, False, False],
        "name": ["<stdout>", "<stderr>"],
        "mode": "w",
        "encoding": "utf-8",
        "errors": True,
        "buffering": [True, False],
        "type": True,
        "able": [True, False, False, False],
        "count": 5,
    },
}
