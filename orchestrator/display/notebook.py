"""The picture of a sweep in a notebook: the same as in a terminal, in an output that is written anew each second."""

from __future__ import annotations

import html
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from orchestrator.display.displays import Display
from orchestrator.display.lines import text_of
from orchestrator.display.picture import draw
from orchestrator.journal import Event
from orchestrator.journal.folder import KnownSweep
from orchestrator.runtime.hooks import Hooks
from orchestrator.runtime.sweep_model import About, SweepModel

UPDATE_SECONDS = 1.0
# in characters
WIDTH, HEIGHT = 100, 24


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell is not None and getattr(shell, "kernel", None) is not None


class NotebookDisplay(Display):
    """A picture in the output of a notebook's cell. What is said goes to the output above it."""

    def __init__(self) -> None:
        self._lock, self._stopping = threading.Lock(), threading.Event()
        self._model: SweepModel | None = None
        self._handle: Any = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._update()

    def on_open(self, sweep: KnownSweep, past: Sequence[Event]) -> None:
        """See `Display`."""
        from IPython.display import HTML, display

        model = SweepModel(About.of(sweep.header), past)
        with self._lock:
            first, self._model = self._model is None, model
        if first:
            self._handle = display(HTML(self._picture()), display_id=True)  # type: ignore[no-untyped-call]
            self._thread = threading.Thread(target=self._work, name="notebook", daemon=True)
            self._thread.start()

    def on_event(self, event: Event) -> None:
        """See `Display`."""
        with self._lock:
            if self._model is not None:
                self._model.apply(event)

    def notify(self, sentence: str) -> None:
        """See `Display`."""
        print(sentence)

    def _work(self) -> None:
        while not self._stopping.wait(UPDATE_SECONDS):
            self._update()

    def _update(self) -> None:
        from IPython.display import HTML

        self._handle.update(HTML(self._picture()))  # type: ignore[no-untyped-call]

    def _picture(self) -> str:
        with self._lock:
            lines = [] if self._model is None else draw(self._model, time.time(), WIDTH, HEIGHT)
        text = html.escape("\n".join(map(text_of, lines)))
        return f'<pre style="line-height: 1.2; font-family: monospace">{text}</pre>'


@contextmanager
def sweep_hooks(asked: Hooks | None, otherwise: Hooks | None = None) -> Iterator[Hooks | None]:
    """What a sweep tells: the hooks that were asked for; else, in a notebook, those that show it; else `otherwise`."""
    if asked is None and in_notebook():
        with NotebookDisplay() as display:
            yield Hooks(notify=display.notify, observer=display)
    else:
        yield asked or otherwise
