"""A long query on a SQLite connection of one's own is cancelled within a second."""

import sqlite3

from livejobs import live_job

QUERY = "with recursive n(i) as (select 1 union all select i + 1 from n) select sum(i) from n"


@live_job
def asks_long():
    print("waiting")
    sqlite3.connect(":memory:").execute(QUERY).fetchone()


EXPECT = {"state": "cancelled", "cancel_when": "waiting", "ends_within": 1, "waits": 25}
