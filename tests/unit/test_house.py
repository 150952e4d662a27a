"""The house keeps its boundaries: what may be imported where, beyond what import-linter sees."""

import subprocess
import sys

import pytest

IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
    importlib.import_module(module.name)
print(*sorted({"torch", "ray", "mlflow"} & set(sys.modules)))
"""


@pytest.mark.parametrize("package", ["sweep", "search", "journal"])
def test_what_decides_about_a_sweep_loads_neither_torch_nor_ray_nor_mlflow(package):
    # import-linter does not follow names that a package imports when they are asked for
    command = [sys.executable, "-c", IMPORT_ALL, f"orchestrator.{package}"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == []
