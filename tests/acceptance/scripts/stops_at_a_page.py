"""urlopen of a page that never comes is cancelled within a second."""

import socket
import urllib.request

from livejobs import live_job


@live_job
def fetches():
    with socket.create_server(("127.0.0.1", 0)) as server:
        print("waiting")
        urllib.request.urlopen(f"http://127.0.0.1:{server.getsockname()[1]}/").read()


EXPECT = {"state": "cancelled", "cancel_when": "waiting", "ends_within": 1}
