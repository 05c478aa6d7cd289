"""Threads with a kept connection, and the end of a call that hangs.

`pool` are the few threads of the event loop, `thread` is the one of an agent, `timeouts` shut the socket under a call.
"""

__all__ = ["pool", "thread", "timeouts"]
