"""Threads with a kept connection, the end of a call that hangs, and a disk that is full.

`pool` are the few threads of the event loop, `thread` is the one of an agent, `timeouts` shut the socket under a call.
"""

__all__ = ["disk", "pool", "thread", "timeouts"]
