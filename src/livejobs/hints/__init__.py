"""Everything that may be lost: the broker told of a job, screens told of a change. The row makes each of them again.

`publishing` tells the broker, `queue_probes` finds out what it lost. `public_job` is a job as people see it and
`log_lines` its log; `channel_messages` are what `broadcast` sends to screens and workers. `stacks` asks a worker where
a job is. `own_layer` is for who must take nobody else's channels along, and `job_logging` writes our own log.
"""

__all__ = [
    "broadcast",
    "channel_messages",
    "job_logging",
    "log_lines",
    "own_layer",
    "public_job",
    "publishing",
    "queue_probes",
    "stacks",
]
