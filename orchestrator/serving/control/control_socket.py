"""Talking to the endpoints of this machine: one line of JSON each way, over a socket that only its user can open."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator.errors import OrchestratorError, ServingError
from orchestrator.serving.control.deployments import Deployment, list_deployments
from orchestrator.serving.messages import RoleVersions
from orchestrator.serving.status import EndpointStatus, EndpointSummary

SOCKET_NAME = "control.sock"
ASK_SECONDS = 5.0
MAX_LINE = 1 << 20
OTHER_VERSION = "it was started by another version of this program; stop and deploy it again"


@dataclass(frozen=True)
class FollowQuestion:
    """Look at the registry now.

    Attributes:
        model: registered name.
        seconds: to wait until the replicas serve what it says.
    """

    model: str
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `read_question` makes the same of it."""
        return {"do": "follow", "model": self.model, "seconds": self.seconds}


@dataclass(frozen=True)
class StatusQuestion:
    """Say how it is."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `read_question` makes the same of it."""
        return {"do": "status"}


Question = FollowQuestion | StatusQuestion


def read_question(content: Mapping[str, Any]) -> Question:
    """The inverse of `to_json`.

    Raises:
        ServingError: there is no such question.
        KeyError, TypeError, ValueError: it lacks something.
    """
    if content["do"] == "follow":
        return FollowQuestion(str(content["model"]), float(content["seconds"]))
    if content["do"] == "status":
        return StatusQuestion()
    raise ServingError(f"it does not know what '{content['do']}' is")


@dataclass(frozen=True)
class FollowAnswer:
    """What an endpoint serves of a model after a look at the registry.

    Attributes:
        follows: False when it was deployed with a fixed version.
        serving: the version in each role.
        problem: why that is not what the registry says, or None.
    """

    follows: bool
    serving: RoleVersions
    problem: str | None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"follows": self.follows, "serving": self.serving.to_json(), "problem": self.problem}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> FollowAnswer:
        """The inverse of `to_json`; raises TypeError or KeyError for the JSON of another version of this program."""
        return cls(content["follows"], RoleVersions(**content["serving"]), content["problem"])


@dataclass(frozen=True, kw_only=True)
class EndpointUpdate:
    """What an endpoint did about a change in the registry.

    Attributes:
        endpoint, url: which one.
        follows: False when it was deployed with a fixed version.
        serving: the version in each role, None of an endpoint that has not answered.
        problem: why it does not serve what the registry says, or None.
    """

    endpoint: str
    url: str
    follows: bool
    serving: RoleVersions | None
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As `orchestrator promote --json` shows it."""
        return {**asdict(self), "serving": {} if self.serving is None else self.serving.to_json()}


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


Answer = FollowAnswer | StatusAnswer


def serving_sentence(serving: RoleVersions) -> str:
    """Which versions answer, as a part of a sentence."""
    text = f"version {serving.champion}"
    if serving.canary is not None:
        text += f", and {serving.weight}% of the requests with version {serving.canary}"
    if serving.shadow is not None:
        text += f"; version {serving.shadow} gets copies"
    return text


@contextmanager
def answer_questions(place: Path, handle: Callable[[Question], Answer]) -> Iterator[Path]:
    """Answers questions in a thread, while the context is open.

    Args:
        place: a folder that only its user can enter; the path must be short.
        handle: question -> answer; an OrchestratorError becomes `{"error": sentence}`.

    Yields:
        Path of the socket.
    """

    class LineHandler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            try:
                answer = handle(read_question(json.loads(self.rfile.readline(MAX_LINE)))).to_json()
            except (OrchestratorError, ValueError, KeyError, TypeError) as error:
                answer = {"error": str(error)}
            with contextlib.suppress(OSError):
                self.wfile.write(json.dumps(answer).encode() + b"\n")

    path = place / SOCKET_NAME
    server = socketserver.ThreadingUnixStreamServer(str(path), LineHandler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True, name="control")
    thread.start()
    try:
        yield path
    finally:
        server.shutdown()
        server.server_close()
        path.unlink(missing_ok=True)


def ask(deployment: Deployment, question: Question, seconds: float = ASK_SECONDS) -> dict[str, Any]:
    """Asks an endpoint of this machine; the answer is JSON, which `from_json` of the answer reads.

    Raises:
        ServingError: it does not answer, or says why not.
    """
    if deployment.control is None:
        raise ServingError(f"'{deployment.name}' was started by an older version; stop and deploy it again")
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(seconds)
            connection.connect(deployment.control)
            connection.sendall(json.dumps(question.to_json()).encode() + b"\n")
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
            content = ask(deployment, FollowQuestion(model, seconds), seconds + ASK_SECONDS)
            answer = FollowAnswer.from_json(content)
            follows, serving, problem = answer.follows, answer.serving, answer.problem
        except ServingError as error:
            follows, serving, problem = True, None, str(error)
        except (KeyError, TypeError):
            follows, serving, problem = True, None, OTHER_VERSION
        found.append(
            EndpointUpdate(
                endpoint=deployment.name, url=deployment.url, follows=follows, serving=serving, problem=problem
            )
        )
    return found


def status_of(deployment: Deployment) -> EndpointStatus:
    """An endpoint of this machine, and (while it answers) its versions with traffic and latencies."""
    state, answer, unknown = deployment.state, None, None
    if deployment.process is not None:
        try:
            answer = StatusAnswer.from_json(ask(deployment, StatusQuestion()))
        except ServingError as error:
            unknown = str(error)
        except (KeyError, TypeError):
            unknown = OTHER_VERSION
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
