"""ProcessPoolExecutor works, with track over its results."""

import logging
from concurrent.futures import ProcessPoolExecutor

from livejobs import current_job, live_job


def cube(number):
    logging.getLogger("cubes").warning("cubing %d", number)
    return number**3


@live_job
def cubes():
    with ProcessPoolExecutor(2) as pool:
        return list(current_job().track(pool.map(cube, range(4)), total=4))


EXPECT = {
    "result": [0, 1, 8, 27],
    "log_count": 4,
    "log_each": r"cubing \d",
    "levels": {"cubing 2": "warning"},
    "progress": [4, 4],
    "leaves_nothing": True,
}
