"""`python -m livejobs.runner.start`: a zygote that a process with threads starts, instead of forking one.

The same app is loaded as in the worker: that is what `module:name` is for.
"""

from __future__ import annotations

import mmap
import os
import socket
import sys
from importlib import import_module

from livejobs.definition.cells import SIZE, Cells


def main(line: int, page: int, still_seconds: float, app: str) -> None:
    """Load the app and be its zygote."""
    import django

    module, _, name = app.partition(":")
    if module:
        loaded = getattr(import_module(module), name)
        loaded.set_current()
        loaded.loader.import_default_modules()
    if "DJANGO_SETTINGS_MODULE" in os.environ:
        django.setup()
    serve(line, page, still_seconds)


def serve(line: int, page: int, still_seconds: float) -> None:
    """Be a zygote on these descriptors."""
    for descriptor in (line, page):
        os.set_inheritable(descriptor, False)
    from livejobs.runner import loop
    from livejobs.runner.channel import Channel
    from livejobs.runner.zygote import Zygote, set_title

    set_title("livejobs-zygote")
    cells = Cells(mmap.mmap(page, SIZE))
    Zygote(Channel(socket.socket(fileno=line)), cells, still_seconds, loop.serve(cells, page)).run()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4])
