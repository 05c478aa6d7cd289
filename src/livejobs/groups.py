"""The names of channel-layer groups: who hears of what. Letters, digits, `.`, `-`, `_` only, as Channels wants it.

What is published in Redis is heard in all of its databases: two projects on one server would hear each other's jobs. So
each name carries the namespace of its project.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from livejobs.conf import namespace


def all_group() -> str:
    """The group of those who look at everybody's jobs."""
    return f"livejobs.{namespace()}.all"


def workers_group() -> str:
    """The group of the agents."""
    return f"livejobs.{namespace()}.workers"


def job_group(job_id: int) -> str:
    """The group of those who look at one job."""
    return f"livejobs.{namespace()}.job.{job_id}"


def job_of(group: str) -> int | None:
    """The job whose group this is; None where it is another's."""
    _, _, name = group.partition(".job.")
    return int(name) if name else None


def owner_group(owner_key: str) -> str:
    """The group of those whose list shows this owner's jobs. A digest: the key is no one else's business."""
    return f"livejobs.{namespace()}.owner.{_digest(owner_key) if owner_key else 'none'}"


def list_groups(owner_key: str) -> tuple[str, str]:
    """The groups of the lists that show an owner's jobs: the owner's own, and everybody's."""
    mine = owner_group(owner_key)
    return mine, f"{mine.partition('.owner.')[0]}.all"


@lru_cache(maxsize=4096)
def _digest(owner_key: str) -> str:
    return hashlib.sha256(owner_key.encode()).hexdigest()[:32]
