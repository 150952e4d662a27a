"""The house keeps its boundaries: what may be imported where, beyond what import-linter sees."""

import pkgutil
import subprocess
import sys

import pytest

import orchestrator

IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
    importlib.import_module(module.name)
print(*sorted({"torch", "ray", "mlflow"} & set(sys.modules)))
"""


@pytest.mark.parametrize("package", ["sweeps", "search", "journal"])
def test_what_decides_about_a_sweep_loads_neither_torch_nor_ray_nor_mlflow(package):
    # import-linter does not follow names that a package imports when they are asked for
    command = [sys.executable, "-c", IMPORT_ALL, f"orchestrator.{package}"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == []


def test_no_module_hides_a_name_of_the_public_api():
    # importing a module below a package sets its name there
    modules = {module.name for module in pkgutil.iter_modules(orchestrator.__path__)}
    assert modules.isdisjoint(orchestrator.__all__)
