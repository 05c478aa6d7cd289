"""multiprocessing.Pool works, and what its workers print is in the log."""

from multiprocessing import Pool

from livejobs import live_job


def square(number):
    print("squaring", number)
    return number * number


@live_job
def maps():
    with Pool(2) as pool:
        return pool.map(square, range(4))


EXPECT = {
    "result": [0, 1, 4, 9],
    "log_each": r"squaring [0-3]",
    "log_count": 4,
    "leaves_nothing": True,
}
