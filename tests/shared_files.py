"""Several pytest processes that share the files they were given: who is free takes the next one.

Each file runs in one process, which keeps fixtures of wider scope in between. Files are taken in the order in which
they were given, so the longest come first, and are read by the process that takes them only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest


class SharedFiles:
    """A plugin for pytest.

    Args:
        folder: has an entry for each file that a process has taken.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: Sequence[pytest.Item | pytest.Collector] = ()

    def pytest_collection(self, session: pytest.Session) -> bool:
        """Which files there are: none is read yet."""
        self.files = session.perform_collect(genitems=False)
        return True

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """As pytest's own loop, over the tests of those files that no other process has taken."""
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
        # another process may have taken all of them
        session.testscollected = session.testscollected or 1
        return True

    def _items(self, session: pytest.Session) -> Iterator[pytest.Item]:
        for file in self.files:
            if self._take(file.path):
                items = list(session.genitems(file))
                session.config.hook.pytest_collection_modifyitems(session=session, config=session.config, items=items)
                session.testscollected += len(items)
                yield from items

    def _take(self, path: Path) -> bool:
        try:
            os.close(os.open(self.folder / f"{path.parent.name}-{path.stem}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True
