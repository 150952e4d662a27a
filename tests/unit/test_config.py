"""Configurations, durations and slots."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config import SweepConfig, format_duration, parse_duration
from orchestrator.errors import ConfigError


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
