"""Configurations, durations and slots."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.choices import AlgorithmName, names_of
from orchestrator.config import ServeConfig, SweepConfig
from orchestrator.errors import ConfigError
from orchestrator.serving.control.deploy import command_options
from orchestrator.units import (
    format_duration,
    format_keep,
    parse_duration,
    parse_keep,
    show_apart,
    show_number,
    show_seconds,
)

KNOWN = [repr(name) for name in names_of(AlgorithmName)]


@given(seconds=st.integers(1, 10**6))
def test_durations_survive_formatting(seconds):
    assert parse_duration(format_duration(timedelta(seconds=seconds))) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("2h", 7200),
        ("1h30m", 5400),
        ("5min", 300),
        ("5 Minutes", 300),
        ("1 h 30 min", 5400),
        ("1.5h", 5400),
        ("45 sec", 45),
        ("7d", 604800),
        ("0.5s", 0.5),
    ],
)
def test_durations_are_read(text, seconds):
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("number", ["5", " 5 ", "0.5", 5, 2.5])
def test_a_duration_without_a_unit_is_refused_and_says_both_that_may_be_meant(number):
    text = str(number).strip()
    with pytest.raises(ConfigError, match=rf"no unit; write {text}s for seconds or {text}m for minutes"):
        SweepConfig.create(data="x.csv", time_budget=number)


@pytest.mark.parametrize(
    "text",
    ["", "soon", "-5s", "0s", "1w", "h", "5 mm", "1h30", "30m1h", "5m5m", "1h and 5m", "5s!", True, f"{'9' * 30}d"],
)
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
        ({"trial": 3}, "trial: there is no such entry here as 'trial'; did you mean trials"),
        ({"trials": "many"}, "trials: must be a whole number, not 'many'"),
        ({"algorithm": "radnom"}, "did you mean random"),
        ({"scheduler": "asha-promot"}, "did you mean asha-promote"),
        ({"precision": "bf61"}, "did you mean bf16"),
        ({"resources": {"cpu_per_worker": 2}}, "resources.cpu_per_worker: .*did you mean cpus_per_worker"),
        ({"trials": 0}, "trials: must be at least 1, not 0"),
        ({"algorithm": "magic"}, f"algorithm: must be {', '.join(KNOWN[:-1])} or {KNOWN[-1]}, not 'magic'"),
        ({"name": "a/b"}, "name: 'a/b' cannot be a name"),
        ({"name": " a"}, "name: ' a' cannot be a name"),
        ({"name": "a\nb"}, r"name: 'a\\nb' cannot be a name"),
        ({"name": "ä" * 76}, "name: is longer than 150 bytes"),
        ({"resources": {"gpus_per_worker": 1.5}}, "whole number"),
    ],
)
def test_an_impossible_configuration_is_a_sentence(options, sentence):
    with pytest.raises(ConfigError, match=sentence):
        SweepConfig.create(data="x.csv", **options)


def test_a_broken_yaml_file_is_a_sentence(tmp_path):
    path = tmp_path / "sweep.yaml"
    for text in ("a: [", "- 1", "", "data: x.csv\ndata: y.csv", "a: &a {b: *a}", "[" * 5000):
        path.write_text(text)
        with pytest.raises(ConfigError, match=r"sweep\.yaml"):
            SweepConfig.load(path)
    with pytest.raises(ConfigError, match="no such file"):
        SweepConfig.load(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("trails: 5", r"line 3, trails: .*did you mean trials"),
        ("time_budget: 5", r"line 3, time_budget: '5' has no unit"),
        ("algorithm: tpa", r"line 3, algorithm: .*did you mean tpe"),
        ("resources:\n  gpu_per_worker: 1", r"line 4, resources.gpu_per_worker: .*did you mean gpus_per_worker"),
        ("categorical: [a, [b]]", r"line 3, categorical.1: must be a text"),
    ],
)
def test_what_is_wrong_in_a_file_has_its_line_and_a_suggestion(tmp_path, line, sentence):
    path = tmp_path / "sweep.yaml"
    path.write_text(f"data: x.csv\n# a comment\n{line}\n")
    with pytest.raises(ConfigError, match=rf"sweep\.yaml, {sentence}"):
        SweepConfig.load(path)


def test_options_count_more_than_the_file_and_are_blamed_by_their_name(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text("data: x.csv\ntrials: 5\nresources: {cpus_per_worker: 2}\n")
    config = SweepConfig.load(path, {"trials": 7, "resources": {"workers_per_trial": 3}})
    assert (config.trials, config.resources.cpus_per_worker, config.resources.workers_per_trial) == (7, 2, 3)
    with pytest.raises(ConfigError, match=r"^--disk-budget: "):
        SweepConfig.load(path, {"disk_budget": "much"})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (118400.3, "118,400"),
        (118412.0, "118,412"),
        (1.184e5, "118,400"),
        (1234.5678, "1,235"),
        (999.96, "1000"),
        (12.345678, "12.35"),
        (0.93125, "0.9313"),
        (0.000123, "0.000123"),
        (0.0000123456, "1.235e-5"),
        (-118400.3, "-118,400"),
        (5e36, "5e36"),
        (0.0, "0"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (118400, "118400"),
        ("relu", "relu"),
        (None, ""),
    ],
)
def test_figures_have_the_digits_that_matter(value, text):
    assert show_number(value) == text


@given(value=st.floats(1e-30, 1e30))
def test_a_figure_is_read_back_to_four_digits(value):
    assert float(show_number(value).replace(",", "")) == pytest.approx(value, rel=5.1e-4)


@pytest.mark.parametrize(
    ("one", "other", "shown"),
    [
        (0.91, 0.9, ("0.91", "0.9")),
        (0.91231, 0.91234, ("0.91231", "0.91234")),
        (118412.25, 118412.31, ("118,412.2", "118,412.3")),
        (0.1, 0.1, ("0.1", "0.1")),
        (0.1, 0.1 + 1e-17 * 2, ("0.1", "0.10000000000000002")),
        (1.2e-7, 1.21e-7, ("1.2e-7", "1.21e-7")),
    ],
)
def test_different_figures_look_different(one, other, shown):
    assert show_apart(one, other) == shown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 s"),
        (4.4, "4 s"),
        (40.3252, "40 s"),
        (58, "1 min"),
        (200.4, "3 min 20 s"),
        (3700, "1 h"),
        (1e6, "278 h"),
    ],
)
def test_an_estimate_is_rounded_to_what_one_can_know(seconds, text):
    assert show_seconds(seconds) == text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("30d", timedelta(days=30)),
        ("1.5d", timedelta(hours=36)),
        ("12h", timedelta(hours=12)),
        ("10GB", 10**10),
        ("500mb", 5 * 10**8),
    ],
)
def test_what_is_kept_is_an_age_or_a_size(text, kept):
    assert parse_keep(text) == kept
    assert parse_keep(format_keep(kept)) == kept


@pytest.mark.parametrize(
    "text", ["30", "10M2", "d", "0d", "-1d", "infd", "1e99d", "9999999999d", "GB", "0B", "", "ten"]
)
def test_what_is_neither_an_age_nor_a_size_is_refused(text):
    with pytest.raises(ValueError, match="write 30d, 12h or 10GB"):
        parse_keep(text)


def test_an_endpoint_keeps_no_log_that_it_does_not_write():
    with pytest.raises(ConfigError, match="log_keep and log_drop need log_share"):
        ServeConfig.create(models=["m"], log_folder="log", log_keep="30d")
    with pytest.raises(ConfigError, match=r"log_folder needs log_share: .* with 1 all of them"):
        ServeConfig.create(models=["m"], log_folder="log")
    config = ServeConfig.create(models=["m"], log_folder="log", log_share=0.5, log_keep="30d", log_drop=("age", "sex"))
    words = command_options(config)
    assert words[words.index("--log-keep") + 1] == "720h"
    assert [words[at + 1] for at, word in enumerate(words) if word == "--log-drop"] == ["age", "sex"]
