"""One place for what all replicas have counted."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping

from orchestrator.serving.messages import ReplicaReport, ServedModel
from orchestrator.serving.status import EndpointSummary, ReplicaStatus
from orchestrator.serving.telemetry.merging import Counts, merge, retire
from orchestrator.serving.telemetry.prometheus import render
from orchestrator.serving.telemetry.summary import summary, total_requests

SILENT_SECONDS = 10.0
STEP_SECONDS = 2.0
RECENT_SECONDS = 60.0
# replicas that may still come back; what older ones have counted is kept as one sum
REMEMBERED = 64


class Collector:
    """Merges what replicas have counted.

    A replica that has not pushed for 10 seconds is taken for gone: its counters stay in the totals, its gauges vanish.
    If it was only slow, its next report takes the place of what was kept of it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Makes one without replicas; `clock` gives seconds."""
        self._clock = clock
        self._live: dict[str, tuple[float, ReplicaReport]] = {}
        self._gone: dict[str, ReplicaReport] = {}
        self._retired = Counts()
        self._served: Mapping[str, ServedModel] = {}
        history_length = int(RECENT_SECONDS / STEP_SECONDS) + 2
        self._history: deque[tuple[float, Counts]] = deque([(clock(), Counts())], maxlen=history_length)

    def push(self, report: ReplicaReport) -> None:
        """Takes what a replica has counted since it started, about once a second."""
        name = report.replica
        known = self._gone.pop(name, None) or (self._live[name][1] if name in self._live else None)
        # two threads of a replica may send in another order than they counted
        newest = report if known is None or report.counts.number > known.counts.number else known
        self._live[name] = (self._clock(), newest)
        if self._step_is_due():
            self._look()

    def set_served(self, served: Mapping[str, ServedModel]) -> None:
        """Takes what the endpoint serves, by model."""
        self._served = served

    def metrics(self) -> bytes:
        """Prometheus' text, see `prometheus.render`."""
        merged = self._look()
        closed = sum(report.closed for _, report in self._live.values())
        return render(merged, self._served, len(self._live), closed)

    def summary(self) -> EndpointSummary:
        """For people; the figures of versions are those of the last minute."""
        merged = self._look()
        now = self._clock()
        before = [entry for entry in self._history if now - entry[0] >= RECENT_SECONDS]
        when, minute_ago = before[-1] if before else self._history[0]
        reports = [report for _, report in self._live.values()]
        return EndpointSummary(
            models=tuple(summary(merged, minute_ago, max(now - when, 1.0), self._served)),
            replicas=len(reports),
            replica_ids=tuple(sorted(self._live)),
            last_error=max(merged.errors.values(), key=lambda error: error.time, default=None),
            requests=total_requests(merged),
            serving={report.replica: report.serving for report in reports},
            processes=tuple(
                ReplicaStatus(
                    replica=report.replica,
                    pid=report.pid,
                    memory=report.memory,
                    notes=report.notes,
                    in_flight=report.in_flight,
                    draining=report.draining,
                    finished=report.finished,
                )
                for report in sorted(reports, key=lambda report: report.replica)
            ),
        )

    def _look(self) -> Counts:
        """Merges, and keeps the result from time to time."""
        self._retire_silent()
        gone = [retire(report.counts) for report in self._gone.values()]
        merged = merge([self._retired, *gone, *(report.counts for _, report in self._live.values())])
        if self._step_is_due():
            self._history.append((self._clock(), retire(merged)))
        return merged

    def _step_is_due(self) -> bool:
        return self._clock() - self._history[-1][0] >= STEP_SECONDS

    def _retire_silent(self) -> None:
        now = self._clock()
        for name, (pushed, report) in list(self._live.items()):
            if now - pushed > SILENT_SECONDS:
                del self._live[name]
                self._gone[name] = report
        while len(self._gone) > REMEMBERED:
            oldest = next(iter(self._gone))
            self._retired = merge([self._retired, retire(self._gone.pop(oldest).counts)])
