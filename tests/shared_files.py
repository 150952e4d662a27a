"""Several pytest processes that share the files they were given: who is free takes the next one.

Each file runs in one process, which keeps fixtures of wider scope in between. Files are taken in the order in which
they were given, so the longest come first.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest


class SharedFiles:
    """A plugin for pytest.

    Args:
        folder: has an entry for each file that a process has taken.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """As pytest's own loop, over the tests of those files that no other process has taken."""
        if session.testsfailed and not session.config.option.continue_on_collection_errors:
            raise session.Interrupted(f"{session.testsfailed} errors during collection")
        if session.config.option.collectonly:
            return True
        items = self._items(session)
        item = next(items, None)
        while item is not None:
            # fixtures that the next test uses, too, are kept for it
            following = next(items, None)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)
            item = following
        return True

    def _items(self, session: pytest.Session) -> Iterator[pytest.Item]:
        for path, items in itertools.groupby(session.items, key=lambda item: item.path):
            if self._take(path):
                yield from items

    def _take(self, path: Path) -> bool:
        try:
            os.close(os.open(self.folder / f"{path.parent.name}-{path.stem}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True
