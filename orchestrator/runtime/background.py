"""Work beside the main thread that no one has to wait for: a process that is told to stop ends, whatever it does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")


def in_background(call: Callable[Given, Result], *given: Given.args, **named: Given.kwargs) -> Future[Result]:
    """Calls a function in a thread of its own, which ends with the process.

    Args:
        call: the function.
        given, named: its arguments.

    Returns:
        What it returns or raises.
    """
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(call(*given, **named))
        except BaseException as error:  # whoever asks for the result gets it
            future.set_exception(error)

    threading.Thread(target=run, name=getattr(call, "__name__", "background"), daemon=True).start()
    return future
