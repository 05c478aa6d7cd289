"""A job calls another as the function it is: in its own process, into its own log."""

from livejobs import current_job, live_job


@live_job
def inner(number: int):
    print("inner", number)
    current_job().progress(number, 2)
    return number


@live_job
def outer():
    return [inner(1), inner(2), current_job().id is not None]


STEPS = [("outer", {}, {"result": [1, 2, True], "log": ["inner 1", "inner 2"], "progress": [2, 2]})]
