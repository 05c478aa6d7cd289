"""Whether what jobs need is there.

`presence` is who says so of themselves, `parts` asks each part, `canary` sends a job to see, `report` tells it all.
"""

__all__ = ["canary", "parts", "presence", "report"]
