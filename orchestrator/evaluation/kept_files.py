"""Files that a sweep keeps in its folder beside its model: there or not, and never read half."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from orchestrator.errors import StorageError
from orchestrator.storage import Storage

Found = TypeVar("Found")


def read_kept(storage: Storage, name: str, unpacked: Callable[[bytes], Found]) -> Found | None:
    """What a file in the folder of a sweep says; None if there is none, as in sweeps of before.

    Args:
        storage: the folder.
        name: of the file.
        unpacked: reads its content; a ValueError, TypeError, KeyError or AttributeError says that it is damaged.

    Raises:
        StorageError: the file is damaged.
    """
    if not storage.size(name):
        return None
    try:
        return unpacked(storage.read(name))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StorageError(f"{storage}/{name}: damaged ({error})") from None
