"""The names of channel-layer groups: who hears of what. Letters, digits, `.`, `-`, `_` only, as Channels wants it."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final

ALL_GROUP: Final = "livejobs.all"  # those who look at everybody's jobs
WORKERS_GROUP: Final = "livejobs.workers"
JOB_GROUP_PREFIX: Final = "livejobs.job."


def job_group(job_id: int) -> str:
    """The group of those who look at one job."""
    return f"{JOB_GROUP_PREFIX}{job_id}"


@lru_cache(maxsize=4096)
def owner_group(owner_key: str) -> str:
    """The group of those whose list shows this owner's jobs. A digest: the key is no one else's business."""
    digest = hashlib.sha256(owner_key.encode()).hexdigest()[:32] if owner_key else "none"
    return f"livejobs.owner.{digest}"


def list_groups(owner_key: str) -> tuple[str, str]:
    """The groups of the lists that show an owner's jobs: the owner's own, and everybody's."""
    return owner_group(owner_key), ALL_GROUP
