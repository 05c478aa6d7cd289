"""A message of another project in a queue that this worker serves: it is sent on, and that is said.

Two projects that share a broker and a queue by mistake would otherwise eat each other's messages in silence. It is sent
on a few times only: where its own project has no worker, it would go round for ever.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from livejobs.conf import namespace
from livejobs.hints import publishing
from livejobs.log_events import LogEvent, fields

logger = logging.getLogger("livejobs.worker")

MOST_PASSES: Final = 10  # of two workers who take from one queue in turn, each misses a message ten times once in 1,024
SAID_EVERY_SECONDS: Final = 60.0

_said_at: dict[str, float] = {}  # by namespace


def send_on(message: Mapping[str, Any]) -> bool:
    """Send on a message that is another project's; False for one that is to be taken here.

    That is one of ours, and one that has gone round: nobody takes it for theirs. The claim compares it with our own
    row, so it runs nothing that is not queued here; and where the processes of one project disagree, it runs at last.

    :param message: Celery's request of it, or its headers and `delivery_info`.
    """
    found = publishing.stranger(message)
    if not found:
        return False
    queue = str((message.get("delivery_info") or {}).get("routing_key") or "")
    say(found, queue)
    passed = int(publishing.header(message, publishing.PASSED_HEADER) or 0)
    if passed >= MOST_PASSES or not queue:
        return False
    publisher = publishing.Publisher()
    try:
        publisher.send_on(message, passed + 1)
    except Exception as error:
        logger.warning(
            "A message of %s could not be sent on: %s", found, error,
            extra=fields(LogEvent.QUEUE_SHARED, queue=queue, namespace=found),
        )  # fmt: skip
    finally:
        publisher.close()
    return True


def say(found: str, queue: str) -> None:
    """Say that two projects share a queue, once a minute for each of them."""
    now = time.monotonic()
    if now - _said_at.get(found, -SAID_EVERY_SECONDS) < SAID_EVERY_SECONDS:
        return
    _said_at[found] = now
    logger.error(
        "A message of another project (namespace %s; ours is %s) is in queue %s: give each project a database of the"
        " broker or a queue of its own. Where it is the same project, its processes differ in SECRET_KEY or in the name"
        " of the database; LIVEJOBS['NAMESPACE'] makes them agree.", found, namespace(), queue or "?",
        extra=fields(LogEvent.QUEUE_SHARED, queue=queue, namespace=found),
    )  # fmt: skip
