"""Process by fork, by spawn and by forkserver: all run, all print, and nothing stays."""

import multiprocessing
import os

from livejobs import live_job


def tell(way, queue):
    print("here by", way)
    queue.put([way, os.getpid() != os.getppid()])


@live_job
def starts(way: str):
    context = multiprocessing.get_context(way)
    queue = context.Queue()
    process = context.Process(target=tell, args=(way, queue))
    process.start()
    said = queue.get(timeout=20)
    process.join()
    return [said, process.exitcode]


STEPS = [
    ("starts", {"way": "fork"}, {"result": [["fork", True], 0], "log": ["here by fork"], "leaves_nothing": True}),
    ("starts", {"way": "spawn"}, {"result": [["spawn", True], 0], "log": ["here by spawn"], "leaves_nothing": True}),
    (
        "starts",
        {"way": "forkserver"},
        {"result": [["forkserver", True], 0], "log": ["here by forkserver"], "leaves_nothing": True},
    ),
]
