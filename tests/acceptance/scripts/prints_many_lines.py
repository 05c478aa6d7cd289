"""Of 20,000 lines the first and the last are there: the reason of a failure is mostly the last."""

from livejobs import live_job


@live_job
def prints_20_000():
    for number in range(20_000):
        print("line", number)
    raise RuntimeError("after all these lines")


EXPECT = {
    "state": "failed",
    "error": {"message": "after all these lines"},
    "log_has": ["line 0", "line 999", "line 19500", "line 19999"],
}
