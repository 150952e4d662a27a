"""A client of the endpoint on the stack, which notes when it is not answered."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from services import ENDPOINT_PORT
from stack import Stack

ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
ASK_SECONDS = 0.2


@dataclass
class Client:
    """Asks the endpoint again and again, from a machine of its own.

    Attributes:
        stack: where.
        machine: that is asked.
        answers: when, and `ok` or what was wrong.
        versions: of the model, in the order in which they first answered.
    """

    stack: Stack
    machine: str
    answers: list[tuple[float, str]] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def asking(self) -> Iterator[Client]:
        """As long as the context is open."""
        thread = threading.Thread(target=lambda: self.stack.machines.within("client", self._ask_always))
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join()

    def ask(self) -> str:
        """One question: `ok`, or what was wrong."""
        headers = {"Authorization": f"Bearer {self.stack.secrets.read('endpoint-tokens')}"}
        headers["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection(self.stack.machines.address(self.machine), ENDPOINT_PORT, timeout=5)
        try:
            connection.request("POST", "/predict", json.dumps(ROW), headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        finally:
            connection.close()
        if answer.status != 200:  # noqa: PLR2004
            return str(answer.status)
        version = str(json.loads(content)["model"]["version"])
        if not self.versions or self.versions[-1] != version:
            self.versions.append(version)
        return "ok"

    def _ask_always(self) -> None:
        while not self._over.wait(ASK_SECONDS):
            asked = time.time()
            self.answers.append((asked, self.ask()))

    def outages(self, since: float) -> list[tuple[float, float, Counter[str]]]:
        """Beginning, seconds until an answer came again, and what was wrong how often."""
        found: list[tuple[float, float, Counter[str]]] = []
        failing: list[tuple[float, str]] = []
        for at, outcome in [*self.answers, (time.time(), "ok")]:
            if at < since:
                continue
            if outcome != "ok":
                failing.append((at, outcome))
            elif failing:
                found.append((failing[0][0], at - failing[0][0], Counter(what for _, what in failing)))
                failing = []
        return found
