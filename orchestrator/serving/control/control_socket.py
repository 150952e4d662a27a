"""Talking to the endpoints of this machine: one line of JSON each way, over a socket that only its user can open."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.errors import OrchestratorError, ServingError
from orchestrator.serving.control.deployments import Deployment, list_deployments
from orchestrator.serving.status import EndpointStatus, EndpointSummary

Handle = Callable[[Mapping[str, Any]], Mapping[str, Any]]
SOCKET_NAME = "control.sock"
ASK_SECONDS = 5.0
MAX_LINE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class EndpointUpdate:
    """What an endpoint did about a change in the registry.

    Attributes:
        endpoint, url: which one.
        follows: False when it was deployed with a fixed version.
        serving: role (`champion`, `canary`, `shadow`) -> version, and `weight`.
        problem: why it does not serve what the registry says, or None.
    """

    endpoint: str
    url: str
    follows: bool
    serving: Mapping[str, Any]
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class StatusAnswer:
    """What an endpoint says of itself.

    Attributes:
        phase: `starting`, `answering` or `stopping`.
        ingress: `haproxy` or `python`.
        problems: sentences about what does not work as it should.
        summary: figures of its replicas, or None when they cannot be asked; `unknown` says why.
    """

    phase: str
    ingress: str
    problems: tuple[str, ...]
    summary: EndpointSummary | None = None
    unknown: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        summary = None if self.summary is None else self.summary.to_json()
        return {
            "phase": self.phase,
            "ingress": self.ingress,
            "problems": list(self.problems),
            "summary": summary,
            "unknown": self.unknown,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> StatusAnswer:
        """The inverse of `to_json`; raises TypeError or KeyError for the JSON of another version of this program."""
        return cls(
            phase=content["phase"],
            ingress=content["ingress"],
            problems=tuple(content["problems"]),
            summary=None if content["summary"] is None else EndpointSummary.from_json(content["summary"]),
            unknown=content["unknown"],
        )


def serving_sentence(serving: Mapping[str, Any]) -> str:
    """Which versions answer, as a part of a sentence; `serving` as in `EndpointUpdate`."""
    text = f"version {serving['champion']}"
    if serving.get("canary") is not None:
        text += f", and {serving['weight']}% of the requests with version {serving['canary']}"
    if serving.get("shadow") is not None:
        text += f"; version {serving['shadow']} gets copies"
    return text


@contextmanager
def answer_questions(place: Path, handle: Handle) -> Iterator[Path]:
    """Answers questions in a thread, while the context is open.

    Args:
        place: a folder that only its user can enter; the path must be short.
        handle: question -> answer, both JSON objects; an OrchestratorError becomes `{"error": sentence}`.

    Yields:
        Path of the socket.
    """

    class Line(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            try:
                answer = dict(handle(json.loads(self.rfile.readline(MAX_LINE))))
            except (OrchestratorError, ValueError, KeyError) as error:
                answer = {"error": str(error)}
            with contextlib.suppress(OSError):
                self.wfile.write(json.dumps(answer).encode() + b"\n")

    path = place / SOCKET_NAME
    server = socketserver.ThreadingUnixStreamServer(str(path), Line)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True, name="control")
    thread.start()
    try:
        yield path
    finally:
        server.shutdown()
        server.server_close()
        path.unlink(missing_ok=True)


def ask(deployment: Deployment, question: Mapping[str, Any], seconds: float = ASK_SECONDS) -> dict[str, Any]:
    """Asks an endpoint of this machine.

    Raises:
        ServingError: it does not answer, or says why not.
    """
    if deployment.control is None:
        raise ServingError(f"'{deployment.name}' was started by an older version; stop and deploy it again")
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(seconds)
            connection.connect(deployment.control)
            connection.sendall(json.dumps(question).encode() + b"\n")
            with connection.makefile("rb") as lines:
                answer = json.loads(lines.readline(MAX_LINE) or b"{}")
    except (OSError, ValueError) as error:
        raise ServingError(f"the endpoint '{deployment.name}' does not answer ({error})") from error
    if "error" in answer:
        raise ServingError(f"the endpoint '{deployment.name}': {answer['error']}")
    return dict(answer)


def follow_now(model: str, seconds: float) -> list[EndpointUpdate]:
    """Has the endpoints of this machine look at the registry now, and waits until they serve what it says.

    Args:
        model: registered name.
        seconds: to wait for each.

    Returns:
        One for each endpoint that serves the model.
    """
    found = []
    for deployment in list_deployments():
        if deployment.process is None or model not in deployment.models:
            continue
        try:
            answer = ask(deployment, {"do": "follow", "model": model, "seconds": seconds}, seconds + ASK_SECONDS)
            found.append(
                EndpointUpdate(
                    endpoint=deployment.name,
                    url=deployment.url,
                    follows=answer["follows"],
                    serving=answer["serving"],
                    problem=answer["problem"],
                )
            )
        except ServingError as error:
            found.append(
                EndpointUpdate(
                    endpoint=deployment.name, url=deployment.url, follows=True, serving={}, problem=str(error)
                )
            )
    return found


def status_of(deployment: Deployment) -> EndpointStatus:
    """An endpoint of this machine, and (while it answers) its versions with traffic and latencies."""
    state, answer, unknown = deployment.state, None, None
    if deployment.process is not None:
        try:
            answer = StatusAnswer.from_json(ask(deployment, {"do": "status"}))
        except ServingError as error:
            unknown = str(error)
        except (KeyError, TypeError):
            unknown = "it was started by another version of this program; stop and deploy it again"
    if answer is not None and answer.phase == "stopping":
        state = "stopping"
    elif answer is not None and answer.phase == "answering" and state == "starting":
        state = "not answering"
    return EndpointStatus(
        name=deployment.name,
        models=deployment.models,
        url=deployment.url,
        pid=deployment.pid,
        state=state,
        ingress=answer.ingress if answer is not None else None,
        problems=answer.problems if answer is not None else None,
        summary=answer.summary if answer is not None else None,
        unknown=answer.unknown if answer is not None else unknown,
    )
