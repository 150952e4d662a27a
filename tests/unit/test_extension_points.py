"""What is meant to be extended by one file is known to no other module: the number of those that do may not grow."""

import ast
from pathlib import Path

import orchestrator
from orchestrator.choices import TaskName, names_of

ROOT = Path(orchestrator.__file__).parent
# what a task is made of may be used anywhere; these work with tasks as such, whichever they are
WORK_WITH_TASKS = {
    "cli.options",
    "data.dataset",
    "data.inference",
    "data.profile",
    "data.schema",
    "serving.http.openapi_bodies",
}
TASK_NAMES = {"Task", "TASKS", "find_task", "read_task", "read_target", "describe_metrics", "TaskName"}


def modules(without):
    """Names of all modules but those below a package, with what they hold."""
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if not name.startswith(without):
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def imports(tree):
    """(module, name) of all imports, also those inside of functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from ((str(node.module), alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


def test_no_module_outside_of_tasks_knows_a_kind_of_prediction():
    kinds = names_of(TaskName)
    for name, tree in modules(without="tasks"):
        known = [module for module, _ in imports(tree) if module in {f"orchestrator.tasks.{kind}" for kind in kinds}]
        assert known == [], name
        words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)} & set(kinds)
        assert not words or name == "choices", (name, words)
        asked = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & {"is_classification"}
        assert not asked, name


def test_few_modules_work_with_tasks():
    found = {
        name
        for name, tree in modules(without="tasks")
        if any(
            module.startswith(("orchestrator.tasks", "orchestrator.choices")) and what in TASK_NAMES
            for module, what in imports(tree)
        )
    }
    assert found - {"config"} <= WORK_WITH_TASKS
