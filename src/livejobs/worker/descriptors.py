"""Connections that a fork left in a worker child."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterable
from typing import Final

MOST_DESCRIPTORS: Final = 1024  # looked at: a worker's parent has a few dozen


def let_go_of_connections(descriptors: Iterable[int]) -> None:
    """Let go of the connections to a server that a fork left in this process; the numbers stay taken, because objects
    that the fork copied too will close them.

    :param descriptors: some of them; all that lead to the same address are meant.
    """
    addresses = {address for each in descriptors if (address := _peer(each)) is not None}
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3, MOST_DESCRIPTORS):
        if _peer(descriptor) in addresses:
            os.dup2(nothing, descriptor)
    os.close(nothing)


def _peer(descriptor: int) -> object:
    """The address a socket is connected to; None for everything else."""
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return None
        with socket.socket(fileno=os.dup(descriptor)) as line:
            return line.getpeername() or None
    except OSError:
        return None
