"""Django signals for hosts. A broken receiver is logged and never breaks a job.

Each is sent after the commit, in the process that made the change, with `job` (the row as committed) and `edge` (the
name of the edge in `states`). Our own logging listens to them too.
"""

from __future__ import annotations

from django.dispatch import Signal

job_changed = Signal()  # every transition
job_accepted = Signal()  # a new job is stored
job_started = Signal()  # an attempt has begun
job_finished = Signal()  # succeeded, failed or cancelled
