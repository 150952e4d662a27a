"""Names of sweeps and models that are made of the names of their data: ones that can be used everywhere."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from urllib.parse import quote

SKLEARN_PREFIX = "sklearn:"
# what means something in a URI, a path, a shell or a query
UNSAFE = re.compile(r"[^\w .()+,~-]+")
# what stands for it says nothing at the end of a word
NEEDLESS = re.compile(r"_+(?=[ )]|$)")
MOST_MADE_BYTES = 100
NO_NAME = "data"


def stem_of(source: str | Path) -> str:
    """What a source is called: a file's name up to its first point, a folder's whole name, a data set's name."""
    if str(source).startswith(SKLEARN_PREFIX):
        return str(source).removeprefix(SKLEARN_PREFIX)
    path = Path(source)
    return path.resolve().name if path.is_dir() else path.name.lstrip(".").split(".")[0]


def made_name(stem: str) -> str:
    """The name that is made of what a source is called."""
    text = NEEDLESS.sub("", UNSAFE.sub("_", unicodedata.normalize("NFC", stem)))
    return text.encode()[:MOST_MADE_BYTES].decode(errors="ignore").strip(" ._") or NO_NAME


def path_part(name: str) -> str:
    """A name as one part of a path; characters that have a meaning in paths become %XX."""
    return re.sub(r"^\.", "%2E", quote(name, safe=" ")) or "%"
