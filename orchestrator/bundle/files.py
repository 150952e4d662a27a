"""The files of a bundle as bytes: each is opened once, without following links, and never larger than its limit.

What is checked and what is used are these bytes, so that nothing can be exchanged in between.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Never

from orchestrator.errors import BundleError

MIB = 2**20
NETWORK_FILE, DISTRIBUTION_FILE, NOTES_FILE = "network.pt2", "distribution.json", "notes.json"
BACKGROUND_FILE, CARD_FILE = "background.json", "model_card.md"
# bytes; what `ModelBundle.save` would write beyond that is an error there, too
LIMITS = {
    "schema.json": 8 * MIB,
    "encoder.json": 32 * MIB,
    "metrics.json": 8 * MIB,
    "example.json": 16 * MIB,
    NETWORK_FILE: 2048 * MIB,
    DISTRIBUTION_FILE: 16 * MIB,
    NOTES_FILE: 8 * MIB,
    BACKGROUND_FILE: 16 * MIB,
    CARD_FILE: MIB,
}
OPTIONAL = frozenset({DISTRIBUTION_FILE, NOTES_FILE, BACKGROUND_FILE, CARD_FILE})
MAX_DEPTH, MAX_FILES = 64, 100
# more would be no float
MAX_DIGITS = 308
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read_folder(folder: Path) -> dict[str, bytes]:
    """All files of a bundle by name.

    Raises:
        BundleError: a file is missing, or see `read_present`.
    """
    files = read_present(folder)
    for name in LIMITS:
        if name not in files and name not in OPTIONAL:
            raise BundleError(f"{folder}: not a model bundle, {name} is missing")
    return files


def read_present(folder: Path) -> dict[str, bytes]:
    """The files of a bundle that are there.

    Raises:
        BundleError: a file is too large, no ordinary file (a link, a pipe, a folder), or a stranger.
    """
    try:
        names = sorted(entry.name for entry in islice(folder.iterdir(), MAX_FILES))
    except OSError as error:
        raise BundleError(f"{folder}: not a model bundle ({error.strerror})") from None
    if not set(names) & set(LIMITS):
        raise BundleError(f"{folder}: not a model bundle, {min(LIMITS)} is missing")
    for name in names:
        if name not in LIMITS:
            raise BundleError(f"{folder}: {name} does not belong in a model bundle; it was not loaded")
    return {name: read_file(folder / name, LIMITS[name]) for name in names}


def read_file(path: Path, limit: int) -> bytes:
    """An ordinary file, at most `limit` bytes of it.

    Raises:
        BundleError: it is larger, no ordinary file, or cannot be read.
    """
    try:
        # without O_NONBLOCK, opening a pipe waits for its other end
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        link = path.is_symlink()
        raise BundleError(
            f"{path}: is a link, which a model bundle may not hold; it was not loaded"
            if link
            else f"{path}: cannot be read ({error.strerror})"
        ) from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise BundleError(f"{path}: is not an ordinary file; it was not loaded")
        content = b""
        if found.st_size <= limit:
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                # it could grow
                content = file.read(limit + 1)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror})") from None
    finally:
        os.close(descriptor)
    if max(found.st_size, len(content)) > limit:
        raise BundleError(f"{path}: is larger than the {limit // MIB} MiB that such a file may have; it was not loaded")
    return content


def write_folder(files: Mapping[str, bytes], folder: Path) -> None:
    """Writes files that were read, into a folder that is there."""
    for name, content in files.items():
        (folder / name).write_bytes(content)


def parse_json(content: bytes, where: str) -> dict[str, Any]:
    """A JSON object that can be read in one way: at most 64 levels deep, finite numbers, each key of an object once.

    Args:
        content: UTF-8.
        where: what the sentence of an error begins with.

    Raises:
        BundleError: it is anything else.
    """
    try:
        text = content.decode("utf-8")
        found = json.loads(
            text, parse_constant=_no_number, parse_int=_whole, parse_float=_finite, object_pairs_hook=_once
        )
        if SURROGATE.search(text):
            # half of a character can be in no file and no answer
            json.dumps(found, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise _too_deep(where) from None
    except ValueError as error:
        raise BundleError(f"{where}: is not JSON ({error}); it was not loaded") from None
    if not isinstance(found, dict):
        raise BundleError(f"{where}: must hold a JSON object; it was not loaded")
    level: list[Any] = [found]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for value in level
            for item in (value.values() if isinstance(value, dict) else value)
            if isinstance(item, dict | list)
        ]
        if not level:
            return found
    raise _too_deep(where)


def render_json(content: Mapping[str, Any], name: str) -> bytes:
    """The file of a bundle with this content.

    Raises:
        BundleError: it would be larger than `read_folder` takes.
    """
    text = (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    if len(text) > LIMITS[name]:
        raise BundleError(f"{name} of the model bundle would have {len(text):,} bytes; {LIMITS[name]:,} are allowed")
    return text


def parse_card(content: bytes, where: str) -> str:
    """A model card: text that is shown to people and means nothing to programs.

    Raises:
        BundleError: it is no text; the sentence begins with `where`.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BundleError(f"{where}: is no text in UTF-8 ({error.reason}); it was not loaded") from None


def render_card(card: str) -> bytes:
    """The file of a bundle with this card.

    Raises:
        BundleError: it would be larger than `read_folder` takes.
    """
    text = card.encode()
    if len(text) > LIMITS[CARD_FILE]:
        raise BundleError(f"{CARD_FILE} would have {len(text):,} bytes; {LIMITS[CARD_FILE]:,} are allowed")
    return text


def _too_deep(where: str) -> BundleError:
    return BundleError(f"{where}: is nested more than {MAX_DEPTH} levels deep; it was not loaded")


def _no_number(word: str) -> Never:
    raise ValueError(f"{word} is not a number")


def _whole(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"{text[:20]}... is too large a number")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:20]} is too large a number")
    return number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{key[:40]!r} is there twice")
        found[key] = value
    return found
