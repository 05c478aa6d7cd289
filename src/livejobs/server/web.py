"""The web part: uvicorn on a socket that the supervisor opened.

The supervisor binds the port itself: it then knows at once when the port is taken, and while web is being restarted
browsers wait in the socket's queue instead of being refused.
"""

from __future__ import annotations

import logging
import os
import resource
import socket
import sys
from typing import Final

import uvicorn

from livejobs.log_events import LogEvent, fields
from livejobs.server import jobs_notice
from livejobs.server.environment import Environment
from livejobs.server.http_protocol import BoundedProtocol, allow_long_heads
from livejobs.server.part import load_jobs, load_later, run_part, wait_for_servers
from livejobs.server.readiness import mark_ready

logger = logging.getLogger("livejobs.server")
SOCKET_VARIABLE: Final = "LIVEJOBS_SOCKET"  # the number of the listening socket's descriptor
MOST_DESCRIPTORS: Final = 16_384
FEW_DESCRIPTORS: Final = 1_024
OWN_DESCRIPTORS: Final = 60  # that a web process has without any page
GRACEFUL_SECONDS: Final = 2  # how long open connections may take to end; stopping has 10 s in all


class Server(uvicorn.Server):
    """uvicorn that says when it is ready."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then leave the mark that the supervisor waits for."""
        await super().startup(sockets=sockets)
        if self.started:
            mark_ready("web")


def configuration(environment: Environment) -> uvicorn.Config:
    """Return uvicorn's settings."""
    from livejobs.conf import conf
    from livejobs.server.project.asgi import application

    return uvicorn.Config(
        application,
        host=environment.host,
        port=environment.port,
        http=BoundedProtocol,
        log_config=None,  # Django's LOGGING speaks for it
        access_log=False,
        lifespan="on",
        proxy_headers=False,  # nothing stands before us, so whoever sends such headers lies
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
        ws_max_size=conf.MAX_FRAME_BYTES,
        ws_per_message_deflate=False,  # on loopback it costs more than it saves
    )


def raise_descriptor_limit() -> None:
    """Have as many descriptors as we may: each page that is open takes one. Jobs keep the limit they would have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if wanted < FEW_DESCRIPTORS:
        logger.warning(
            "Only %d files may be open at a time (ulimit -n), so about %d pages can be followed live.",
            wanted, wanted - OWN_DESCRIPTORS, extra=fields(LogEvent.FEW_DESCRIPTORS, count=wanted),
        )  # fmt: skip


def main() -> int:
    """Serve until told to stop."""
    load_later()
    allow_long_heads()
    config = configuration(Environment.read())
    raise_descriptor_limit()
    config.load()  # all that it imports, before the jobs
    load_jobs("web")
    from livejobs.health.notices import add_source

    add_source(jobs_notice.sentences)
    wait_for_servers()
    descriptor = os.environ.get(SOCKET_VARIABLE)
    # uvicorn's own `fd` option takes every socket for a unix one
    listening = socket.socket(fileno=int(descriptor)) if descriptor else config.bind_socket()
    listening.setblocking(False)
    server = Server(config)
    server.run(sockets=[listening])
    return 0 if server.started else 3


if __name__ == "__main__":
    sys.exit(run_part("web", main))
