"""What a sweep says when it loses Ray, or its own process: one sentence, with the command to go on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray import tune
from ray.tune.experiment import Trial

from orchestrator.cluster import lost_ray
from orchestrator.errors import RayLostError, StoppedError

# says its last argument when its input ends before a line has come
WATCHER = 'read -r _ || printf "%s\\n" "$1" >&2'


class RayGone(BaseException):
    """No `Exception`: Tune would clean up after it, and wait a minute for what is gone, until Ray ends the process."""


class LifeWatch(tune.Callback):  # type: ignore[misc]
    """Ends a sweep whose Ray is gone, before Ray's own code ends this process without a word."""

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its callbacks for its own way of resuming, which is not used here
        return {}

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:  # noqa: ANN401
        """Tune: several times a second.

        Raises:
            RayGone: says what has become of Ray.
        """
        problem = lost_ray()
        if problem is not None:
            raise RayGone(problem)


@contextmanager
def told_how_to_go_on(how: str) -> Iterator[None]:
    """While it is open, whatever is raised because Ray is gone is one sentence that says how to go on.

    Ray's code may end this process at once when it has lost its own processes, as `kill -9` does: then a small process
    beside it, which notices, says how to go on.

    Args:
        how: the end of that sentence, see `Origin.next_step`.

    Raises:
        RayLostError: instead of what was raised.
    """
    with _watched(f"Error: the process of the sweep has been ended; {how}"):
        try:
            yield
        except (KeyboardInterrupt, StoppedError):
            raise
        except RayGone as gone:
            raise RayLostError(f"{gone}; {how}") from None
        except Exception as error:  # whatever Ray makes of it
            problem = lost_ray()
            if problem is None:
                raise
            raise RayLostError(f"{problem}; {how}") from error


@contextmanager
def _watched(sentence: str) -> Iterator[None]:
    """A shell says the sentence if this process ends while the context is open."""
    try:
        watcher = subprocess.Popen(
            ["/bin/sh", "-c", WATCHER, "sh", sentence],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            # Ctrl-C is for this process only
            start_new_session=True,
        )
    except OSError:
        # no shell: the sentence is not worth a sweep
        yield
        return
    try:
        yield
    finally:
        watcher.communicate(b"\n")
