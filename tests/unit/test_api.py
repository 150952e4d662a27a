"""The Python API writes out what it takes: the fields of the configurations, each once, none left out."""

import ast
import inspect
from pathlib import Path

import pandas as pd
import pytest

import orchestrator
from orchestrator import api
from orchestrator.config import ServeConfig, SweepConfig
from orchestrator.errors import ConfigError

FIXED = {"data", "target", "task", "categorical", "ignore", "ignore_text", "columns", "space", "metric", "seed", "name"}


def options(function):
    """Its parameters but the first one."""
    return list(inspect.signature(function).parameters.values())[1:]


@pytest.mark.parametrize(
    ("function", "config", "own"),
    [(api.sweep, SweepConfig, {"hooks"}), (api.plan, SweepConfig, {"notify"}), (api.deploy, ServeConfig, {"notify"})],
)
def test_a_function_takes_the_fields_of_its_configuration_by_name(function, config, own):
    fields = list(config.model_fields)
    first = next(iter(inspect.signature(function).parameters))
    assert first in fields
    found = options(function)
    assert [option.name for option in found] == [name for name in fields if name != first] + sorted(own)
    assert all(option.kind is option.KEYWORD_ONLY and option.default is None for option in found)


def test_resume_takes_fields_that_may_change():
    names = {option.name for option in options(api.resume)} - {"data", "storage", "trials", "tracking_uri", "hooks"}
    assert names <= set(SweepConfig.model_fields) - FIXED


@pytest.mark.parametrize("function", [api.sweep, api.resume, api.deploy, orchestrator.train, orchestrator.reproduce])
def test_each_parameter_is_explained(function):
    for name in inspect.signature(function).parameters:
        assert name in function.__doc__, name


def test_values_are_checked_by_the_configuration():
    with pytest.raises(ConfigError, match="trials"):
        orchestrator.sweep("sklearn:iris", trials=0)
    with pytest.raises(TypeError, match="trails"):
        orchestrator.sweep("sklearn:iris", trails=3)


def test_what_is_given_becomes_the_configuration_and_the_rest_has_its_defaults(monkeypatch):
    seen = []
    monkeypatch.setattr("orchestrator.runtime.sweeps.run_sweep", lambda *arguments: seen.append(arguments))
    hooks = orchestrator.Hooks()
    orchestrator.sweep("sklearn:iris", trials=3, time_budget="90s", resources={"workers_per_trial": 2}, hooks=hooks)
    config, table, given = seen.pop()
    wanted = SweepConfig.create(data="sklearn:iris", trials=3, time_budget="90s", resources={"workers_per_trial": 2})
    assert (config, table, given) == (wanted, None, hooks)
    orchestrator.sweep(pd.DataFrame({"a": [1, 2]}), name="mine", disk_budget="1GB")
    config, table, given = seen.pop()
    assert (config.data, config.disk_budget, table.name, given) == ("data frame", 10**9, "mine", None)


def test_the_public_names_are_those_that_type_checkers_see_and_each_can_be_had():
    source = Path(orchestrator.__file__).read_text(encoding="utf-8")
    seen = [
        alias.asname for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom) for alias in node.names
    ]
    assert sorted(name for name in seen if name) == orchestrator.__all__ == dir(orchestrator)
    for name in orchestrator.__all__:
        assert getattr(orchestrator, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'sweeep'"):
        orchestrator.sweeep  # noqa: B018
