"""Bytes that are no UTF-8, halves of characters, NUL and lone surrogates end no job; what can be shown is."""

import os
import sys

from livejobs import live_job


@live_job
def prints_latin_1():
    sys.stdout.buffer.write(b"caf\xe9\n")
    sys.stdout.buffer.flush()
    os.write(1, "é".encode()[:1])
    os.write(1, "é".encode()[1:] + b" in two\n")
    print("nul\0 inside")
    print("half \ud83d of a pair, whole 😀")
    os.write(1, b"\xff\xfe\n")


EXPECT = {
    "log": ["caf\ufffd", "é in two", "nul\ufffd inside", "half \ufffd of a pair, whole 😀", "\ufffd\ufffd"],
}
