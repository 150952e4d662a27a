"""How much a sweep tries when its user says it in one word, or not at all."""

from datetime import timedelta
from types import SimpleNamespace

import pandas as pd
import pytest

from orchestrator import prepare_dataset
from orchestrator.choices import PresetName, names_of
from orchestrator.columns.features_wish import PLAIN_FEATURES, USUAL_FEATURES
from orchestrator.config import SweepConfig
from orchestrator.errors import ConfigError, DataError
from orchestrator.sweeps.presets import PRESETS, with_preset
from orchestrator.sweeps.resume import session_options


@pytest.mark.parametrize(
    ("given", "preset", "trials", "seconds"),
    [
        ({}, "good", 40, 600),
        ({"preset": "quick"}, "quick", 10, 50),
        ({"preset": "best"}, "best", None, 3600),
        ({"preset": "best", "time_budget": "8h"}, "best", None, 8 * 3600),
        ({"preset": "good", "time_budget": "1h"}, "good", None, 3600),
        ({"preset": "quick", "time_budget": "20s"}, "quick", 10, 20),
        ({"preset": "good", "trials": 5}, "good", 5, 600),
        # what the user has said is enough
        ({"trials": 5}, None, 5, None),
        ({"time_budget": "90s"}, None, None, 90),
        # a grid is tried whole, and a population has a size
        ({"algorithm": "grid"}, None, None, None),
        ({"scheduler": "pbt"}, None, None, None),
        ({"algorithm": "grid", "preset": "quick"}, "quick", 10, 50),
    ],
)
def test_what_a_preset_says_counts_where_the_user_says_nothing(given, preset, trials, seconds):
    found = with_preset(SweepConfig.create(data="sklearn:iris", **given))
    assert (found.preset, found.trials) == (preset, trials)
    assert found.time_budget == (None if seconds is None else timedelta(seconds=seconds))
    assert with_preset(found) == found


@pytest.mark.parametrize(
    ("given", "folds"),
    [
        ({}, "auto"),
        ({"preset": "quick"}, None),
        ({"preset": "best"}, "auto"),
        ({"folds": "1"}, "1"),
        ({"validation": "rows.csv"}, None),
        ({"split_column": "part"}, None),
        ({"group": "shop"}, None),
        ({"trials": 5}, None),
    ],
)
def test_a_preset_trains_on_folds_unless_the_user_has_said_which_rows_validate(given, folds):
    assert with_preset(SweepConfig.create(data="sklearn:iris", **given)).folds == folds


def test_as_many_folds_as_there_can_be_may_be_none():
    frame = pd.DataFrame({"x": range(24), "day": [1, 2, 3] * 8, "y": [number % 7 / 2 for number in range(24)]})
    with pytest.raises(DataError, match="too few for two folds"):
        prepare_dataset(frame, "y", time="day", folds=5)
    assert prepare_dataset(frame, "y", time="day", folds="auto").folds == ()


def test_presets_are_more_and_more_and_an_unknown_one_is_named():
    assert tuple(PRESETS) == names_of(PresetName)
    budgets = [preset.time_budget for preset in PRESETS.values()]
    assert budgets == sorted(budgets)
    with pytest.raises(ConfigError, match="preset"):
        SweepConfig.create(data="sklearn:iris", preset="god")


@pytest.mark.parametrize(
    ("trials", "options", "seconds"), [(None, {}, 600), ("+5", {}, None), ("+5", {"time_budget": "1h"}, 3600)]
)
def test_who_asks_for_more_trials_than_a_preset_means_more_than_its_time(trials, options, seconds):
    config = with_preset(SweepConfig.create(data="sklearn:iris")).model_dump(mode="json", exclude_none=True)
    found = SimpleNamespace(header=SimpleNamespace(config=config, status="interrupted", id="iris-1"))
    session = session_options(found, SimpleNamespace(events=()), trials, options)
    assert session.features == USUAL_FEATURES
    assert session.time_budget == (None if seconds is None else timedelta(seconds=seconds))


def test_a_sweep_of_before_goes_on_with_the_inputs_that_it_has():
    config = SweepConfig.create(data="sklearn:iris").model_dump(mode="json", exclude_none=True)
    config = {name: value for name, value in config.items() if name not in PLAIN_FEATURES.to_json()}
    found = SimpleNamespace(header=SimpleNamespace(config=config, status="interrupted", id="iris-1"))
    assert session_options(found, SimpleNamespace(events=()), None, {}).features == PLAIN_FEATURES
