"""Lines on stderr that are of no use to anybody: parts of Ray that are not Python write there by themselves."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STDERR = 2
# until the last line has come through
SECONDS = 1.0


@contextmanager
def without_lines(containing: bytes) -> Iterator[None]:
    """Lets everything through that is written to stderr but lines that contain something."""
    try:
        kept = os.dup(STDERR)
    except OSError:
        # a shell can close it
        yield
        return
    reading, writing = os.pipe()

    def pass_on() -> None:
        with os.fdopen(reading, "rb") as lines:
            for line in lines:
                if containing not in line:
                    os.write(kept, line)

    thread = threading.Thread(target=pass_on, name="stderr", daemon=True)
    thread.start()
    os.dup2(writing, STDERR)
    os.close(writing)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, STDERR)
        thread.join(SECONDS)
