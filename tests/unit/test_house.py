"""The house keeps its boundaries: what may be imported where, beyond what import-linter sees."""

import ast
import pkgutil
import subprocess
import sys

import pytest
from source_code import ROOT, SourceCode

import orchestrator

LINES_OF_MODULE, LINES_OF_FUNCTION, POSITIONAL_FIELDS = 400, 60, 4

IMPORT_ALL = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, f"{name}."):
        importlib.import_module(module.name)
print(*sorted({"torch", "ray", "mlflow"} & set(sys.modules)))
"""


def test_what_decides_about_a_sweep_loads_neither_torch_nor_ray_nor_mlflow():
    # import-linter does not follow names that a package imports when they are asked for
    packages = [f"orchestrator.{name}" for name in ("sweeps", "search", "journal", "analysis", "reports")]
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL, *packages], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_no_module_hides_a_name_of_the_public_api():
    # importing a module below a package sets its name there
    modules = {module.name for module in pkgutil.iter_modules(orchestrator.__path__)}
    assert modules.isdisjoint(orchestrator.__all__)


@pytest.fixture(scope="module")
def source():
    return SourceCode()


def lines_of(function):
    """From the first statement to the last: the API writes each parameter on a line of its own, and explains it."""
    first = function.body[0]
    docstring = first.end_lineno - first.lineno + 1 if ast.get_docstring(function) is not None else 0
    return function.end_lineno - first.lineno + 1 - docstring


def test_no_module_is_long():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in ROOT.rglob("*.py")}
    assert len(lengths) > 200
    assert {name: length for name, length in lengths.items() if length > LINES_OF_MODULE} == {}


def test_no_function_is_long(source):
    lengths = {where: lines_of(node) for where, node in source.named(ast.FunctionDef, ast.AsyncFunctionDef)}
    assert len(lengths) > 1000
    assert {where: length for where, length in lengths.items() if length > LINES_OF_FUNCTION} == {}


def dataclass_words(node):
    """Arguments of the decorator `dataclass`, None of another class."""
    for decorator in node.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else ast.Call(decorator, [], [])
        if ast.unparse(call.func).rpartition(".")[2] == "dataclass":
            return {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    return None


def test_what_has_many_fields_is_made_by_their_names(source):
    found = [(where, node, dataclass_words(node)) for where, node in source.named(ast.ClassDef)]
    found = [(where, node, words) for where, node, words in found if words is not None]
    assert len(found) > 100
    for where, node, words in found:
        fields = [
            statement
            for statement in node.body
            if isinstance(statement, ast.AnnAssign) and "ClassVar" not in ast.unparse(statement.annotation)
        ]
        assert len(fields) <= POSITIONAL_FIELDS or words.get("kw_only") == "True", where


def test_no_two_classes_have_one_name(source):
    names = [node.name for _, node in source.named(ast.ClassDef) if not node.name.startswith("_")]
    assert {name for name in names if names.count(name) > 1} == set()
