"""A job that reads from a silent server is cancelled within a second."""

import socket

from livejobs import live_job


@live_job
def reads_nothing():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as line:
        print("waiting")
        line.recv(100)


EXPECT = {"state": "cancelled", "cancel_when": "waiting", "ends_within": 1}
