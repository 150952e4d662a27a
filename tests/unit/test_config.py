"""Configurations, durations and slots."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config import ResourceConfig, SweepConfig, format_duration, parse_duration
from orchestrator.errors import ConfigError, ExecutionError
from orchestrator.execution.slots import plan_slots


@given(seconds=st.integers(1, 10**6))
def test_durations_survive_formatting(seconds):
    assert parse_duration(format_duration(timedelta(seconds=seconds))) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("2h", 7200), ("1h30m", 5400), ("45", 45)])
def test_durations_are_read(text, seconds):
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5s", "0s", "1d", "h", "5 m", "0"])
def test_what_is_no_duration_is_a_sentence(text):
    with pytest.raises(ConfigError, match="time_budget"):
        SweepConfig.create(data="x.csv", time_budget=text)


def test_a_configuration_survives_yaml(tmp_path):
    config = SweepConfig.create(data="x.csv", time_budget="10m", ignore=("a",), resources={"cpus_per_worker": 2})
    config.save(tmp_path / "sweep.yaml")
    assert SweepConfig.load(tmp_path / "sweep.yaml") == config


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"trial": 3}, "trial: there is no such entry"),
        ({"trials": 0}, "trials: input should be greater than or equal to 1"),
        ({"algorithm": "magic"}, "algorithm: input should be 'tpe', 'random' or 'grid'"),
        ({"name": "a/b"}, "name: string should match"),
        ({"resources": {"gpus_per_worker": 1.5}}, "whole number"),
    ],
)
def test_an_impossible_configuration_is_a_sentence(options, sentence):
    with pytest.raises(ConfigError, match=sentence):
        SweepConfig.create(data="x.csv", **options)


def test_a_broken_yaml_file_is_a_sentence(tmp_path):
    path = tmp_path / "sweep.yaml"
    for text in ("a: [", "- 1", ""):
        path.write_text(text)
        with pytest.raises(ConfigError, match=r"sweep\.yaml"):
            SweepConfig.load(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        SweepConfig.load(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("nodes", "resources", "trials", "count", "threads"),
    [
        ([{"CPU": 2}], {}, None, 2, 1),
        ([{"CPU": 8}], {}, 3, 3, 2),
        ([{"CPU": 8}], {"cpus_per_worker": 4}, 20, 2, 4),
        ([{"CPU": 2}, {"CPU": 3}], {"cpus_per_worker": 2}, None, 2, 2),
        ([{"CPU": 8, "GPU": 1}], {"gpus_per_worker": 0.5}, None, 2, 4),
        ([{"CPU": 8, "GPU": 2}], {"gpus_per_worker": 1}, None, 2, 4),
        ([{"CPU": 1, "GPU": 2}], {"gpus_per_worker": 0.25}, None, 1, 1),
    ],
)
def test_slots_fill_the_cluster(nodes, resources, trials, count, threads):
    slots = plan_slots(nodes, ResourceConfig.create(**resources), trials)
    assert (slots.count, slots.threads) == (count, threads)


@given(
    cores=st.lists(st.integers(1, 64), min_size=1, max_size=5),
    each=st.integers(1, 8),
    trials=st.one_of(st.none(), st.integers(1, 100)),
)
def test_slots_never_take_more_threads_than_there_are_cores(cores, each, trials):
    nodes = [{"CPU": float(count)} for count in cores]
    try:
        slots = plan_slots(nodes, ResourceConfig(cpus_per_worker=each), trials)
    except ExecutionError:
        assert max(cores) < each
        return
    assert slots.threads >= each
    for count in cores:
        assert min(count // each, slots.count) * slots.threads <= count or slots.threads == each


@pytest.mark.parametrize(
    ("resources", "sentence"),
    [
        ({"gpus_per_worker": 4}, "a trial needs 4 GPU, the largest node has 2"),
        ({"cpus_per_worker": 16}, "a trial needs 16 CPU, the largest node has 8"),
    ],
)
def test_what_fits_nowhere_is_refused(resources, sentence):
    with pytest.raises(ExecutionError, match=sentence):
        plan_slots([{"CPU": 8, "GPU": 2}], ResourceConfig.create(**resources), 10)
