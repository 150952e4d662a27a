"""What is meant to be extended by one file is known to no other module: the number of those that do may not grow."""

import ast
import json
import re

import pytest
from source_code import SourceCode

from orchestrator.choices import AlgorithmName, SchedulerName, TaskName, names_of
from orchestrator.features import KINDS, ColumnKind
from orchestrator.serving.http.page import form_page

# what a task is made of may be used anywhere; these work with tasks as such, whichever they are
WORK_WITH_TASKS = {
    "api.sweeps",
    "cli.options",
    "data.asked",
    "data.dataset",
    "data.guessing",
    "data.profile",
    "data.schema",
    "data.streamed",
    "fields",
    "runtime.train",
    "serving.http.openapi_bodies",
    "training.losses",
}
TASK_NAMES = {
    "Task",
    "TASKS",
    "TaskWish",
    "find_target",
    "plain_task",
    "read_task",
    "read_target",
    "describe_metrics",
    "TaskName",
}


@pytest.fixture(scope="module")
def source():
    return SourceCode()


def imports(nodes):
    """(module, name) of all imports, also those inside of functions."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            yield from ((str(node.module), alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


def test_no_module_outside_of_tasks_knows_a_kind_of_prediction(source):
    kinds = names_of(TaskName)
    for name, nodes in source.modules(without="tasks"):
        known = [module for module, _ in imports(nodes) if module in {f"orchestrator.tasks.{kind}" for kind in kinds}]
        assert known == [], name
        words = {node.value for node in nodes if isinstance(node, ast.Constant)} & set(kinds)
        if name.startswith("networks."):
            # numbers are scaled by their quantiles, which is no task
            words -= {"quantile"}
        assert not words or name == "choices", (name, words)
        asked = {node.attr for node in nodes if isinstance(node, ast.Attribute)} & {"is_classification"}
        assert not asked, name


def test_few_modules_work_with_tasks(source):
    found = {
        name
        for name, nodes in source.modules(without="tasks")
        if any(
            module.startswith(("orchestrator.tasks", "orchestrator.choices")) and what in TASK_NAMES
            for module, what in imports(nodes)
        )
    }
    assert found <= WORK_WITH_TASKS


# one user's choice, a faster way to parse requests, the input that texts make, times that order rows, and copies of the
# target, which are other ones among numbers than among labels
KNOW_KINDS = {"data.guessing", "data.columnar", "data.encoder", "data.splits.marks", "data.leaks"}


def test_few_modules_know_a_kind_of_column(source):
    files = {f"orchestrator.features.{kind}" for kind in ColumnKind}
    found = set()
    for name, nodes in source.modules(without="features"):
        asked = {
            node.value.id for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        }
        if files & {module for module, _ in imports(nodes)} or "ColumnKind" in asked:
            found.add(name)
    assert found <= KNOW_KINDS


def test_the_form_page_is_told_how_the_values_of_each_kind_of_column_are_entered():
    page = form_page().decode()
    assert re.findall(r"\w+\.kind\b.*", page) == ["column.kind];"]
    controls = json.loads(re.search(r"const CONTROLS = (.*);", page)[1])
    assert list(controls) == [kind.value for kind in KINDS]
    assert set(KINDS) == set(ColumnKind)
    assert controls["boolean"] == {"reads": "truth", "lines": "never", "choices": ["true", "false"]}


# what a scheduler or a search algorithm is to others: found by its name, asked for what its base promises
DECIDE = {"search", "sweeps.plan", "sweeps.presets"}
FIND_SCHEDULERS = {"runtime.assembly", "runtime.probe.estimate", "sweeps.disk"} | DECIDE
FIND_SEARCHERS = {"runtime.planning", "search.proposals", "sweeps.resume"} | DECIDE


@pytest.mark.parametrize(
    ("package", "choices", "find", "allowed"),
    [
        ("schedulers", SchedulerName, "find_scheduler", FIND_SCHEDULERS),
        ("searchers", AlgorithmName, "find_searcher", FIND_SEARCHERS),
    ],
)
def test_a_scheduler_or_searcher_is_known_by_its_name_only(source, package, choices, find, allowed):
    home = f"search.{package}"
    files = {f"orchestrator.{home}.{name.replace('-', '_')}" for name in names_of(choices)}
    found = set()
    for name, nodes in source.modules(without=home):
        assert not files & {module for module, _ in imports(nodes)}, name
        if find in {what for _, what in imports(nodes)}:
            found.add(name)
    assert found <= allowed


@pytest.mark.parametrize("choices", [SchedulerName, AlgorithmName])
def test_no_module_asks_which_scheduler_or_searcher_it_has(source, choices):
    names = set(names_of(choices)) - {"none", "random"}
    for name, nodes in source.modules(without="search.sche"):
        compared = [node for node in nodes if isinstance(node, ast.Compare | ast.MatchValue)]
        words = {leaf.value for node in compared for leaf in ast.walk(node) if isinstance(leaf, ast.Constant)}
        assert not {word for word in words if isinstance(word, str)} & names, name
