"""A cluster's job server: submitting a sweep, listing, following and stopping. Works with Ray's tokens on and off."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import secrets
import shlex
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator.authentication import prepare_job_server
from orchestrator.environment import debugging
from orchestrator.errors import ExecutionError, NoSuchJobError, UsageError, did_you_mean
from orchestrator.jobs.job import DATA, SWEEP, VERSION, Job, job_of
from orchestrator.jobs.package import CONFIG_FILE, Package

DEFAULT_ADDRESS = "http://127.0.0.1:8265"
ADDRESS_VARIABLE = "RAY_API_SERVER_ADDRESS"
COMMAND = "python -m orchestrator"
# SIGINT ends a sweep cleanly and registers what is finished, which takes its time; the tracking store of a node, which
# would count more than the one that the user has asked for, is made empty
JOB_ENVIRONMENT = {
    "RAY_JOB_STOP_SIGNAL": "SIGINT",
    "RAY_JOB_STOP_WAIT_TIME_S": "60",
    "PYTHONUNBUFFERED": "1",
    "MLFLOW_TRACKING_URI": "",
}
REQUEST_SECONDS = 60.0
STOP_SECONDS = 90.0
POLL_SECONDS = 1.0
RECONNECT_SECONDS = 3.0
# a connection that is silent so long may be dead
SILENCE_SECONDS = 30.0
PATIENCE_SECONDS = 60.0


class NoAnswerError(ExecutionError):
    """The job server did not answer, or not as expected."""


class Jobs:
    """The jobs of one cluster that were submitted by orchestrator."""

    def __init__(self, address: str = DEFAULT_ADDRESS) -> None:
        """Connects to a job server.

        Args:
            address: of the cluster's dashboard, `http://HOST:8265`; without a scheme `http` is meant.

        Raises:
            UsageError: no such address.
            ExecutionError: nobody answers there, or the token is refused.
        """
        self.address = server_url(address)
        headers = prepare_job_server(self.address)
        self._client = _connect(self.address, headers)

    def submit(self, package: Package) -> str:
        """Sends a sweep; the cluster starts it as soon as it can.

        Returns:
            The job's id.

        Raises:
            ExecutionError: the server did not take it.
        """
        return self._start(f"{COMMAND} sweep --config {CONFIG_FILE}", package.name, package.data, package.folder)

    def resume(self, sweep: str, options: Sequence[str]) -> str:
        """Has the cluster go on with a sweep that it knows.

        Args:
            sweep: its id, name or MLflow run.
            options: of `orchestrator resume`.

        Returns:
            The job's id.

        Raises:
            ExecutionError: the server did not take it.
        """
        return self._start(shlex.join([*COMMAND.split(), "resume", sweep, *options]), sweep, "", None)

    def _start(self, entrypoint: str, name: str, data: str, folder: Path | None) -> str:
        from importlib.metadata import version

        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "data"
        with self._answers():
            return str(
                self._client.submit_job(
                    entrypoint=entrypoint,
                    submission_id=f"sweep-{slug}-{secrets.token_hex(3)}",
                    runtime_env={"env_vars": dict(JOB_ENVIRONMENT)} | ({"working_dir": str(folder)} if folder else {}),
                    metadata={VERSION: version("orchestrator-automl"), SWEEP: name, DATA: data},
                )
            )

    def all(self) -> list[Job]:
        """Our jobs, the newest first.

        Raises:
            ExecutionError: the server does not answer.
        """
        with self._answers():
            found = self._client.list_jobs()
        ours = [job_of(details) for details in found if details.submission_id and VERSION in (details.metadata or {})]
        return sorted(ours, key=lambda job: (job.started is not None, job.started, job.id), reverse=True)

    def find(self, job_id: str) -> Job:
        """One of our jobs.

        Raises:
            ExecutionError: there is no such job, or the server does not answer.
        """
        jobs = {job.id: job for job in self.all()}
        if job_id not in jobs:
            hint = did_you_mean(job_id, jobs) or "; `orchestrator jobs` lists them"
            raise NoSuchJobError(f"there is no job '{job_id}' at {self.address}{hint}")
        return jobs[job_id]

    def log(self, job_id: str) -> str:
        """What a job has printed so far.

        Raises:
            ExecutionError: see `find`.
        """
        self.find(job_id)
        return self._log(job_id)

    def follow(self, job_id: str, write: Callable[[str], None]) -> Job:
        """Waits until a job has ended and hands on what it prints, from the beginning; renews broken connections.

        Args:
            job_id: of the job.
            write: is called with parts of the log, which need not be whole lines.

        Returns:
            The job, which has ended.

        Raises:
            ExecutionError: there is no such job, or the server does not answer any more.
        """
        job = self.find(job_id)
        if job.ended:
            write(self._log(job_id))
            return job
        return asyncio.run(self._follow(job_id, write))

    def stop(self, job_id: str) -> Job:
        """Stops a sweep as Ctrl-C would: finished trials are kept. Waits until it has ended.

        Returns:
            The job; one that has ended before is left as it is.

        Raises:
            ExecutionError: there is no such job, the server does not answer, or the job does not end.
        """
        job = self.find(job_id)
        if not job.ended:
            with self._answers():
                self._client.stop_job(job_id)
        deadline = time.monotonic() + STOP_SECONDS
        while not job.ended:
            if time.monotonic() > deadline:
                raise ExecutionError(
                    f"{job_id} was told to stop, but is still {job.status} after {STOP_SECONDS:.0f} s; "
                    f"`orchestrator jobs logs {job_id}` may show why"
                )
            time.sleep(POLL_SECONDS)
            job = self.find(job_id)
        return job

    async def _follow(self, job_id: str, write: Callable[[str], None]) -> Job:
        written = 0
        while True:
            position = 0
            async for part in self._parts(job_id):
                position += len(part)
                # a new connection starts from the beginning
                if position > written:
                    write(part[-(position - written) :])
                    written = position
            job = await self._ask_patiently(job_id)
            # what came while there was no connection; all, behind a gateway that lets no such connections through
            with contextlib.suppress(NoAnswerError):
                rest = self._log(job_id)[written:]
                written += len(rest)
                if rest:
                    write(rest)
            if job.ended:
                return job
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _parts(self, job_id: str) -> AsyncIterator[str]:
        """A job's log, from the beginning until the connection ends, for whatever reason, or is silent for long."""
        import aiohttp

        stream = self._client.tail_job_logs(job_id)
        try:
            while True:
                part = asyncio.ensure_future(anext(stream, None))
                try:
                    done, _ = await asyncio.wait({part}, timeout=SILENCE_SECONDS)
                    if not done:
                        return
                    text = part.result()
                except (aiohttp.ClientError, RuntimeError, OSError):
                    return
                finally:
                    part.cancel()
                    await asyncio.wait({part})
                if text is None:
                    return
                yield text
        finally:
            await stream.aclose()

    async def _ask_patiently(self, job_id: str) -> Job:
        """A job's state; a server that is silent for a while (a network that changes, say) is asked again."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self.find(job_id)
            except NoAnswerError:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(POLL_SECONDS)

    def _log(self, job_id: str) -> str:
        with self._answers():
            return str(self._client.get_job_logs(job_id))

    @contextmanager
    def _answers(self) -> Iterator[None]:
        """Turns errors of Ray's client and of the connection into one sentence."""
        import requests
        from ray.exceptions import RayError

        try:
            yield
        except requests.RequestException as error:
            raise NoAnswerError(f"the job server at {self.address} does not answer any more") from error
        except (RuntimeError, ValueError, ConnectionError, RayError) as error:
            raise NoAnswerError(f"the job server at {self.address} refused: {_brief(error)}") from error


def server_url(address: str) -> str:
    """`HOST:8265` -> `http://HOST:8265`.

    Raises:
        UsageError: an address of another kind, such as that of Ray itself.
    """
    url = (address if "://" in address else f"http://{address}").rstrip("/")
    if not re.fullmatch(r"https?://[^/\s]+(?:/\S*)?", url) or address in ("auto", "local"):
        raise UsageError(
            f"{address}: not the address of a job server, which is the cluster's dashboard: http://HOST:8265"
        )
    return url


def _connect(address: str, headers: dict[str, str]) -> Any:  # noqa: ANN401
    from functools import partial

    from ray.job_submission import JobSubmissionClient

    if not debugging():
        for name in ("dashboard.modules.dashboard_sdk", "dashboard.modules.job.sdk", "_private.runtime_env.packaging"):
            logging.getLogger(f"ray.{name}").setLevel(logging.ERROR)
    # for Ray the variable counts more than the argument
    before = os.environ.get(ADDRESS_VARIABLE)
    os.environ[ADDRESS_VARIABLE] = address
    try:
        client = JobSubmissionClient(address, headers=headers)
    except Exception as error:  # Ray raises many kinds here
        raise NoAnswerError(f"the job server at {address} cannot be used: {_brief(error)}") from error
    finally:
        if before is None:
            del os.environ[ADDRESS_VARIABLE]
        else:
            os.environ[ADDRESS_VARIABLE] = before
    # Ray's client would wait for ever
    client._do_request = partial(client._do_request, timeout=REQUEST_SECONDS)
    return client


def _brief(error: Exception) -> str:
    text = str(error)
    # a server's traceback ends with what matters
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [type(error).__name__]
    return (lines[-1] if "Traceback" in text else lines[0])[:300]
