"""From the encoded rows of a request to a model's predictions; and copies of requests for a shadow."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import ServingError
from orchestrator.inputs import Inputs
from orchestrator.serving.inference.hosting import LoadedVersion
from orchestrator.serving.telemetry import Telemetry
from orchestrator.serving.telemetry.counting import SHADOW_TOLERANCE
from orchestrator.tasks import Predictions

logger = logging.getLogger(__name__)
MAX_MIRRORED = 64


class TooSlowError(ServingError):
    """A model did not answer in time."""


class Inference:
    """Computes what requests ask, within a time limit."""

    def __init__(self, timeout: float, telemetry: Telemetry) -> None:
        """Makes one that has nothing to do.

        Args:
            timeout: seconds that a batch may take.
            telemetry: told of shadows.
        """
        self._timeout = timeout
        self._telemetry = telemetry
        self._mirrors: set[asyncio.Task[None]] = set()

    async def compute(self, version: LoadedVersion, inputs: Inputs) -> NDArray[np.float32]:
        """The outputs of the network, float32 [rows, outputs].

        Raises:
            OverloadedError: too many requests wait for the model.
            TooSlowError: it did not answer in time.
        """
        if not len(inputs):
            return np.empty((0, version.model.schema.outputs), np.float32)
        future = version.batcher.submit(inputs)
        if not version.batcher.is_slow(len(inputs)):
            return await future
        try:
            async with asyncio.timeout(self._timeout):
                return await future
        except TimeoutError:
            raise TooSlowError("the model did not answer in time") from None

    def mirror(
        self, shadow: LoadedVersion, encode: Callable[[], Awaitable[Inputs]], given: Predictions
    ) -> asyncio.Task[None] | None:
        """Lets a shadow answer a copy of a request, and counts how its answers differ from those that were given.

        Args:
            shadow: that nobody waits for.
            encode: reads the rows of the request once more, as this version needs them.
            given: what the request was answered with.

        Returns:
            A task that never fails; None when so many copies are being answered that this one is not.
        """
        if len(self._mirrors) >= MAX_MIRRORED:
            return None
        task = asyncio.create_task(self._compare(shadow, encode, given))
        self._mirrors.add(task)
        task.add_done_callback(self._mirrors.discard)
        return task

    async def _compare(
        self, shadow: LoadedVersion, encode: Callable[[], Awaitable[Inputs]], given: Predictions
    ) -> None:
        started = time.perf_counter()
        try:
            inputs = await encode()
            other = shadow.model.answers(await self.compute(shadow, inputs))
        except Exception as error:  # whatever a shadow does, nobody waits for it
            self._telemetry.mirror_failed(shadow.name, shadow.version)
            logger.debug("the shadow failed: %s", error)
            return
        model = shadow.model
        task = model.schema.target.task
        scale = task.scale(model.target_encoder)
        difference = task.difference(given, other, SHADOW_TOLERANCE * (scale or 0.0))
        seconds = time.perf_counter() - started
        self._telemetry.mirrored(
            shadow.name, shadow.version, seconds=seconds, rows=len(inputs), difference=difference, scale=scale
        )
