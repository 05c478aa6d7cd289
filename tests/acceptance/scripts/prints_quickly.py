"""5,000 lines printed at once are all there, in order, none twice."""

from livejobs import live_job


@live_job
def prints_5_000():
    print("\n".join(f"line {number}" for number in range(5_000)))


EXPECT = {"log_numbers": [r"line (\d+)", 0, 5000]}
