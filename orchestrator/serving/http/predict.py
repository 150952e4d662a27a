"""From the body of a request to the answers of a model: reading, parsing, encoding, limits, and the request log."""

from __future__ import annotations

import asyncio
import random
import re
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from starlette.types import Message

from orchestrator.columns.notes import Note
from orchestrator.inputs import Inputs
from orchestrator.roles import Role
from orchestrator.serving.http.admission import CELLS_AT_ONCE, Budget, FullError, Memory, Share, most_cells
from orchestrator.serving.http.asgi import CLOSE, HttpError, Request, header, read_body
from orchestrator.serving.http.bodies import Parsed
from orchestrator.serving.http.media_types import BodyForm
from orchestrator.serving.inference.batching import OverloadedError
from orchestrator.serving.inference.hosting import HostedModel, LoadedVersion
from orchestrator.serving.inference.inference import Inference, TooSlowError
from orchestrator.serving.settings import EndpointSettings
from orchestrator.serving.telemetry import Telemetry
from orchestrator.serving.telemetry.request_log import RequestLog
from orchestrator.tasks import Predictions

# larger bodies are parsed in a thread, so that others are answered meanwhile
LARGE_BODY = 256 * 1024
# CSV takes longer, for it says less of itself
LARGE_CSV = 16 * 1024
# of all requests that are being answered
BODIES_IN_MEMORY = 64 * 2**20
# by which a request may be found again: visible ASCII
REQUEST_ID = re.compile(rb"[!-~]{1,128}")

Parse = Callable[[LoadedVersion, bytes], Parsed]


@dataclass(frozen=True, slots=True)
class Answered:
    """Answers to the rows of a request.

    Attributes:
        version, role: that has answered.
        predictions: one for each row.
        notes: what was guessed about the rows.
    """

    version: LoadedVersion
    role: Role
    predictions: Predictions
    notes: tuple[Note, ...] = ()


class Predictor:
    """Answers requests, within limits.

    Attributes:
        seconds: that all requests have spent here after their bodies were read; its growth per second is the mean
            number of requests being answered (Little's law).
        large: bodies so far that were parsed in a thread.
    """

    def __init__(
        self, settings: EndpointSettings, telemetry: Telemetry, executor: Executor, log: RequestLog | None
    ) -> None:
        """Makes one that has nothing to do.

        Args:
            settings: limits.
            telemetry: told of inputs and of shadows.
            executor: for large bodies.
            log: takes a share of requests and answers, or None.
        """
        self._settings = settings
        self._telemetry = telemetry
        self._executor = executor
        self._log = log
        self._inference = Inference(settings.limits.timeout, telemetry)
        self._bodies = Memory(BODIES_IN_MEMORY)
        self._cells = Budget(CELLS_AT_ONCE, settings.limits.queue, settings.limits.timeout)
        self.seconds = 0.0
        self.large = 0

    async def answer(
        self,
        name: str,
        hosted: HostedModel,
        request: Request,
        parse: Parse,
        *,
        form: BodyForm,
        wanted: str | None = None,
    ) -> Answered:
        """Answers a request with the version that is drawn for it.

        Args:
            name: of the model.
            hosted: its versions.
            request: is read here, and told model, version, role and rows.
            parse: (version, body) -> columns, number of rows, and notes.
            form: of the body.
            wanted: a version that the client has named.

        Raises:
            HttpError, InvalidRequestError, InvalidValueError: it cannot be answered.
        """
        chosen = hosted.choose() if wanted is None else hosted.named(wanted)
        if chosen is None:
            # it was replaced after the path of the request had been found
            raise HttpError(404, f"version {wanted} is not served", reason="unknown_version")
        version, role = chosen
        # a shadow whose version was named has nobody to be compared with
        shadow = hosted.shadow if role != "shadow" else None
        request.model, request.version, request.role = name, version.version, role
        logged = self._log is not None and self._log.wants()
        held = Share(self._bodies)
        try:
            body = await self._read(request, held)
            started = time.perf_counter()
            try:
                (columns, rows, notes), inputs = await self._encoded(version, body, parse, form=form, keep=logged)
                request.rows = rows
                if shadow is None:
                    body = b""
                    held.shrink(inputs.nbytes)
                outputs = await self._computed(version, inputs)
            finally:
                self.seconds += time.perf_counter() - started
        finally:
            held.release()
        found = version.model.answers(outputs)
        if rows:
            self._telemetry.observe(name, version.version, inputs)
        if shadow is not None and rows:
            self._mirror(shadow, body, parse, found, form=form)
        if self._log is not None and logged:
            request.logged = _request_id(request)
            self._log.write(
                name,
                version.version,
                role=role,
                request_id=request.logged,
                columns=columns,
                rows=rows,
                answers=found.values,
            )
        return Answered(version, role, found, notes)

    async def _read(self, request: Request, held: Share) -> bytes:
        """The body, counted while it comes."""
        receive, limits = request.receive, self._settings.limits

        async def counted() -> Message:
            message = await receive()
            held.add(len(message.get("body", b"")))
            return message

        try:
            body = await read_body(request.scope, counted, limits.body, limits.timeout)
            # what is compressed is larger now
            held.add(len(body) - held.size)
        except FullError:
            raise _overloaded(1, CLOSE) from None
        return body

    async def _encoded(
        self, version: LoadedVersion, body: bytes, parse: Parse, *, form: BodyForm, keep: bool
    ) -> tuple[Parsed, Inputs]:
        """The rows of a body; the cells only when they are to be kept, since they need most of the memory."""

        def work() -> tuple[Parsed, Inputs]:
            columns, rows, notes = parse(version, body)
            inputs = version.model.encode(columns, rows)
            return (columns if keep else {}, rows, notes), inputs

        if len(body) <= (LARGE_CSV if form is BodyForm.CSV else LARGE_BODY):
            return work()
        loop = asyncio.get_running_loop()
        cells = await loop.run_in_executor(self._executor, partial(most_cells, body, form))
        try:
            async with self._cells.taking(cells):
                return await loop.run_in_executor(self._executor, work)
        except FullError:
            raise _overloaded(1) from None
        finally:
            # now there may be something to give back
            self.large += 1

    async def _computed(self, version: LoadedVersion, inputs: Inputs) -> NDArray[np.float32]:
        try:
            return await self._inference.compute(version, inputs)
        except OverloadedError as error:
            raise _overloaded(error.retry_after) from None
        except TooSlowError as error:
            message = f"{error}; send fewer rows in a request, or try again"
            raise HttpError(504, message, reason="timeout") from None

    def _mirror(self, shadow: LoadedVersion, body: bytes, parse: Parse, given: Predictions, *, form: BodyForm) -> None:
        async def encode() -> Inputs:
            return (await self._encoded(shadow, body, parse, form=form, keep=False))[1]

        held = Share(self._bodies)
        task = self._inference.mirror(shadow, encode, given) if held.fits(len(body)) else None
        if task is None:
            self._telemetry.refused(shadow.name, shadow.version, "shadow_skipped")
            return
        held.add(len(body))
        task.add_done_callback(lambda _task: held.release())


def _request_id(request: Request) -> str:
    """What the client, or a proxy in front of this endpoint, calls the request; else a name of our own."""
    given = header(request.scope, b"x-request-id") or b""
    return given.decode() if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _overloaded(seconds: int, *headers: tuple[bytes, bytes]) -> HttpError:
    return HttpError(
        503,
        "the endpoint is busy; try again",
        reason="overload",
        headers=[(b"retry-after", str(seconds + random.randint(0, 1)).encode()), *headers],  # noqa: S311
    )
