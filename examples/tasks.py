"""Four jobs to try: `make run`, or `livejobs up examples/tasks.py`.

A job is a function with `@live_job` above it. Its parameters are its form, its docstring is the help beside it, what it
prints or logs is its log, and what it returns is its result. Called from Python it is just the function.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import string
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from livejobs import Text, current_job, live_job

PUNCTUATION = (
    string.punctuation + "“”„‘’‚«»‹›…·•¿¡、。，！？：；「」『』（）।"
)  # at the edges of words, not inside: don't
BETWEEN_WORDS = re.compile(r"[\s—–]+|--+")
CHUNK = 1 << 20  # bytes read at once: a cancel is noticed between two chunks of a huge file
RESULT_BYTES = 1_000_000  # of JSON; the server keeps results of up to 1 MiB


@live_job(title="3 sec task")
def sec3() -> None:
    """Sleep three seconds."""
    time.sleep(3)


@live_job(title="Count words")
def count_words(
    text: Annotated[Text, Field(min_length=1, description="Paste anything, a whole book too.")],
    top: Annotated[int, Field(title="Most used words", ge=1, le=1_000, description="How many to list.")] = 20,
) -> list[dict[str, Any]]:
    """Find the words that a text uses most."""
    job = current_job()
    counts: Counter[str] = Counter()
    # one spelling for é, whether it came as one character or as e with an accent
    for piece in job.track(BETWEEN_WORDS.split(unicodedata.normalize("NFC", text))):
        if word := piece.strip(PUNCTUATION).lower():
            counts[word] += 1
    words = counts.total()
    print(f"{words:,} words, {len(counts):,} different ones, {len(text):,} characters")
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [{"word": word, "count": count, "percent": round(100 * count / words, 2)} for word, count in ranked[:top]]


@live_job(title="Hash a folder")
def hash_tree(
    folder: Annotated[str, Field(min_length=1, description="A folder on the machine that runs this server.")],
    algorithm: Literal["sha256", "sha512", "blake2b", "md5"] = "sha256",
) -> list[dict[str, Any]]:
    """Compute the digest of every file below a folder.

    Links are not followed: they may form a loop. A file that cannot be read is logged and has no digest. When there are
    more digests than a result can hold, the first ones are kept.
    """
    job = current_job()
    root = existing_folder(folder)
    print(f"Looking for files in {root}")
    files = []
    for path in files_below(root):
        files.append(path)
        job.progress(len(files), message="Looking for files")
    print(f"Found {len(files):,} files")

    rows: list[dict[str, Any]] = []
    room, done = RESULT_BYTES, 0
    for number, path in enumerate(files):
        name = str(path.relative_to(root))
        job.progress(number, len(files), name)
        size, digest = hash_file(path, algorithm)
        done += size
        row = {"file": name, "bytes": size, algorithm: digest}
        room -= size_as_json(row)
        if room >= 0:
            rows.append(row)
    job.progress(len(files), len(files), f"{done:,} bytes")
    print(f"{len(files):,} files, {done:,} bytes")
    if len(rows) < len(files):
        job.log(f"Only the first {len(rows):,} digests fit into the result", level="warning")
    return rows


@live_job(title="Fail half way")
def fail() -> None:
    """Read fourteen rows, the seventh of which is bad: see what a failure looks like."""
    job = current_job()
    for row in job.track(range(1, 15)):
        print(f"Reading row {row}")
        time.sleep(0.05)
        if row == 7:
            job.log("Row 7 has no date", level="warning")
            raise ValueError("bad row 7")


# ---------------------------------------------------------------- what hash_tree is made of: plain functions, no jobs


def existing_folder(name: str) -> Path:
    """Return the folder of this name, or say in one sentence why it cannot be used."""
    path = Path(name.strip()).expanduser().absolute()
    try:
        os.scandir(path).close()
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no folder {path}") from None
    except NotADirectoryError:
        raise NotADirectoryError(f"{path} is not a folder") from None
    except OSError as error:
        raise type(error)(f"The folder {path} cannot be read: {error.strerror}") from None
    return path


def files_below(root: Path) -> Iterator[Path]:
    """Find every regular file, in order; no link, no device, no pipe."""

    def skip(error: OSError) -> None:
        current_job().log(f"Skipped {error.filename}: {error.strerror}", level="warning")

    for folder, folders, names in os.walk(root, onerror=skip):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            try:
                if stat.S_ISREG(path.lstat().st_mode):
                    yield path
            except OSError as error:  # it has just been deleted, say
                skip(error)


def hash_file(path: Path, algorithm: str) -> tuple[int, str | None]:
    """Return how many bytes a file has, and its digest; None when it cannot be read."""
    digest, size = hashlib.new(algorithm, usedforsecurity=False), 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                current_job().check_cancelled()
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        current_job().log(f"Cannot read {path}: {error.strerror}", level="warning")
        return size, None
    return size, digest.hexdigest()


def size_as_json(row: dict[str, Any]) -> int:
    """Return how many bytes a row takes in the result."""
    text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8", "surrogatepass")) + 1
