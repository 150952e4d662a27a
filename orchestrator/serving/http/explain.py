"""`POST /explain`: SHAP values of a few rows, on a thread of their own that gives way to predictions."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.csv_wish import CsvWish
from orchestrator.columns.notes import Note
from orchestrator.errors import InvalidRequestError, InvalidValueError, UsageError
from orchestrator.inputs import Inputs
from orchestrator.roles import Role
from orchestrator.serving.http.asgi import HttpError, Request
from orchestrator.serving.http.bodies import Parsed, parse_json, parse_rows
from orchestrator.serving.http.csv_bodies import parse_csv_rows
from orchestrator.serving.http.media_types import BodyForm
from orchestrator.serving.inference.hosting import HostedModel, LoadedVersion

if TYPE_CHECKING:
    from orchestrator.explanations import ShapExplanation

# of a request, and requests that wait or are computed; more get 503
MOST_ROWS, MOST_WAITING = 100, 8
# of the thread: predictions are computed first
NICENESS = 10
OPTIONS = ("output", "version")


def unexplained(*, asked: bool) -> str:
    """Why nothing is explained at an address that explains elsewhere; `asked`: the endpoint was started for it."""
    if asked:
        return "this model keeps no training rows to compare a row with, so it explains nothing"
    return "explanations are off here: `orchestrator deploy --explain` turns them on"


class _StoppedError(Exception):
    """Nobody waits for this explanation any more."""


@dataclass(frozen=True, slots=True)
class Explained:
    """What is answered to a request.

    Attributes:
        version: that was explained.
        explanation: of its rows.
        notes: what was guessed about the rows.
    """

    version: LoadedVersion
    explanation: ShapExplanation
    notes: tuple[Note, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; rows are in the order of the request."""
        plain = self.explanation.to_json()
        rows = [{name: value for name, value in row.items() if name != "row"} for row in plain["rows"]]
        return {"explanations": rows, "scale": plain["scale"], "background_rows": plain["background_rows"]}


class Explainer:
    """Explains one request after another."""

    def __init__(self, seconds: float) -> None:
        """Makes one that has nothing to do.

        Args:
            seconds: from a request to its answer; then it is given up.
        """
        self._seconds = seconds
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="explain", initializer=_give_way)
        self._waiting = 0

    async def explain(
        self, version: LoadedVersion, body: bytes, parse: Callable[[LoadedVersion, bytes], Parsed], output: str | None
    ) -> Explained:
        """The SHAP values of the rows in a body.

        Args:
            version: whose answers are explained.
            body: of the request.
            parse: (version, body) -> columns, number of rows, and notes.
            output: class or number that is explained; see `ModelBundle.explain`.

        Raises:
            HttpError: 503 when too many requests wait, 504 when it takes too long, 404 when the model cannot explain.
            InvalidRequestError, InvalidValueError: the rows do not fit.
        """
        if self._waiting >= MOST_WAITING:
            message = "too many explanations are waited for; try again"
            raise HttpError(503, message, reason="overload", headers=[(b"retry-after", b"1")])
        stop = threading.Event()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._seconds):
                work = partial(_explained, version, body, parse, output, stop.is_set)
                return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        except (TimeoutError, _StoppedError):
            message = "the explanation took too long; send fewer rows in a request, or try again"
            raise HttpError(504, message, reason="timeout") from None
        finally:
            stop.set()
            self._waiting -= 1

    def close(self) -> None:
        """Lets the thread end."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def asked_version(name: str, hosted: HostedModel, request: Request) -> tuple[LoadedVersion, str | None]:
    """What the address of a request asks for, such as `output=yes&version=3`; the request is told model and version.

    Args:
        name: of the model.
        hosted: its versions.
        request: that asks.

    Returns:
        The version, the champion if none is named, and the output.

    Raises:
        HttpError: 404 when the version is not served.
        InvalidRequestError: something else is asked for.
    """
    given = dict(parse_qsl(request.scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True))
    for option in given:
        if option not in OPTIONS:
            raise InvalidRequestError(f"the address has no option '{option[:40]}'; there are: {', '.join(OPTIONS)}")
    wanted = given.get("version")
    found = (hosted.champion, Role.CHAMPION) if wanted is None else hosted.named(wanted)
    if found is None:
        raise HttpError(404, f"version {str(wanted)[:40]} is not served", reason="unknown_version")
    version, role = found
    request.model, request.version, request.role = name, version.version, role
    return version, given.get("output")


def parse_body(form: BodyForm, wish: CsvWish, rows: int, version: LoadedVersion, body: bytes) -> Parsed:
    """The rows of a body as `/predict` takes them, but fewer: `rows`, and 100 at most."""
    most = min(rows, MOST_ROWS)
    if form is BodyForm.CSV:
        return parse_csv_rows(version.model.schema, body, most, wish)
    return parse_rows(version.model.schema, parse_json(body), most)


def _explained(
    version: LoadedVersion,
    body: bytes,
    parse: Callable[[LoadedVersion, bytes], Parsed],
    output: str | None,
    is_over: Callable[[], bool],
) -> Explained:
    # endpoints that explain nothing need no pandas
    import pandas as pd

    from orchestrator.explanations import explain

    columns, _, notes = parse(version, body)
    model = version.model.explained
    if model.background is None:
        raise HttpError(404, unexplained(asked=True))

    def network(inputs: Inputs) -> NDArray[np.float32]:
        if is_over():
            raise _StoppedError
        return model.network(inputs)

    rows = pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in columns.items()})
    try:
        found = explain(replace(model, network=network), rows, method="shap", output=output)
    except InvalidValueError:
        raise
    except UsageError as error:
        raise InvalidRequestError(str(error), getattr(error, "row", None)) from None
    return Explained(version, cast("ShapExplanation", found), notes)


def _give_way() -> None:
    # of this thread alone, on Linux
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
