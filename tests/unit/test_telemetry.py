"""What an endpoint measures: totals that never go down, quantiles, drift, and text that Prometheus reads."""

import inspect
import math
import pickle
import threading
from bisect import bisect_left
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.cli.endpoints import _version_sentences
from orchestrator.data import Schema
from orchestrator.data.distribution import Distribution
from orchestrator.data.encoder import fit_features
from orchestrator.errors import ServingError
from orchestrator.features import Column, ColumnKind
from orchestrator.serving.control import publishing
from orchestrator.serving.control.coordinator import Coordinator
from orchestrator.serving.control.distributor import Distributor
from orchestrator.serving.control.registry_watcher import FollowedModel, PreparedVersion, RegistryWatcher
from orchestrator.serving.messages import (
    AssignedModel,
    AssignedVersion,
    Assignment,
    ReplicaReport,
    RoleVersions,
    ServedModel,
    ServedVersion,
)
from orchestrator.serving.status import EndpointSummary, ReplicaStatus
from orchestrator.serving.telemetry import Telemetry
from orchestrator.serving.telemetry.collector import REMEMBERED, Collector
from orchestrator.serving.telemetry.drift import MAX_WAITING_ROWS, ROWS_A_SECOND, WINDOW_ROWS, InputWindow
from orchestrator.serving.telemetry.histogram import SECONDS_BOUNDS, SIZE_BOUNDS, Buckets, Histogram
from orchestrator.serving.telemetry.merging import Counts, ObservedInputs, merge, retire, subtract
from orchestrator.serving.telemetry.prometheus import SHOWN_SECONDS, render
from orchestrator.serving.telemetry.summary import summary, total_requests
from orchestrator.tasks import Difference, Predictions, Target
from orchestrator.tasks.binary import Binary
from orchestrator.tasks.regression import Regression

SERVED = {
    "adult": ServedModel(
        {
            "3": ServedVersion("champion", "onnxruntime"),
            "4": ServedVersion("canary", "torch"),
            "5": ServedVersion("shadow", "torch"),
        },
        weight=20,
    )
}

SCHEMA = Schema(
    (Column("age", ColumnKind.NUMERIC), Column("color", ColumnKind.CATEGORICAL)),
    Target("label", Binary(("no", "yes"))),
)


def people(rows, age=40.0, color="red", seed=0):
    """Ages around one, colors of which one is the most frequent."""
    random = np.random.default_rng(seed)
    others = [color] * 4 + ["green", "blue"]
    return pd.DataFrame({"age": random.normal(age, 10, rows), "color": random.choice(others, rows)})


ENCODER = fit_features(SCHEMA, people(5000))
DISTRIBUTION = Distribution.of(SCHEMA, ENCODER, ENCODER.transform(SCHEMA, people(5000)))


def encoded(rows, **options):
    return ENCODER.transform(SCHEMA, people(rows, **options))


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def report(replica, counts, **about):
    return ReplicaReport(replica=replica, counts=counts, **about)


def busy():
    """A replica that has counted something of everything."""
    telemetry = Telemetry()
    for _ in range(8):
        telemetry.answered("adult", "3", role="champion", route="/predict", status=200, seconds=0.002, rows=5)
    telemetry.answered("adult", "4", role="canary", route="/predict", status=200, seconds=0.004, rows=1)
    telemetry.answered("adult", "4", role="canary", route="/predict", status=500, seconds=0.3, rows=1)
    telemetry.answered("", "", role="", route="/predict", status=404, seconds=0.0001, rows=0)
    telemetry.refused("adult", "3", "overload")
    telemetry.refused("adult", "4", "invalid")
    telemetry.refused("adult", "4", "invalid")
    telemetry.batch("adult", "3", 4, 20, 0.001)
    telemetry.mirrored("adult", "5", seconds=0.01, rows=5, difference=Difference(2, 0.5, 0.25))
    telemetry.mirror_failed("adult", "5")
    telemetry.set_queue("adult", 7)
    telemetry.set_queue("adult", 2)
    telemetry.failed("adult", "ValueError: broken")
    return telemetry


def predictions_of(values):
    return Predictions(Regression().answers, {"value": np.array(values)})


def samples(text):
    """Name and labels -> value."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def counters(counts):
    """What has been counted, without zeros: a counter's name and key -> value."""
    names = ("requests", "rows", "seconds", "refused", "batches", "shadows")
    found = {(name, key): value for name in names for key, value in getattr(counts, name).items()}
    return {place: value for place, value in found.items() if value != value - value}


CALLS = st.one_of(
    st.tuples(
        st.just("answered"),
        st.sampled_from(["adult", "iris"]),
        st.sampled_from(["3", "4", ""]),
        st.sampled_from(["champion", "canary", ""]),
        st.sampled_from(["/predict", "/invocations"]),
        st.sampled_from([200, 422, 500]),
        st.floats(0, 100),
        st.integers(0, 1000),
    ),
    st.tuples(
        st.just("refused"),
        st.sampled_from(["adult", "iris"]),
        st.sampled_from(["3", "4", ""]),
        st.sampled_from(["overload", "timeout"]),
    ),
    st.tuples(
        st.just("batch"), st.just("adult"), st.just("3"), st.integers(1, 99), st.integers(1, 10**6), st.floats(0, 9)
    ),
    st.tuples(
        st.just("mirrored"),
        st.just("adult"),
        st.sampled_from(["5", "6"]),
        st.floats(0, 9),
        st.integers(0, 9),
        st.builds(Difference, st.integers(0, 9), st.floats(0, math.inf), st.floats(0, math.inf)),
        st.sampled_from([None, 1e-9, 2.5, 1e12]),
    ),
    st.tuples(st.just("mirror_failed"), st.just("adult"), st.just("5")),
    st.tuples(st.just("set_queue"), st.sampled_from(["adult", "iris"]), st.integers(0, 99)),
    st.tuples(st.just("failed"), st.sampled_from(["adult", "iris"]), st.text(max_size=600)),
)


def act(telemetry, call):
    name, *arguments = call
    method = getattr(telemetry, name)
    method(**dict(zip(inspect.signature(method).parameters, arguments, strict=False)))


@st.composite
def snapshots(draw):
    telemetry = Telemetry()
    for call in draw(st.lists(CALLS, max_size=8)):
        act(telemetry, call)
    content = telemetry.snapshot()
    counts = st.lists(st.integers(0, 9), min_size=3, max_size=3)
    if draw(st.booleans()):
        observed = ObservedInputs(draw(st.integers(0, 999)), {"age": tuple(draw(counts))})
        training = {"age": tuple(draw(counts))}
        content = replace(content, inputs={("adult", "3"): observed}, training={("adult", "3"): training})
    return content


@given(snapshots(), snapshots(), snapshots())
def test_the_order_in_which_replicas_are_merged_does_not_matter(first, second, third):
    together = merge([first, second, third])
    assert merge([third, second, first]) == together
    assert merge([merge([first, second]), third]) == together
    assert merge([first, merge([second, third])]) == together
    assert merge([Counts(), together]) == merge([together]) == together


@given(snapshots(), snapshots())
def test_what_is_subtracted_is_what_was_added(first, second):
    assert counters(subtract(merge([first, second]), first)) == counters(second)


@given(snapshots())
def test_counts_travel_between_processes(snapshot):
    assert pickle.loads(pickle.dumps(snapshot)) == snapshot


STEPS = st.one_of(
    st.tuples(st.just("count"), st.integers(0, 2), CALLS),
    st.tuples(st.just("push"), st.integers(0, 2)),
    st.tuples(st.just("restart"), st.integers(0, 2)),
    st.tuples(st.just("pass"), st.sampled_from([1.0, 5.0, 11.0])),
)


@given(st.lists(STEPS, max_size=40))
def test_totals_never_go_down_while_replicas_come_and_go(steps):
    clock = Clock()
    collector = Collector(clock)
    replicas = {index: (f"{index}-0", Telemetry()) for index in range(3)}
    before = {}
    for number, (step, *arguments) in enumerate(steps):
        if step == "count":
            index, call = arguments
            act(replicas[index][1], call)
        elif step == "push":
            name, telemetry = replicas[arguments[0]]
            collector.push(report(name, telemetry.snapshot()))
        elif step == "restart":
            replicas[arguments[0]] = (f"{arguments[0]}-{number}", Telemetry())
        else:
            clock.now += arguments[0]
        now = {
            key: value
            for key, value in samples(collector.metrics()).items()
            if key[0].endswith(("_total", "_bucket", "_count", "_sum"))
        }
        assert {key: value for key, value in before.items() if now.get(key, -1) < value} == {}
        before = now


@given(st.lists(st.floats(0, 100), min_size=1, max_size=200), st.floats(0, 1))
def test_a_quantile_lies_in_the_bucket_of_the_value_at_that_rank(values, q):
    histogram = Histogram(SECONDS_BOUNDS)
    for value in values:
        histogram.record(value)
    exact = sorted(values)[max(0, math.ceil(q * len(values)) - 1)]
    index = bisect_left(SECONDS_BOUNDS, exact)
    lower = SECONDS_BOUNDS[index - 1] if index else 0.0
    upper = SECONDS_BOUNDS[min(index, len(SECONDS_BOUNDS) - 1)]
    assert min(lower, upper) <= histogram.buckets().quantile(q) <= upper


def test_durations_have_buckets_from_50_us_to_a_minute_that_are_at_most_a_quarter_wide():
    assert 60 <= len(SECONDS_BOUNDS) <= 90
    assert (SECONDS_BOUNDS[0], SECONDS_BOUNDS[-1]) == (5e-5, 60.0)
    ratios = np.array(SECONDS_BOUNDS[1:]) / np.array(SECONDS_BOUNDS[:-1])
    assert 1 < ratios.min() < ratios.max() < 1.2501
    assert set(SHOWN_SECONDS) < set(SECONDS_BOUNDS)


def test_histograms_keep_what_they_hold_when_they_are_added():
    first, second = Histogram(SIZE_BOUNDS), Histogram(SIZE_BOUNDS)
    for value in (1, 2, 3, 64):
        first.record(value)
    second.record(10**6)
    kept = first.buckets()
    first.record(5)
    assert (kept.count, kept.sum) == (4, 70.0)
    both = kept + second.buckets()
    assert (both.count, both.sum) == (5, 1000070.0)
    assert both.cumulative([1.0, 4.0, 64.0]) == [("1.0", 1), ("4.0", 3), ("64.0", 4), ("+Inf", 5)]
    assert both.quantile(1.0) == SIZE_BOUNDS[-1]
    assert both - second.buckets() == kept
    assert Buckets.empty(SIZE_BOUNDS).quantile(0.5) is None


def test_no_increment_is_lost_between_threads():
    telemetry = Telemetry()

    def work(_):
        for _ in range(3000):
            telemetry.answered("adult", "3", role="champion", route="/predict", status=200, seconds=0.001, rows=2)
            telemetry.batch("adult", "3", 1, 2, 0.001)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    found = telemetry.snapshot()
    assert found.requests["adult", "3", "champion", "/predict", "200"] == 12000
    assert found.rows["adult", "3", "champion"] == 24000
    assert found.batches["adult", "3"].rows.count == 12000


def test_a_queue_shows_its_longest_since_the_last_snapshot():
    telemetry = busy()
    assert telemetry.snapshot().queues == {"adult": 7}
    assert telemetry.snapshot().queues == {"adult": 2}


def test_a_replica_that_is_gone_leaves_its_counters_and_no_gauges():
    gone = retire(busy().snapshot())
    assert gone.queues == gone.inputs == {}
    assert total_requests(gone) == 11
    assert gone.largest == {("adult", "5"): 0.25}


def test_the_summary_tells_versions_apart():
    rows = {row.version: row for row in summary(busy().snapshot(), Counts(), 10.0, SERVED)}
    assert list(rows) == ["3", "4", "5"]
    champion, canary, shadow = rows.values()
    assert [row.role for row in rows.values()] == ["champion", "canary", "shadow"]
    assert (champion.requests, champion.rows, champion.errors, champion.refused) == (8, 40, 0, 1)
    assert (champion.requests_per_second, champion.share) == (0.8, 0.8)
    assert champion.p50_ms == pytest.approx(2, rel=0.25)
    assert (canary.requests, canary.errors, canary.share) == (2, 1, 0.2)
    assert canary.p99_ms == pytest.approx(300, rel=0.25)
    assert (shadow.requests, shadow.rows, shadow.errors, shadow.share) == (2, 5, 1, 0.0)
    assert canary.refused == 2
    assert (shadow.differences, shadow.mean_difference, shadow.largest_difference) == (2, 0.1, 0.25)
    assert shadow.tolerance is None
    assert shadow.p50_ms == pytest.approx(10, rel=0.25)
    assert orjson.dumps(list(rows.values()))


def test_a_shadow_of_a_regression_is_as_far_away_as_its_values_are():
    given = predictions_of([100.0, 200.0, 300.0, 400.0])
    difference = Regression().difference(given, predictions_of([100.4, 200.0, 301.5, 404.1]), tolerance=0.5)
    assert (difference.rows, difference.total, difference.largest) == (2, pytest.approx(6.0), pytest.approx(4.1))
    telemetry = Telemetry()
    for _ in range(2):
        telemetry.mirrored("houses", "2", seconds=0.01, rows=4, difference=difference, scale=50.0)
    # a row that is absurdly far away, or infinitely, still leaves a figure that can be added up
    telemetry.mirrored("other", "2", seconds=0.01, rows=4, difference=Difference(4, math.inf, math.inf), scale=50.0)
    served = {"houses": ServedModel({"2": ServedVersion("shadow")})}
    (row,) = summary(telemetry.snapshot(), Counts(), served=served)[:1]
    assert (row.differences, row.rows, row.tolerance) == (4, 8, 0.5)
    assert row.mean_difference == pytest.approx(1.5)
    assert row.largest_difference == pytest.approx(4.1)
    (sentence,) = [text for text in _version_sentences(row) if "shadow" in text]
    assert "houses version 2 as shadow: 4 of 8 rows more than 0.5 away; difference of a value: mean 1.5" in sentence
    found = samples(render(telemetry.snapshot(), served, 1))
    labels = (("model", "houses"), ("version", "2"))
    assert found["orchestrator_shadow_mean_difference", *labels] == pytest.approx(1.5)


def test_replicas_that_let_nobody_in_are_counted():
    collector = Collector(Clock())
    collector.push(report("a", Counts(number=1), closed=True))
    collector.push(report("b", Counts(number=1), closed=False))
    assert samples(collector.metrics())["orchestrator_replicas_closed",] == 1


def test_a_model_without_a_version_number_is_told_from_requests_that_reached_none():
    telemetry = Telemetry()
    telemetry.answered("adult", "", role="champion", route="/predict", status=200, seconds=0.002, rows=1)
    telemetry.answered("adult", "", role="", route="/predict", status=413, seconds=9.0, rows=0)
    served = {"adult": ServedModel({"": ServedVersion("champion")})}
    for row in (*summary(telemetry.snapshot(), Counts(), 10.0, served), *summary(telemetry.snapshot(), Counts())):
        assert (row.version, row.role, row.requests, row.share) == ("", "champion", 1, 1.0)
        assert row.p99_ms < 3


def test_the_summary_works_without_knowing_what_is_served():
    roles = {row.version: row.role for row in summary(busy().snapshot(), Counts())}
    assert roles == {"3": "champion", "4": "canary", "5": "shadow"}


def test_a_version_that_nobody_asked_is_in_the_summary():
    (row,) = summary(Counts(), Counts(), served={"iris": ServedModel({"1": ServedVersion("champion")})})
    assert (row.requests, row.p50_ms, row.share, row.psi, row.worst_column) == (0, None, 0.0, {}, None)


def test_the_summary_of_the_last_minute_forgets_older_requests():
    clock = Clock()
    collector, telemetry = Collector(clock), busy()
    collector.set_served(SERVED)
    collector.push(report("a", telemetry.snapshot()))
    for _ in range(70):
        clock.now += 1
        telemetry.answered("adult", "4", role="canary", route="/predict", status=200, seconds=0.004, rows=1)
        collector.push(report("a", telemetry.snapshot()))
    champion, canary, _ = collector.summary().models
    assert (champion.requests, champion.share, champion.p50_ms) == (8, 0.0, None)
    assert canary.share == 1.0
    assert canary.requests_per_second == pytest.approx(1.0, abs=0.02)


def test_the_collector_forgets_silent_replicas_and_takes_them_back():
    clock = Clock()
    collector, slow, quick = Collector(clock), busy(), busy()
    collector.push(report("slow", slow.snapshot()))
    collector.push(report("quick", quick.snapshot()))
    assert collector.summary().replica_ids == ("quick", "slow")
    clock.now += 8
    collector.push(report("quick", quick.snapshot()))
    clock.now += 3
    found = collector.summary()
    assert (found.replicas, found.replica_ids, found.requests) == (1, ("quick",), 22)
    assert found.last_error.message == "ValueError: broken"
    assert samples(collector.metrics())["orchestrator_queue_length", ("model", "adult")] == 2
    collector.push(report("slow", slow.snapshot()))
    found = collector.summary()
    assert (found.replicas, found.requests) == (2, 22)


def test_the_counts_of_many_replicas_that_are_gone_are_kept_as_one_sum():
    clock = Clock()
    collector = Collector(clock)
    replicas = REMEMBERED * 2
    for index in range(replicas):
        collector.push(report(f"replica-{index}", busy().snapshot()))
        clock.now += 11
    assert (collector.summary().requests, collector.summary().replicas) == (11 * replicas, 0)


def test_a_collector_without_replicas_has_something_to_say():
    assert Collector().summary().to_json() == {
        "models": [],
        "replicas": 0,
        "replica_ids": [],
        "last_error": None,
        "requests": 0,
        "serving": {},
        "processes": [],
    }
    assert samples(Collector().metrics()) == {("orchestrator_replicas",): 0, ("orchestrator_replicas_closed",): 0}


def test_snapshots_of_a_replica_that_arrive_in_another_order_do_not_take_totals_back():
    collector, telemetry = Collector(Clock()), busy()
    early = telemetry.snapshot()
    telemetry.answered("adult", "3", role="champion", route="/predict", status=200, seconds=0.002, rows=5)
    collector.push(report("a", telemetry.snapshot()))
    collector.push(report("a", early))
    assert collector.summary().requests == 12


def test_the_collector_passes_on_what_replicas_say_of_themselves():
    collector = Collector(Clock())
    serving = {"adult": RoleVersions("3")}
    about = {
        "pid": 7,
        "memory": 2**20,
        "notes": ("the disk is full",),
        "in_flight": 3,
        "draining": True,
        "finished": False,
    }
    collector.push(report("b", Telemetry().snapshot(), serving=serving, **about))
    collector.push(report("a", Telemetry().snapshot(), pid=6))
    found = collector.summary()
    assert found.serving == {"a": {}, "b": serving}
    assert [replica.replica for replica in found.processes] == ["a", "b"]
    assert found.processes[1] == ReplicaStatus(replica="b", **about)
    assert EndpointSummary.from_json(orjson.loads(orjson.dumps(found.to_json()))) == found


def test_the_distributor_holds_files_of_prepared_models():
    distributor = Distributor()
    distributor.put_files("a", {"schema.json": b"{}"})
    distributor.put_files("b", {})
    assert distributor.files("a") == {"schema.json": b"{}"}
    distributor.drop_files(["b"])
    assert (distributor.files("b"), distributor.missing(["a", "b"])) == ({}, ["a"])
    with pytest.raises(ServingError, match="'a' are not here"):
        distributor.files("a")


def test_what_is_older_than_the_assignment_does_not_take_its_place():
    distributor = Distributor()
    new, old = ({"m": AssignedModel(AssignedVersion(version, version, Path("x")))} for version in ("2", "1"))
    distributor.publish(2, new)
    distributor.publish(1, old)
    assert (distributor.assignment.number, distributor.assignment.models) == (2, new)
    distributor.drain()
    assert distributor.assignment == Assignment(3, new, draining=True)


def test_prometheus_reads_all_metrics():
    found = samples(render(merge([busy().snapshot()] * 2), SERVED, 2))
    adult = ("model", "adult")
    champion = (adult, ("role", "champion"))
    version = ("version", "3")
    request = (adult, ("role", "champion"), ("route", "/predict"), ("status", "200"), version)
    assert found["orchestrator_requests_total", *request] == 16
    assert found["orchestrator_rows_total", *champion, version] == 80
    assert found["orchestrator_request_duration_seconds_count", *champion, version] == 16
    assert found["orchestrator_request_duration_seconds_sum", *champion, version] == pytest.approx(0.032)
    buckets = {
        float(dict(labels)["le"]): value
        for (name, *labels), value in found.items()
        if name == "orchestrator_request_duration_seconds_bucket" and version in labels
    }
    assert list(buckets) == [*SHOWN_SECONDS, math.inf]
    assert (buckets[0.001], buckets[0.0025], buckets[math.inf]) == (0, 16, 16)
    assert found["orchestrator_batch_rows_sum", adult, version] == 40
    assert found["orchestrator_batch_requests_bucket", ("le", "4.0"), adult, version] == 2
    assert found["orchestrator_batch_seconds_count", adult, version] == 2
    assert found["orchestrator_queue_length", adult] == 14
    assert found["orchestrator_refused_total", adult, ("reason", "overload"), ("version", "3")] == 2
    assert found["orchestrator_shadow_rows_total", adult, ("version", "5")] == 10
    assert found["orchestrator_shadow_differences_total", adult, ("version", "5")] == 4
    assert found["orchestrator_shadow_failures_total", adult, ("version", "5")] == 2
    assert found["orchestrator_shadow_largest_difference", adult, ("version", "5")] == 0.25
    info = (("execution", "onnxruntime"), adult, ("role", "champion"), version)
    assert found["orchestrator_model_info", *info] == 1
    assert found["orchestrator_canary_weight", adult] == 20
    assert found["orchestrator_replicas",] == 2


def test_names_with_quotes_and_line_ends_reach_prometheus_unharmed():
    telemetry = Telemetry()
    name = 'a "b" \\ c\nd é'
    telemetry.answered(name, "1", role="champion", route="/predict", status=200, seconds=0.001, rows=1)
    found = samples(render(telemetry.snapshot(), {}, 1))
    assert {dict(labels)["model"] for _, *labels in found if labels} == {name}


def watched(*requests):
    """A replica that has observed some encoded requests."""
    telemetry = Telemetry()
    telemetry.know("adult", "3", DISTRIBUTION)
    for request in requests:
        telemetry.observe("adult", "3", request)
    return telemetry


def row_of(*telemetries):
    (row,) = summary(merge(telemetry.snapshot() for telemetry in telemetries), Counts())
    return row


def test_inputs_like_the_training_rows_have_not_drifted():
    row = row_of(watched(encoded(400, seed=1), encoded(400, seed=2)))
    assert row.observed_rows == 800
    assert set(row.psi) == {"age", "color"}
    assert max(row.psi.values()) < 0.1


def test_the_column_that_drifts_most_is_named():
    older, bluer = row_of(watched(encoded(800, age=70, seed=1))), row_of(watched(encoded(800, color="blue", seed=1)))
    assert (older.worst_column, bluer.worst_column) == ("age", "color")
    assert older.psi["age"] > 0.25
    assert older.psi["color"] < 0.1
    assert bluer.psi["color"] > 0.25
    assert bluer.psi["age"] < 0.1


def test_drift_is_not_told_of_few_rows_but_of_those_of_all_replicas():
    first, second = watched(encoded(150, seed=1)), watched(encoded(150, seed=2))
    assert (row_of(first).psi, row_of(first).worst_column, row_of(first).observed_rows) == ({}, None, 150)
    assert set(row_of(first, second).psi) == {"age", "color"}


def test_drift_of_versions_that_are_served_reaches_prometheus():
    snapshot = watched(encoded(800, age=70, seed=1)).snapshot()
    version = (("model", "adult"), ("version", "3"))
    for served in ({}, SERVED):
        found = samples(render(snapshot, served, 1))
        assert found["orchestrator_input_rows_observed", *version] == 800
        assert found["orchestrator_input_drift_psi", ("column", "age"), *version] > 0.25
    others = {"adult": ServedModel({"4": ServedVersion("champion", "torch")})}
    assert ("orchestrator_input_rows_observed", *version) not in samples(render(snapshot, others, 1))


def test_rows_of_versions_without_training_counts_are_not_kept():
    telemetry = watched()
    telemetry.know("adult", "3", None)
    telemetry.observe("adult", "3", encoded(5))
    telemetry.observe("iris", "1", encoded(5))
    snapshot = telemetry.snapshot()
    assert snapshot.inputs == snapshot.training == {}


def test_a_thousand_rows_a_second_are_observed_spread_over_large_requests():
    clock = Clock()
    window = InputWindow(DISTRIBUTION, clock)
    inputs = encoded(10 * ROWS_A_SECOND)
    inputs["numeric"].sort(axis=0)
    window.observe(inputs)
    window.observe(inputs)
    counts = np.array(window.count()["age"])
    assert counts.sum() == ROWS_A_SECOND
    assert counts[:10].min() > 0.5 * ROWS_A_SECOND / 10
    clock.now += 1
    window.observe(encoded(7))
    assert sum(window.count()["age"]) == ROWS_A_SECOND + 7


def test_rows_that_nobody_counts_do_not_fill_the_memory():
    clock = Clock()
    window = InputWindow(DISTRIBUTION, clock)
    for _ in range(30):
        window.observe(encoded(ROWS_A_SECOND))
        clock.now += 1
    assert sum(window.count()["age"]) == MAX_WAITING_ROWS


def test_counts_follow_recent_traffic():
    clock = Clock()
    window = InputWindow(DISTRIBUTION, clock)
    shares = []
    for second in range(120):
        window.observe(encoded(ROWS_A_SECOND, age=40 if second < 60 else 80, seed=second))
        clock.now += 1
        counts = np.array(window.count()["age"])
        assert counts.sum() <= WINDOW_ROWS
        shares.append(counts[9] / counts.sum())
    assert shares[59] == pytest.approx(0.1, abs=0.03)
    assert shares[-1] > 0.9


class Actor:
    """An object in this process, called as an actor is."""

    def __init__(self, plain):
        self._plain = plain

    def __getattr__(self, name):
        return SimpleNamespace(remote=getattr(self._plain, name))


def test_what_is_published_again_never_takes_the_place_of_what_was_promoted_meanwhile(tmp_path, monkeypatch):
    import ray

    monkeypatch.setattr(ray, "get", lambda answer, **_options: answer)
    monkeypatch.setattr(publishing, "FOLLOW_SECONDS", 0.01)
    stop = threading.Event()
    models = RegistryWatcher(tmp_path, None, "torch")
    model = models.models["m"] = FollowedModel(name="m", uri="", follows=False)

    def serve(version):
        model.roles = {
            "champion": PreparedVersion(
                version=version, key=version, folder=tmp_path, schema=SCHEMA, execution="torch", reason=""
            )
        }
        publisher.apply(models.assigned())

    class Interrupted(Coordinator):
        def set_served(self, served):
            # `orchestrator promote` comes between two steps of the thread that follows the registry
            if threading.current_thread() is not threading.main_thread() and not stop.is_set():
                stop.set()
                ThreadPoolExecutor(1).submit(serve, "2").result()

    coordinator = Interrupted()
    publisher = publishing.Publisher(models, Actor(coordinator), files=False)
    serve("1")
    assert coordinator.assignment().models == {"m": AssignedModel(AssignedVersion("1", "1", tmp_path))}
    publisher.follow_in_background(stop, print).join()
    assert coordinator.assignment().models["m"].champion.version == "2"
