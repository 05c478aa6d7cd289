"""What a job is: the decorator and its options, a function's signature, its parameters and result, `current_job`.

Free of Django, Celery and Channels: a plain file of functions can be read without any of them.
"""

from livejobs.definition.current_job import Attempt, CurrentJob, attempt_of, current_job, running
from livejobs.definition.decorator import live_job
from livejobs.definition.levels import level_of
from livejobs.definition.live_job import LiveJob
from livejobs.definition.options import Options, Permission, is_seconds, shown_bytes
from livejobs.definition.parameters import Text
from livejobs.definition.registry import Registry, registry
from livejobs.definition.wording import translate_with

__all__ = [
    "Attempt",
    "CurrentJob",
    "LiveJob",
    "Options",
    "Permission",
    "Registry",
    "Text",
    "attempt_of",
    "cells",
    "current_job",
    "is_seconds",
    "level_of",
    "live_job",
    "registry",
    "running",
    "shown_bytes",
    "translate_with",
]
