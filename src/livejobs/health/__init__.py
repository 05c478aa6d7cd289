"""Whether what jobs need is there.

`presence` is who says so of themselves, `parts` asks each part, `canary` sends a job to see, `report` tells it all;
`notices` is what people who start jobs have to know.
"""

__all__ = ["canary", "notices", "parts", "presence", "report"]
